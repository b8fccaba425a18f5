"""`python -m meshplan.compiler` is `mesh`."""

from __future__ import annotations

from meshplan.compiler.cli import main

main()
