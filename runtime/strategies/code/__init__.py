"""The strategy `code`: callers send a program, which runs in a sandbox and calls the tools that they may use."""
