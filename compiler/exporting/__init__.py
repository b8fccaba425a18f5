"""Forms in which a ledger's entries leave it, beside JSON lines."""
