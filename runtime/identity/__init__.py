"""Who is calling: declared issuers and their keys, tokens, and what the mesh says of itself as a protected resource."""
