"""Built-in policy packs: data, read by the compiler only."""
