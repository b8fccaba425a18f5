"""A tool in one line: its call signature and a short summary, from its definition; deterministic, bounded, and total."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from meshplan.runtime.shapes import items, members, text

_MOST_ARGUMENTS: Final = 24
_MOST_CHOICES, _LONGEST_CHOICES = 8, 80
_DEEPEST: Final = 2
_LONGEST_SUMMARY: Final = 140
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_STOPS = re.compile(r"(?<=[.!?])\s")
_SIMPLE: Final = frozenset({"string", "integer", "number", "boolean", "null"})


@dataclass(slots=True)
class _Reader:
    """Reads one schema; ``lossy`` says that the signature does not tell all that a caller needs."""

    root: Mapping[str, Any]
    lossy: bool = False

    def arguments(self, schema: Mapping[str, Any], depth: int) -> list[str]:
        """The properties as `name: type`, those that must be there first."""
        required = {name for name in items(schema.get("required")) if isinstance(name, str)}
        properties = members(schema.get("properties")) or {}
        ordered = sorted(properties, key=lambda name: name not in required)
        if len(ordered) > _MOST_ARGUMENTS:
            self.lossy = True
        shown = [
            f"{_named(name)}{'' if name in required else '?'}: {self.type(properties[name], depth)}"
            for name in ordered[:_MOST_ARGUMENTS]
        ]
        return [*shown, "…"] if len(ordered) > _MOST_ARGUMENTS else shown

    def type(self, value: Any, depth: int) -> str:
        """A schema as a type."""
        node = self._followed(members(value) or {}, depth)
        if "const" in node:
            return self._choices([node["const"]])
        if isinstance(node.get("enum"), list):
            return self._choices(items(node["enum"]))
        for several in ("anyOf", "oneOf"):
            if isinstance(node.get(several), list):
                return self._union([self.type(one, depth) for one in items(node[several])])
        kinds = node.get("type")
        if isinstance(kinds, list):
            return self._union([self._kind(kind, node, depth) for kind in items(kinds)])
        return self._kind(kinds, node, depth)

    def _followed(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        """Where a local reference leads, one step at each level."""
        reference = text(node.get("$ref"))
        if reference is None:
            return node
        found: Any = self.root if reference.startswith("#/") and depth < _DEEPEST else None
        for part in reference[2:].split("/"):
            found = (members(found) or {}).get(part)
        self.lossy = self.lossy or members(found) is None
        return members(found) or {}

    def _kind(self, kind: Any, node: dict[str, Any], depth: int) -> str:
        if kind == "array":
            if "items" not in node:
                return "any[]"
            inner = self.type(node["items"], depth + 1)
            return f"({inner})[]" if "|" in inner and not inner.endswith("}") else f"{inner}[]"
        if kind == "object" or (kind is None and "properties" in node):
            if not members(node.get("properties")):
                return "object"
            if depth >= _DEEPEST:
                self.lossy = True
                return "object"
            return "{" + ", ".join(self.arguments(node, depth + 1)) + "}"
        if "allOf" in node:
            self.lossy = True
        return kind if isinstance(kind, str) and kind in _SIMPLE else "any"

    def _choices(self, values: list[Any]) -> str:
        shown = " | ".join(json.dumps(value, ensure_ascii=False) for value in values[:_MOST_CHOICES])
        if len(values) <= _MOST_CHOICES and len(shown) <= _LONGEST_CHOICES:
            return shown
        self.lossy = True
        return "string" if all(isinstance(value, str) for value in values) else "any"

    def _union(self, types: list[str]) -> str:
        return " | ".join(dict.fromkeys(types[:_MOST_CHOICES])) or "any"


def _named(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else json.dumps(name[:64], ensure_ascii=False)


def signature(definition: Mapping[str, Any]) -> tuple[str, bool]:
    """The arguments of a tool, as ``(channel: string, thread?: string)``, and whether that leaves out what one must know."""
    schema = members(definition.get("inputSchema")) or {}
    reader = _Reader(schema)
    found = ", ".join(reader.arguments(schema, 0))
    if not schema.get("properties") and any(word in schema for word in ("allOf", "anyOf", "oneOf", "$ref")):
        reader.lossy = True
    return f"({found})", reader.lossy


def summary(definition: Mapping[str, Any]) -> str:
    """The first sentence of a tool's description (else its title), cut where it is too long."""
    said = " ".join((text(definition.get("description")) or text(definition.get("title")) or "").split())
    first = _STOPS.split(said, 1)[0]
    return first if len(first) <= _LONGEST_SUMMARY else f"{first[: _LONGEST_SUMMARY - 1].rstrip()}…"
