"""Arguments that a tool's schema wants repeated as ``Mcp-Param-*`` headers (``x-mcp-header``, SEP-2243): which, and whether they agree."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from meshplan.runtime.errors import HEADER_MISMATCH, RpcError
from meshplan.runtime.protocol import decode_header_value, encode_header_value
from meshplan.runtime.shapes import items, members

KEY: Final = "x-mcp-header"
PREFIX: Final = "Mcp-Param-"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DECIMAL = re.compile(r"(-?[0-9]+)(?:\.(0+))?")
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


def mirrors(schema: Any) -> tuple[Mirror, ...]:
    """The annotations of an input schema; none at all where any of them is invalid, as clients then send none."""
    found: dict[str, Mirror] = {}
    for path, node in _positions(schema):
        if KEY not in node:
            continue
        token, kind = node[KEY], node.get("type")
        if not path or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return ()
        if not isinstance(kind, str) or kind not in _TYPES or token.lower() in found:
            return ()
        found[token.lower()] = Mirror(path, PREFIX + token, kind == "integer")
    return tuple(found.values())


def _positions(schema: Any) -> Iterator[tuple[tuple[str, ...] | None, dict[str, Any]]]:
    """Every place of a schema inside a schema, with its path where only ``properties`` lead there."""
    stack: list[tuple[tuple[str, ...] | None, Any]] = [((), schema)]
    while stack:
        path, value = stack.pop()
        node = members(value)
        if node is None:
            continue
        yield path, node
        for keyword, inner in node.items():
            if keyword == "properties":
                below = members(inner) or {}
                stack.extend((None if path is None else (*path, name), sub) for name, sub in below.items())
            elif keyword in _ONE:
                stack.append((None, inner))
            elif keyword in _SEVERAL:
                stack.extend((None, sub) for sub in items(inner))
            elif keyword in _NAMED:
                stack.extend((None, sub) for sub in (members(inner) or {}).values())


def headers_for(wanted: tuple[Mirror, ...], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that go with these arguments."""
    found: dict[str, str] = {}
    for mirror in wanted:
        text = _rendered(mirror.value(arguments))
        if text is not None:
            found[mirror.header] = encode_header_value(text)
    return found


def check(wanted: tuple[Mirror, ...], arguments: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Each header, by lower-case name, must agree with its argument, or both be absent; raises ``RpcError``."""
    for mirror in wanted:
        sent, value = headers.get(mirror.header.lower()), mirror.value(arguments)
        text = _rendered(value)
        if sent is None and text is None:
            continue
        where = f"argument `{'.'.join(mirror.path)}`"
        if text is None:
            raise _mismatch(mirror, f"repeats {where}, which is absent")
        if sent is None:
            raise _mismatch(mirror, f"is missing, and {where} is there")
        if not _agree(mirror, value, text, decode_header_value(sent)):
            raise _mismatch(mirror, f"does not match {where}")


def _mismatch(mirror: Mirror, what: str) -> RpcError:
    return RpcError(HEADER_MISMATCH, f"header `{mirror.header}` {what}")


def _rendered(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    try:
        return str(value)
    except ValueError:
        return None


def _agree(mirror: Mirror, value: Any, text: str, sent: str | None) -> bool:
    """Integers are compared as numbers: ``42`` is ``42.0``, exactly, whatever their size."""
    if sent is None:
        return False
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    found = _DECIMAL.fullmatch(sent) if mirror.integer and whole and not isinstance(value, bool) else None
    if found is None:
        return sent == text
    try:
        return int(found[1]) == int(value)
    except ValueError:
        return False
