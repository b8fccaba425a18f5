"""JSON values as the comparison sees them: which are equal, which hold references, and whether they are small enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, cast

Node = Mapping[str, object]

MAX_DEPTH: Final = 128
MAX_NODES: Final = 50_000


def as_node(value: object) -> Node | None:
    """The value where it is a JSON object."""
    return cast("Node", value) if isinstance(value, dict) else None


def as_list(value: object) -> Sequence[object] | None:
    """The value where it is a JSON array."""
    return cast("Sequence[object]", value) if isinstance(value, list) else None


def is_number(value: object) -> bool:
    """Whether the value is a number that compares exactly."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


class Sameness:
    """Numbers JSON values so that equal ones (1 and 1.0 are) have equal numbers."""

    def __init__(self, *roots: object) -> None:
        self._numbers: dict[object, int] = {}
        self._known: dict[int, int] = {}
        self._referring: set[int] = set()
        self._roots = roots  # kept, so that no identity is used twice
        for root in roots:
            self._walk(root, lasting=True)

    def number(self, value: object) -> int:
        """The number of a value."""
        return self._known[id(value)] if id(value) in self._known else self._walk(value, lasting=False)

    def same(self, left: object, right: object) -> bool:
        """Whether two schemas are equal and mean the same wherever they stand: neither refers to its root."""
        one = left if self.lasting(left) else right
        plain = isinstance(one, bool) or (self.lasting(one) and id(one) not in self._referring)
        return plain and self.number(left) == self.number(right)

    def lasting(self, value: object) -> bool:
        """Whether the value is a part of a root, whose identity lasts."""
        return id(value) in self._known

    def refers(self, value: object) -> bool:
        """Whether a part of a root holds a reference."""
        return id(value) in self._referring

    def _walk(self, value: object, *, lasting: bool) -> int:
        node, items = as_node(value), as_list(value)
        if node is None and items is None:
            return self._numbers.setdefault(_scalar(value), len(self._numbers))
        parts = node.values() if node is not None else items or ()
        numbers = [self._walk(part, lasting=True) if lasting else self.number(part) for part in parts]
        key: object = ("[", *numbers) if node is None else ("{", *sorted(zip(node, numbers, strict=True)))
        number = self._numbers.setdefault(key, len(self._numbers))
        if lasting:
            self._known[id(value)] = number
            if any(_refers(name) for name in node or ()) or any(id(part) in self._referring for part in parts):
                self._referring.add(id(value))
        return number


def _refers(keyword: str) -> bool:
    return keyword in ("$ref", "$dynamicRef", "$recursiveRef")


def _scalar(value: object) -> tuple[str, object]:
    if isinstance(value, float):
        whole = math.isfinite(value) and value.is_integer()
        return ("number", int(value)) if whole else ("number", getattr(value, "lexeme", repr(value)))
    return ("number" if isinstance(value, int) and not isinstance(value, bool) else type(value).__name__, value)


def measured(value: object) -> bool:
    """Whether a value is small and shallow enough to be compared."""
    level: list[object] = [value]
    nodes = 0
    for _ in range(MAX_DEPTH):
        deeper: list[object] = []
        for part in level:
            node, items = as_node(part), as_list(part)
            deeper.extend(node.values() if node is not None else items or ())
        nodes += len(level)
        if nodes > MAX_NODES:
            return False
        if not deeper:
            return True
        level = deeper
    return False
