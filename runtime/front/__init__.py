"""The MCP server side: every transport and era that a client may speak, all ending in the one ``invoke``."""
