"""JSON Schemas of what people and programs exchange with Meshplan; `make schemas` writes those that are generated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from meshplan.compiler.schema.draft7 import as_draft7
from meshplan.compiler.schema.language import language_schema
from meshplan.compiler.schema.tidy import tidied
from meshplan.compiler.testing.syntax import TestFile
from meshplan.schemas import plan

Draft = Literal["2020-12", "7"]
Schema = dict[str, Any]
FOLDER = Path(plan.__file__).parent


def plan_schema() -> Schema:
    """The shape of a plan."""
    schema = tidied(plan.json_schema())
    return {"$schema": schema.pop("$schema"), "$id": "https://mesh.dev/schemas/plan.v1.json", **schema}


def test_schema() -> Schema:
    """The shape of a `*.mesh-test.yaml`."""
    return language_schema(TestFile, "https://mesh.dev/schemas/mesh-test.v1.json")


def diagnostics_schema() -> Schema:
    """The shape of `--format json`, which is written by hand."""
    found: Schema = json.loads((FOLDER / "diagnostics.schema.json").read_text(encoding="utf-8"))
    return found


def diff_schema() -> Schema:
    """The shape of `mesh diff --format json`, which is written by hand."""
    found: Schema = json.loads((FOLDER / "diff.schema.json").read_text(encoding="utf-8"))
    return found


KINDS: dict[str, Callable[[], Schema]] = {
    "mesh": language_schema,
    "test": test_schema,
    "plan": plan_schema,
    "diagnostics": diagnostics_schema,
    "diff": diff_schema,
}
FILES: dict[str, tuple[str, Draft]] = {
    "mesh.schema.json": ("mesh", "2020-12"),
    "mesh.draft7.schema.json": ("mesh", "7"),
    "mesh-test.schema.json": ("test", "2020-12"),
    "plan.schema.json": ("plan", "2020-12"),
}
"""The generated files, and what is in them."""


def make_schema(kind: str, draft: Draft = "2020-12") -> Schema:
    """One schema; draft 7 in the profile that yaml-language-server understands."""
    schema = KINDS[kind]()
    return as_draft7(schema) if draft == "7" else schema


def schema_text(kind: str, draft: Draft = "2020-12") -> str:
    """A schema as it stands in a file."""
    return json.dumps(make_schema(kind, draft), indent=2, ensure_ascii=False) + "\n"


def write_all(folder: Path = FOLDER) -> None:
    """Write the generated files."""
    for name, (kind, draft) in FILES.items():
        (folder / name).write_text(schema_text(kind, draft), encoding="utf-8")
