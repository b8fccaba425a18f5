"""Arguments that a tool's schema wants repeated as ``Mcp-Param-*`` headers (``x-mcp-header``, SEP-2243), read strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

KEY: Final = "x-mcp-header"
PREFIX: Final = "Mcp-Param-"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES = frozenset({"string", "integer", "boolean"})
_ONE = frozenset(
    [
        "items",
        "contains",
        "unevaluatedItems",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
    ]
)
_SEVERAL = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})


@dataclass(frozen=True, slots=True)
class Mirror:
    """One argument, by its path of property names, and the header that repeats it."""

    path: tuple[str, ...]
    header: str
    integer: bool

    def value(self, arguments: Mapping[str, Any]) -> Any:
        """The argument; ``None`` where it is absent."""
        node: Any = arguments
        for name in self.path:
            if not isinstance(node, dict):
                return None
            node = cast("dict[str, Any]", node).get(name)
        return node


def mirrors(schema: Any) -> tuple[Mirror, ...] | None:
    """The annotations of an input schema; ``None`` where one is invalid: no client may offer such a tool."""
    found: dict[str, Mirror] = {}
    for path, node in _positions(schema):
        if KEY not in node:
            continue
        token, kind = node[KEY], node.get("type")
        if not path or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return None
        if not isinstance(kind, str) or kind not in _TYPES or token.lower() in found:
            return None
        found[token.lower()] = Mirror(path, PREFIX + token, kind == "integer")
    return tuple(found.values())


def _positions(schema: Any) -> Iterator[tuple[tuple[str, ...] | None, dict[str, Any]]]:
    """Every place of a schema inside a schema, with its path where only ``properties`` lead there."""
    stack: list[tuple[tuple[str, ...] | None, Any]] = [((), schema)]
    while stack:
        path, value = stack.pop()
        node = _members(value)
        if node is None:
            continue
        yield path, node
        for keyword, inner in node.items():
            if keyword == "properties":
                below = _members(inner) or {}
                stack.extend((None if path is None else (*path, name), sub) for name, sub in below.items())
            elif keyword in _ONE:
                stack.append((None, inner))
            elif keyword in _SEVERAL:
                stack.extend((None, sub) for sub in (cast("list[Any]", inner) if isinstance(inner, list) else ()))
            elif keyword in _NAMED:
                stack.extend((None, sub) for sub in (_members(inner) or {}).values())


def _members(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
