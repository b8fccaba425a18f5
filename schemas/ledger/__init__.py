"""The ledger's file: the shape of an entry, the chain that ties entries together, and how both are read."""
