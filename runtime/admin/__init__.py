"""The pages for those who run the mesh, on a listener of their own: status, metrics and console."""
