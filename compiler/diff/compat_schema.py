"""JSON Schemas as the comparison reads them: the dialect, local references, and which parts are equal; decides nothing.

The dialect is JSON Schema 2020-12 and what draft 7 has in common with it. Schemas are hostile input: nothing is fetched,
and size and depth are measured before anything recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import unquote

from meshplan.compiler.diff.compat_values import Node, Sameness, as_list, as_node, is_number

ANNOTATIONS: Final = frozenset(
    (
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format"),
        *("contentEncoding", "contentMediaType", "contentSchema", "$comment", "$schema", "$defs", "definitions"),
        *("$anchor", "$dynamicAnchor"),
    )
)
"""Keywords that allow and forbid nothing (`format` is an annotation in 2020-12)."""

GROUPS: Final[tuple[tuple[str, ...], ...]] = (
    ("if", "then", "else"),
    ("contains", "minContains", "maxContains"),
    ("prefixItems", "additionalItems"),
    ("patternProperties",),
    ("propertyNames",),
    ("not",),
    ("dependentRequired",),
    ("dependentSchemas",),
    ("dependencies",),
)
"""Standard keywords that only ever forbid more: understood where they are equal, undecided where they are not."""
OPAQUE: Final = frozenset(key for group in GROUPS for key in group)

MAX_TRAIL: Final = 32
"""References that may follow each other at one place."""

TYPES: Final[Mapping[str, frozenset[str]]] = {
    "number": frozenset(("integer", "fraction")),
    **{name: frozenset((name,)) for name in ("null", "boolean", "integer", "string", "array", "object")},
}
"""JSON Schema's types as disjoint ones: a `number` is an integer or a fraction."""


def _is_schema(value: object) -> bool:
    return isinstance(value, bool | dict)


def _is_size(value: object) -> bool:
    return is_number(value) and cast("float", value) >= 0 and cast("float", value) == int(cast("float", value))


def _is_texts(value: object) -> bool:
    found = as_list(value)
    return found is not None and all(isinstance(item, str) for item in found)


def _is_type(value: object) -> bool:
    names = [value] if isinstance(value, str) else as_list(value)
    return bool(names) and all(isinstance(name, str) and name in TYPES for name in names or ())


def _is_branches(value: object) -> bool:
    return bool(as_list(value))


_DECIDED: Final[Mapping[str, Callable[[object], bool]]] = {
    "type": _is_type,
    "enum": lambda value: as_list(value) is not None,
    "const": lambda _: True,
    "properties": lambda value: (node := as_node(value)) is not None and all(map(_is_schema, node.values())),
    "required": _is_texts,
    "additionalProperties": _is_schema,
    "minProperties": _is_size,
    "maxProperties": _is_size,
    "items": _is_schema,
    "minItems": _is_size,
    "maxItems": _is_size,
    "uniqueItems": lambda value: isinstance(value, bool),
    "minLength": _is_size,
    "maxLength": _is_size,
    "pattern": lambda value: isinstance(value, str),
    "minimum": is_number,
    "maximum": is_number,
    "exclusiveMinimum": is_number,
    "exclusiveMaximum": is_number,
    "multipleOf": lambda value: is_number(value) and cast("float", value) > 0,
    "$ref": lambda value: isinstance(value, str),
    "allOf": _is_branches,
    "anyOf": _is_branches,
    "oneOf": _is_branches,
}
"""The keywords that are decided on, each with what its value must be; with another value it is not understood."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`anyOf`, or `oneOf` where ``exclusive``; ``schema`` is a schema with nothing but this choice."""

    exclusive: bool
    branches: tuple[object, ...]
    schema: Node


@dataclass(slots=True)
class Conjunction:
    """Schemas that all must hold, taken apart; ``never``: one of them accepts nothing."""

    flats: list[Node] = field(default_factory=list[Node])
    choices: list[Choice] = field(default_factory=list[Choice])
    unreadable: list[str] = field(default_factory=list[str])
    unknown: dict[str, int] = field(default_factory=dict[str, int])
    """Keywords that are not understood, with the numbers of their values."""
    never: bool = False


_Pending = tuple[object, tuple[str, ...]]
"""A schema still to be read, and the references that led to it at this place."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """One schema node taken apart once, so that its parts keep their identity."""

    flat: Node
    choices: tuple[Choice, ...]
    more: tuple[object, ...]
    reference: str | None
    unknown: Mapping[str, int]
    unreadable: str | None


class Side:
    """One of the two schemas: takes its nodes apart and follows its local references."""

    def __init__(self, root: object, same: Sameness) -> None:
        self.root = root
        self._same = same
        node = as_node(root) or {}
        draft = node.get("$schema")
        self._hides_siblings = isinstance(draft, str) and ("draft-07" in draft or "draft-06" in draft)
        self._foreign = isinstance(draft, str) and ("draft-04" in draft or "draft-03" in draft)
        self._taken: dict[int, _Parts] = {}
        self._flat: dict[int, Node] = {}

    def read(self, schemas: Sequence[object]) -> Conjunction:
        """Everything that a conjunction of schemas says, `allOf` and local references followed."""
        found = Conjunction()
        if self._foreign:
            found.unreadable.append("its dialect is older than draft 6")
        pending: list[_Pending] = [(schema, ()) for schema in reversed(schemas)]
        followed: set[str] = set()
        while pending:
            schema, trail = pending.pop()
            if isinstance(schema, bool):
                found.never = found.never or not schema
            elif (node := as_node(schema)) is None:
                found.unreadable.append("a part of it is not a schema")
            elif id(node) in self._flat:
                found.flats.append(node)
            else:
                parts = self._apart(node)
                self._add(found, parts)
                pending.extend((part, trail) for part in reversed(parts.more))
                if parts.reference is not None:
                    self._follow(found, parts.reference, trail, pending, followed)
        return found

    def _add(self, found: Conjunction, parts: _Parts) -> None:
        if parts.flat:
            found.flats.append(parts.flat)
        found.choices.extend(parts.choices)
        found.unknown.update(parts.unknown)
        if parts.unreadable:
            found.unreadable.append(parts.unreadable)

    def _follow(
        self,
        found: Conjunction,
        reference: str,
        trail: tuple[str, ...],
        pending: list[_Pending],
        followed: set[str],
    ) -> None:
        target = self._target(reference)
        if target is None:
            found.unreadable.append("a `$ref` leads out of the schema, and is not followed")
        elif reference in trail or len(trail) > MAX_TRAIL:
            found.unreadable.append("a `$ref` leads back to itself, or far")
        elif reference not in followed:
            followed.add(reference)
            pending.append((target[0], (*trail, reference)))

    def _apart(self, node: Node) -> _Parts:
        if id(node) not in self._taken:
            parts = self._take(node)
            if not self._same.lasting(node):
                return parts
            self._taken[id(node)] = parts
            self._flat[id(parts.flat)] = parts.flat
            for choice in parts.choices:
                self._taken[id(choice.schema)] = _Parts({}, (choice,), (), None, {}, None)
        return self._taken[id(node)]

    def _take(self, node: Node) -> _Parts:
        flat: dict[str, object] = {}
        choices: list[Choice] = []
        unknown: dict[str, int] = {}
        for key, value in node.items():
            decided = _DECIDED.get(key)
            if key in ANNOTATIONS or (key in ("$id", "id") and node is self.root):
                continue
            if key in OPAQUE or (decided is not None and decided(value)):
                if key in ("anyOf", "oneOf"):
                    choices.append(Choice(key == "oneOf", tuple(as_list(value) or ()), {key: value}))
                elif key not in ("$ref", "allOf"):
                    flat[key] = value
            else:
                unknown[key] = -1 - id(value) if self._same.refers(value) else self._same.number(value)
        return _Parts(
            flat,
            tuple(choices),
            tuple(as_list(node.get("allOf")) or ()),
            reference if isinstance(reference := node.get("$ref"), str) else None,
            unknown,
            self._unreadable(node, bool(flat or choices or unknown or "allOf" in node)),
        )

    def _unreadable(self, node: Node, constrains: bool) -> str | None:
        if "$ref" in node and constrains and self._hides_siblings:
            return "draft 7 does not say what stands beside a `$ref`"
        if "$id" in node and node is not self.root:
            return "a part of it is a schema with an `$id` of its own"
        return next((f"`{key}` is not decided on" for key in node if key.startswith("unevaluated")), None)

    def _target(self, pointer: str) -> tuple[object] | None:
        """What a local reference means, in a tuple; ``None`` for any other."""
        if pointer != "#" and not pointer.startswith("#/"):
            return None
        found: object = self.root
        for step in pointer[2:].split("/") if len(pointer) > 1 else ():
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            node, items = as_node(found), as_list(found)
            if node is not None and name in node:
                found = node[name]
            elif items is not None and name.isdecimal() and name.isascii() and int(name) < len(items):
                found = items[int(name)]
            else:
                return None
        return (found,)
