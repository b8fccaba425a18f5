"""Misspelt keys whose meaning is certain: reported, and read as what was meant, so that what they hold is checked, too."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.marks import MapNode, child, shallow
from meshplan.compiler.syntax.errors import explained, mistakes
from meshplan.compiler.syntax.mesh import Mesh

_KINDS = frozenset({"extra_forbidden", "no_transport", "mesh_form", "secret_literal"})


def respelt(root: MapNode, error: ValidationError) -> tuple[MapNode | None, list[Diagnostic]]:
    """The document with such keys put right and a diagnostic for each, or ``None`` where there are none."""
    slips: list[tuple[Path, str, str, Diagnostic]] = []
    for mistake in mistakes(root, Mesh, error):
        said = explained(mistake) if mistake.kind in _KINDS else None
        if said is not None and said.fix is not None:
            path = mistake.path[:-1] if mistake.kind == "extra_forbidden" else mistake.path
            holder = _at(root, path)
            key = _key_at(holder, said)
            if key is not None and said.fix.text not in holder:
                slips.append((path, key, said.fix.text, said))
    if not slips:
        return None, []
    better: MapNode = shallow(root)
    own = {id(better)}
    said_once: list[Diagnostic] = []
    # The deepest first, so that the paths of the others stay true.
    for path, key, meant, said in sorted(slips, key=lambda slip: len(slip[0]), reverse=True):
        holder = _own(better, path, own)
        if meant not in holder:
            holder[meant], holder.at[meant] = holder.pop(key), holder.at.pop(key)
            said_once.append(said)
    return better, said_once


def _own(root: MapNode, path: Path, own: set[int]) -> Any:
    """What stands at ``path``, after everything on the way there was copied that is not our own yet."""
    node: Any = root
    for part in path:
        below = child(node, part)
        if id(below) not in own:
            below = shallow(below)
            own.add(id(below))
            node[part] = below
        node = below
    return node


def _at(root: MapNode, path: Path) -> Any:
    node: Any = root
    for part in path:
        node = child(node, part)
    return node


def _key_at(holder: Any, said: Diagnostic) -> str | None:
    if not isinstance(holder, MapNode):
        return None
    return next((key for key, at in holder.at.items() if at.key_span() == said.span), None)
