"""Callers' own tokens at servers: how they are asked for, got in a browser, kept sealed, and renewed."""
