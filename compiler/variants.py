"""A mesh in all of its environments: each is compiled, and what only one of them shows says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from meshplan.compiler.diagnostics import Diagnostic, ordered
from meshplan.compiler.marks import MapNode
from meshplan.compiler.pipeline import ENTRY, Compiled, compile_mesh
from meshplan.compiler.reader import Reader


def environments(compiled: Compiled) -> list[str]:
    """The environments that a mesh declares, in the order of the file."""
    root = compiled.draft.whole or compiled.draft.root
    found = root.get("environments") if root is not None else None
    return list(found) if isinstance(found, MapNode) else []


def compile_everywhere(
    reader: Reader, *, today: date, entry: str = ENTRY, parameters: Mapping[str, str] | None = None
) -> Compiled:
    """The mesh without an environment, with the diagnostics of every environment beside its own; makes no plan."""
    base = compile_mesh(reader, today=today, entry=entry, parameters=parameters, check_only=True)
    known = {_bare(diagnostic) for diagnostic in base.diagnostics}
    texts = dict(base.texts)
    found = list(base.diagnostics)
    for name in environments(base):
        variant = compile_mesh(
            reader, today=today, entry=entry, environment=name, parameters=parameters, check_only=True
        )
        texts.update(variant.texts)
        found += [_in(name, d) for d in variant.diagnostics if _bare(d) not in known]
        known |= {_bare(diagnostic) for diagnostic in variant.diagnostics}
    return replace(base, diagnostics=ordered(found), texts=texts)


def _bare(diagnostic: Diagnostic) -> Diagnostic:
    """What makes a diagnostic the same one in another environment."""
    return replace(diagnostic, labels=(), help=None, fix=None)


def _in(environment: str, diagnostic: Diagnostic) -> Diagnostic:
    where = f"only in environment `{environment}`"
    return replace(diagnostic, help=f"{diagnostic.help}; {where}" if diagnostic.help else where)
