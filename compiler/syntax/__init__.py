"""mesh.yaml as it is written: its keys and their types, section by section; means nothing yet."""

from __future__ import annotations

from pydantic import ValidationError

from meshplan.compiler.diagnostics import Diagnostics
from meshplan.compiler.marks import MapNode
from meshplan.compiler.syntax.errors import explain
from meshplan.compiler.syntax.mesh import Mesh


def read_mesh(root: MapNode) -> tuple[Mesh | None, Diagnostics]:
    """The mesh as written, or ``None`` and every way in which the document is not one."""
    try:
        return Mesh.model_validate(root), ()
    except ValidationError as error:
        return None, explain(root, Mesh, error)
