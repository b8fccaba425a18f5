"""mesh.yaml as it is written: its keys and their types, section by section; means nothing yet."""

from __future__ import annotations

from pydantic import ValidationError

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.marks import MapNode
from meshplan.compiler.syntax.errors import explain
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.syntax.pruning import salvage


def read_mesh(root: MapNode) -> tuple[Mesh | None, MapNode, Diagnostics]:
    """The mesh as written, its document, and every way in which the document is not a mesh.

    After a mistake the mesh and the document lack the parts that are wrong, and are otherwise checked on.
    """
    try:
        return Mesh.model_validate(root), root, ()
    except ValidationError as error:
        left = salvage(root, error)
        found = explain(root, Mesh, error)
        return (None, root, found) if left is None else (*left, found)
