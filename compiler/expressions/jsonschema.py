"""JSON Schema to types: what a locked schema promises about a value; remote references are never followed.

Upstream schemas are hostile: depth and size are bounded, and whatever is not understood becomes "any value".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from meshplan.compiler.expressions.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Dyn,
    Field,
    ListType,
    MapType,
    Scalar,
    Type,
    nothing_known,
    union,
)

MAX_SCHEMA_NODES: Final = 20_000
MAX_SCHEMA_DEPTH: Final = 32

_SCALARS: Final[dict[str, tuple[Type, ...]]] = {
    "null": (NULL,),
    "boolean": (BOOL,),
    "integer": (INT,),
    "number": (INT, DOUBLE),
    "string": (STRING,),
}
_ALL: Final = ("null", "boolean", "number", "string", "array", "object")


def from_schema(schema: object) -> Type:
    """Return the type of the values that a JSON Schema (2020-12 or draft 7) accepts; DYN where it does not say."""
    return _Reader(schema).read(schema, 0)


def arguments(schema: object) -> Type:
    """Return the type of `args` for an `inputSchema`: no undeclared argument ever arrives where there is a condition."""
    kind = from_schema(schema)
    return replace(kind, rest=None) if isinstance(kind, MapType) else MapType({}, None)


class _Reader:
    """One walk over one schema; references are resolved in its root and read once each."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._known: dict[str, Type] = {}
        self._left = MAX_SCHEMA_NODES

    def read(self, schema: object, depth: int) -> Type:
        self._left -= 1
        if not isinstance(schema, Mapping) or self._left < 0 or depth > MAX_SCHEMA_DEPTH:
            return DYN
        node = cast("Mapping[str, object]", schema)
        if isinstance(node.get("$ref"), str):
            return self._reference(str(node["$ref"]), depth)
        if "const" in node:
            return _constants([node["const"]])
        if isinstance(values := node.get("enum"), list):
            return _constants(cast("list[object]", values))
        kind = self._typed(node, depth)
        for key in ("anyOf", "oneOf"):
            if isinstance(found := node.get(key), list) and found:
                kind = self._both(kind, union(self.read(part, depth + 1) for part in cast("list[object]", found)))
        if isinstance(found := node.get("allOf"), list):
            for part in cast("list[object]", found):
                kind = self._both(kind, self.read(part, depth + 1))
        return union([kind, NULL]) if node.get("nullable") is True else kind

    def _reference(self, pointer: str, depth: int) -> Type:
        if pointer not in self._known:
            self._known[pointer] = DYN  # what a schema that contains itself sees
            self._known[pointer] = self.read(self._target(pointer), depth + 1)
        return self._known[pointer]

    def _target(self, pointer: str) -> object:
        if pointer != "#" and not pointer.startswith("#/"):
            return None
        found = self._root
        for step in pointer[2:].split("/") if len(pointer) > 1 else []:
            key = step.replace("~1", "/").replace("~0", "~")
            found = cast("Mapping[str, object]", found).get(key) if isinstance(found, Mapping) else None
        return found

    def _typed(self, node: Mapping[str, object], depth: int) -> Type:
        names = node.get("type")
        if names is None and ("properties" in node or "required" in node):
            names = "object"
        if isinstance(names, str):
            names = [names]
        if not isinstance(names, list):
            return DYN
        kinds: list[Type] = []
        for name in cast("list[object]", names):
            if name == "array":
                kinds.append(ListType(self.read(node.get("items"), depth + 1)))
            elif name == "object" or (name not in _SCALARS and "properties" in node):
                kinds.append(self._object(node, depth))
            else:
                kinds.extend(_SCALARS.get(str(name), (DYN,)))
        return union(kinds)

    def _object(self, node: Mapping[str, object], depth: int) -> MapType:
        properties, required = node.get("properties"), node.get("required")
        named: Mapping[str, object] = cast("dict[str, object]", properties) if isinstance(properties, dict) else {}
        always = frozenset(map(str, cast("list[object]", required))) if isinstance(required, list) else frozenset[str]()
        fields = {
            name: Field(self.read(part, depth + 1), required=name in always)
            for name, part in named.items()
            if part is not False
        }
        fields |= {name: Field(DYN) for name in always if name not in named}
        other = node.get("additionalProperties", True)
        closed = other is False and not node.get("patternProperties")
        return MapType(fields, None if closed else self.read(other, depth + 1))

    def _both(self, left: Type, right: Type) -> Type:
        """Narrow one promise by another: field by field for maps, otherwise whichever says something."""
        self._left -= 1
        if not isinstance(left, MapType) or not isinstance(right, MapType) or self._left < 0:
            return right if isinstance(left, Dyn) else left
        fields = dict(left.fields)
        for name, found in right.fields.items():
            mine = fields.get(name)
            kind = found.type if mine is None else self._both(mine.type, found.type)
            fields[name] = Field(kind, required=found.required or (mine is not None and mine.required))
        return MapType(fields, right.rest if isinstance(left.rest, Dyn) else left.rest)


def _constants(values: list[object]) -> Type:
    kinds: list[Type] = []
    for value in values:
        if isinstance(value, str):
            kinds.append(Scalar("string", frozenset({value})))
        elif isinstance(value, bool) or value is None:
            kinds.append(NULL if value is None else BOOL)
        elif isinstance(value, int):
            kinds.append(Scalar("int", frozenset({value})))
        elif isinstance(value, float):
            kinds.append(DOUBLE)
        else:
            kinds.append(ListType(DYN) if isinstance(value, list) else nothing_known())
    return union(kinds)
