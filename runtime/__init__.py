"""Loads one frozen plan and enforces it on live MCP traffic; has no way to change what it enforces."""
