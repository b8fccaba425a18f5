"""Reading on after a mistake: the smallest wrong part is left out, so that the rest is still checked."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.marks import MapNode, child, copied, drop
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.syntax.shape import walk

ROUNDS = 8


def salvage(root: MapNode, error: ValidationError) -> tuple[Mesh, MapNode] | None:
    """What is left of the mesh and of its document without their wrong parts; ``None`` where too little is.

    A wrong value goes first; where its key turns out to be needed, what holds it goes in the next round.
    """
    left: MapNode = copied(root)
    for _ in range(ROUNDS):
        paths = {_target(walk(Mesh, tuple(d["loc"]))[0], d["type"]) for d in error.errors(include_url=False)}
        if () in paths:
            return None
        # The last first, so that the positions of the others in their list stay true.
        for path in sorted(paths, key=lambda p: [(isinstance(part, int), part) for part in p], reverse=True):
            _drop(left, path)
        try:
            return Mesh.model_validate(left), left
        except ValidationError as again:
            error = again
    return None


def _target(path: Path, kind: str) -> Path:
    """What goes: the value itself, or what lacks a key."""
    path = path[:-1] if path and path[-1] == "[key]" else path
    return path[:-1] if kind == "missing" else path


def _drop(root: MapNode, path: Path) -> None:
    node: Any = root
    for part in path[:-1]:
        node = child(node, part)
    drop(node, path[-1])
