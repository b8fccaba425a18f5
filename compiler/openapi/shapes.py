"""Schemas of a document as JSON Schema of their own: local references gathered into `$defs`, 3.0 spelled anew."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from meshplan.compiler.openapi.document import Document, DocumentError, pointer

_DROPPED: Final = frozenset({"example", "discriminator", "xml", "externalDocs"})
_MAX_DEFINITIONS: Final = 500
_SUBSCHEMAS: Final = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


class Shapes:
    """The schemas of one tool; ``definitions`` are those that they refer to."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._names: dict[str, str] = {}
        self.definitions: dict[str, Any] = {}

    def of(self, schema: Any, where: str) -> Any:
        """A schema as a tool may carry it; raises ``DocumentError``."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise DocumentError(f"the schema of {where} is not an object")
        found = cast("dict[str, Any]", schema)
        reference = found.get("$ref")
        if isinstance(reference, str):
            beside = {"description": found["description"]} if isinstance(found.get("description"), str) else {}
            return {"$ref": f"#/$defs/{self._define(reference, where)}", **beside}
        plain = {name: value for name, value in found.items() if name not in _DROPPED and not name.startswith("x-")}
        for name in _SUBSCHEMAS:
            if isinstance(plain.get(name), dict):
                plain[name] = self.of(plain[name], where)
        for name in _LISTS:
            if isinstance(plain.get(name), list):
                plain[name] = [self.of(part, where) for part in cast("list[Any]", plain[name])]
        for name in _MAPS:
            if isinstance(plain.get(name), dict):
                parts = cast("dict[str, Any]", plain[name])
                plain[name] = {key: self.of(part, where) for key, part in parts.items()}
        return _anew(plain) if self._document.nullable else plain

    def _define(self, reference: str, where: str) -> str:
        known = self._names.get(reference)
        if known is not None:
            return known
        if len(self._names) >= _MAX_DEFINITIONS:
            raise DocumentError(f"{where} refers to more than {_MAX_DEFINITIONS} schemas")
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", pointer(reference)[-1]) or "schema"
        name, number = stem, 2
        while name in self._names.values():
            name, number = f"{stem}_{number}", number + 1
        self._names[reference] = name
        self.definitions[name] = self.of(self._document.at(reference, where), f"`{reference}`")
        return name


def _anew(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of OpenAPI 3.0 in the words of JSON Schema: nullable types, and limits that are left out."""
    found = dict(schema)
    if found.pop("nullable", None) is True:
        kind = found.get("type")
        if isinstance(kind, str):
            found["type"] = [kind, "null"]
        choices = found.get("enum")
        if isinstance(choices, list) and None not in choices:
            found["enum"] = [*cast("list[Any]", choices), None]
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if found.get(exclusive) is True and limit in found:
            found[exclusive] = found.pop(limit)
        elif isinstance(found.get(exclusive), bool):
            del found[exclusive]
    return found


def plain_object(schema: Mapping[str, Any]) -> bool:
    """Whether a body's members may stand as arguments of their own: an object that nothing else composes."""
    composed = any(name in schema for name in ("allOf", "anyOf", "oneOf", "patternProperties", "not"))
    open_ended = isinstance(schema.get("additionalProperties"), dict)
    return schema.get("type") == "object" and bool(schema.get("properties")) and not composed and not open_ended
