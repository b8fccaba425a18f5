"""Counters that several runtimes share, in a Redis or Valkey."""
