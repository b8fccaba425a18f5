"""Reading on after a mistake: the smallest wrong part is left out, so that the rest is still checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.marks import MapNode, SeqNode, child, copied, cut
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.syntax.shape import walk

ROUNDS = 8


class Salvaged(NamedTuple):
    """What is left of the mesh and of its document, and every word of what was cut away, case-folded."""

    mesh: Mesh
    document: MapNode
    lost: frozenset[str]


def salvage(root: MapNode, error: ValidationError) -> Salvaged | None:
    """The mesh without its wrong parts; ``None`` where too little is left.

    A wrong value goes first; where its key turns out to be needed, what holds it goes in the next round.
    """
    left: MapNode = copied(root)
    lost: set[str] = set()
    for _ in range(ROUNDS):
        paths = {_target(walk(Mesh, tuple(d["loc"]))[0], d["type"]) for d in error.errors(include_url=False)}
        if () in paths:
            return None
        # The last first, so that the positions of the others in their list stay true.
        for path in sorted(paths, key=lambda p: [(isinstance(part, int), part) for part in p], reverse=True):
            _cut(left, path, lost)
        try:
            return Salvaged(Mesh.model_validate(left), left, frozenset(lost))
        except ValidationError as again:
            error = again
    return None


def _target(path: Path, kind: str) -> Path:
    """What goes: the value itself, or what lacks a key."""
    path = path[:-1] if path and path[-1] == "[key]" else path
    return path[:-1] if kind == "missing" else path


def _cut(root: MapNode, path: Path, lost: set[str]) -> None:
    node: Any = root
    for part in path[:-1]:
        node = child(node, part)
    lost.update(word.casefold() for word in _words({path[-1]: child(node, path[-1])}))
    cut(node, path[-1])


def _words(value: Any) -> Iterator[str]:
    """Every key and every text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _words(key)
            yield from _words(item)
    elif isinstance(value, SeqNode):
        for item in value:
            yield from _words(item)
