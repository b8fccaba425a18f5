"""Turns mesh.yaml and mesh.lock into one frozen plan, or into diagnostics; never touches the network or the clock."""
