"""Everything that the compiler says about the case files, as views."""

from __future__ import annotations

from functools import cache

from meshes import compile_text
from test_cases import FILES, source

from meshplan.compiler.render.view import view


@cache
def compiled():
    """Every case file by name, compiled."""
    return {f"{path.parent.name}/{path.stem}": compile_text(source(path)) for path in FILES}


@cache
def views():
    return {name: view(c.diagnostics, c.texts, c.draft.root) for name, c in compiled().items()}
