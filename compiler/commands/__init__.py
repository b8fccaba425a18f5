"""One file a command: options in, exit code out; the work is done elsewhere."""
