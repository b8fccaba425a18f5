"""From an OpenAPI document to tools: what `mesh lock` records of an API that is not an MCP server."""
