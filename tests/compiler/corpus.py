"""Everything that the compiler says about the case files, as views."""

from __future__ import annotations

from functools import cache

from meshes import compile_case
from test_cases import FILES

from meshplan.compiler.render.view import view


@cache
def compiled():
    """Every case file by name, compiled."""
    return {f"{path.parent.name}/{path.stem}": compile_case(path.read_bytes().decode()) for path in FILES}


@cache
def views():
    return {name: view(c.diagnostics, c.texts, c.draft.whole) for name, c in compiled().items()}
