"""How an endpoint exposes its tools: what a client sees, and how its calls become calls of real tools."""
