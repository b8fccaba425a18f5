"""Budgets as they are kept while calls run: which ones a call is in, what it may cost, and the counters behind them."""
