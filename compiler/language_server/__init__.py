"""`mesh lsp`: what an editor asks while mesh.yaml is being written; only `server` knows the protocol's library."""
