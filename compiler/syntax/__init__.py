"""mesh.yaml as it is written: its keys and their types, section by section; means nothing yet."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics
from meshplan.compiler.marks import MapNode
from meshplan.compiler.syntax.errors import MOST, explain
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.syntax.pruning import ROUNDS, salvage
from meshplan.compiler.syntax.spelling import respelt
from meshplan.compiler.syntax.words import Known


class Reading(NamedTuple):
    """The mesh as written, its document, every way in which the document is not a mesh, and the words of wrong parts.

    After a mistake the document has misspelt keys put right where that is certain, and lacks what else is wrong.
    """

    mesh: Mesh | None
    document: MapNode
    found: Diagnostics
    lost: frozenset[str] = frozenset()


def read_mesh(root: MapNode) -> Reading:
    """Read a document as a mesh."""
    slips: list[Diagnostic] = []
    known: Known = {}
    for _ in range(ROUNDS):
        try:
            mesh = Mesh.model_validate(root, context=known)
        except ValidationError as error:
            better, said = respelt(root, error) if error.error_count() <= MOST else (None, [])
            slips += said
            if better is None:
                return _salvaged(root, error, slips)
            root = better
        else:
            return Reading(mesh, root, tuple(slips))
    return Reading(None, root, tuple(slips))


def _salvaged(root: MapNode, error: ValidationError, slips: list[Diagnostic]) -> Reading:
    found = (*slips, *explain(root, Mesh, error))
    left = salvage(root, error)
    return Reading(None, root, found) if left is None else Reading(left.mesh, left.document, found, left.lost)
