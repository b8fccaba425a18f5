"""The MCP client side: one owner task per upstream server, whatever its transport and era."""
