"""Schemas that the mesh writes itself: of workflows and contracts; a type that is none would take any value for right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import MapNode, locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import did_you_mean

_TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONES: Final = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")

_SLIPPED: Final = (
    *(
        "type",
        "properties",
        "required",
        "items",
        "enum",
        "const",
        "format",
        "pattern",
        "default",
        "description",
        "title",
    ),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "additionalProperties", "uniqueItems"),
    *("allOf", "anyOf", "oneOf"),
)
"""Keywords that a slip is looked for of; other words of an author's own are allowed, as JSON Schema has it."""
_KEYWORDS: Final = frozenset(
    (
        *_SLIPPED,
        *_MAPS,
        *_LISTS,
        *_ONES,
        *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties", "minContains"),
        *(
            "maxContains",
            "dependentRequired",
            "dependencies",
            "unevaluatedItems",
            "unevaluatedProperties",
            "additionalItems",
        ),
        *(
            "deprecated",
            "readOnly",
            "writeOnly",
            "examples",
            "example",
            "nullable",
            "discriminator",
            "formats",
            "patterns",
        ),
        *(
            "contentEncoding",
            "contentMediaType",
            "contentSchema",
            "defaults",
            "titles",
            "descriptions",
            "id",
            "comment",
        ),
    )
)


def wrong_schemas(draft: Draft) -> list[Diagnostic]:
    """One finding a `type` or keyword that JSON Schema does not have, and a property that is required by a slip of its name."""
    if draft.mesh is None or draft.root is None:
        return []
    written: list[tuple[Path, Any]] = [
        (("workflows", name, "input"), workflow.input) for name, workflow in draft.mesh.workflows.items()
    ]
    for name, contract in draft.mesh.contracts.items():
        for operation, signature in contract.operations.items():
            path: Path = ("contracts", name, "operations", operation)
            written += [((*path, "input"), signature.input), ((*path, "output"), signature.output)]
    return [_finding(draft.root, place, slip) for start, schema in written for place, slip in _slips(schema, start)]


@dataclass(frozen=True, slots=True)
class _Slip:
    """What is wrong at a place; ``key`` where it is the key."""

    message: str
    help: str
    key: bool = False


def _finding(root: MapNode, place: Path, slip: _Slip) -> Diagnostic:
    at = locate(root, place)
    slug = "unknown-key" if slip.key else "bad-value"
    return report(slug, at.key_span() if slip.key else at.value_span(), slip.message, help=slip.help)


def _slips(schema: Any, path: Path) -> Iterator[tuple[Path, _Slip]]:
    for place, node in _nodes(schema, path):
        kind = node.get("type")
        kinds = cast("list[Any]", kind) if isinstance(kind, list) else [kind] if "type" in node else []
        for at, one in enumerate(kinds):
            if one not in _TYPES:
                advice = did_you_mean(str(one), _TYPES) or "it is one of " + ", ".join(f"`{name}`" for name in _TYPES)
                message = f"`{str(one)[:80]}` is not a type of JSON Schema"
                yield (*place, "type", *([at] if isinstance(kind, list) else [])), _Slip(message, advice)
        for key in node:
            if key not in _KEYWORDS and (advice := did_you_mean(key, _SLIPPED)):
                yield (*place, key), _Slip(f"`{key[:80]}` is not a keyword of JSON Schema", advice, key=True)
        yield from _required(node, place)


def _required(node: Mapping[str, Any], place: Path) -> Iterator[tuple[Path, _Slip]]:
    """What is required need not be described; what is called almost like a property is a slip."""
    properties, required = node.get("properties"), node.get("required")
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return
    names = [name for name in cast("Mapping[str, Any]", properties) if name not in required]
    for at, name in enumerate(cast("list[Any]", required)):
        if name not in properties and isinstance(name, str) and (advice := did_you_mean(name, names)):
            yield (*place, "required", at), _Slip(f"no property is called `{name[:80]}`", advice)


def _nodes(schema: Any, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """A schema and every schema in it."""
    if not isinstance(schema, Mapping):
        return
    node = cast("Mapping[str, Any]", schema)
    yield path, node
    for key in _MAPS:
        if isinstance(inner := node.get(key), Mapping):
            for name, part in cast("Mapping[str, Any]", inner).items():
                yield from _nodes(part, (*path, key, name))
    for key in _LISTS:
        if isinstance(parts := node.get(key), list):
            for at, part in enumerate(cast("list[Any]", parts)):
                yield from _nodes(part, (*path, key, at))
    for key in _ONES:
        yield from _nodes(node.get(key), (*path, key))
