"""Several worker processes on one port: who starts them, what they share, and how they reach each other."""
