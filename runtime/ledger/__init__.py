"""The ledger as it is written: every attempt, intent before outcome, in one chain a writer."""
