"""Schemas that the mesh writes itself: of workflows and contracts; a type that is none would take any value for right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import did_you_mean

_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONES: Final = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")


def wrong_schemas(draft: Draft) -> list[Diagnostic]:
    """One finding a `type` that JSON Schema does not have."""
    if draft.mesh is None or draft.root is None:
        return []
    written: list[tuple[Path, Any]] = [
        (("workflows", name, "input"), workflow.input) for name, workflow in draft.mesh.workflows.items()
    ]
    for name, contract in draft.mesh.contracts.items():
        for operation, signature in contract.operations.items():
            path: Path = ("contracts", name, "operations", operation)
            written += [((*path, "input"), signature.input), ((*path, "output"), signature.output)]
    return [
        report(
            "bad-value",
            locate(draft.root, place).value_span(),
            f"`{str(kind)[:80]}` is not a type of JSON Schema",
            help=did_you_mean(str(kind), _TYPES) or "it is one of " + ", ".join(f"`{name}`" for name in _TYPES),
        )
        for start, schema in written
        for place, kind in _types(schema, start)
        if kind not in _TYPES
    ]


def _types(schema: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if not isinstance(schema, Mapping):
        return
    node = cast("Mapping[str, Any]", schema)
    kind = node.get("type")
    if isinstance(kind, list):
        yield from (((*path, "type", at), one) for at, one in enumerate(cast("list[Any]", kind)))
    elif "type" in node:
        yield (*path, "type"), kind
    for key in _MAPS:
        if isinstance(inner := node.get(key), Mapping):
            for name, part in cast("Mapping[str, Any]", inner).items():
                yield from _types(part, (*path, key, name))
    for key in _LISTS:
        if isinstance(parts := node.get(key), list):
            for at, part in enumerate(cast("list[Any]", parts)):
                yield from _types(part, (*path, key, at))
    for key in _ONES:
        yield from _types(node.get(key), (*path, key))
