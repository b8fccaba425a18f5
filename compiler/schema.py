"""JSON Schemas, generated from the models that read the files; `make schemas` writes them to schemas/."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meshplan.compiler.syntax.mesh import Mesh
from meshplan.schemas import plan

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def mesh_schema() -> dict[str, Any]:
    """The shape of mesh.yaml as its author writes it."""
    return {
        "$schema": _DIALECT,
        "$id": "https://mesh.dev/schemas/mesh.v1.json",
        **Mesh.model_json_schema(by_alias=True),
    }


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {"mesh": mesh_schema, "plan": plan.json_schema}


def write_all(folder: Path) -> None:
    """Write `<kind>.schema.json` files."""
    for kind, make in SCHEMAS.items():
        (folder / f"{kind}.schema.json").write_text(json.dumps(make(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_all(Path(plan.__file__).parent)
