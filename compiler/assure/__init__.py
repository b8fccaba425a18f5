"""What may never be: invariants over access, policies over the whole mesh, and the base's of both on a change."""
