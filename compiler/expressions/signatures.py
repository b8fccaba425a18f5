"""Which operations apply to which types, and what they give; this is the one place that knows."""

from __future__ import annotations

from itertools import product
from typing import Final

from meshplan.compiler.expressions.types import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    NULL,
    STRING,
    Dyn,
    ListType,
    MapType,
    Scalar,
    Type,
    nothing_known,
    options,
    union,
)

_ANYTHING: Final[tuple[Type, ...]] = (NULL, BOOL, INT, DOUBLE, STRING, ListType(DYN), nothing_known())
_TEXT_TESTS: Final = frozenset({"startsWith", "endsWith", "contains"})
_TEXT_CHANGES: Final = frozenset({"lowerAscii", "upperAscii"})
_ORDER: Final = frozenset({"<", "<=", ">", ">="})
_CONVERSIONS: Final = {
    "int": (INT, frozenset({"int", "double", "string"})),
    "double": (DOUBLE, frozenset({"int", "double", "string"})),
    "string": (STRING, frozenset({"int", "double", "string", "bool"})),
}


def apply(name: str, operands: tuple[Type, ...]) -> tuple[Type | None, tuple[Type, ...] | None]:
    """Return the type of the result, None where no combination works, and one combination of known types that fails."""
    results: list[Type] = []
    failing: tuple[Type, ...] | None = None
    for combination in product(*(_alternatives(operand) for operand in operands)):
        result = _one(name, combination)
        if result is not None:
            results.append(result)
        elif not any(isinstance(operand, Dyn) for operand in operands) and not _merely_false(name, combination):
            failing = failing or combination
    return (union(results) if results else None), failing


def _merely_false(name: str, operands: tuple[Type, ...]) -> bool:
    return name in ("==", "!=") or (name == "in" and isinstance(operands[1], ListType))


def family(kind: Type) -> str:
    """Name the group of types within which values may be equal."""
    if isinstance(kind, Scalar):
        return "number" if kind.name in ("int", "double") else kind.name
    return "list" if isinstance(kind, ListType) else "map"


def may_be_equal(left: Type, right: Type) -> bool:
    """Tell whether a value of one type can equal a value of the other."""
    if isinstance(left, Dyn) or isinstance(right, Dyn):
        return True
    return not {family(kind) for kind in options(left)}.isdisjoint(family(kind) for kind in options(right))


def _alternatives(kind: Type) -> tuple[Type, ...]:
    return _ANYTHING if isinstance(kind, Dyn) else options(kind)


def _one(name: str, operands: tuple[Type, ...]) -> Type | None:
    return _on_one(name, operands[0]) if len(operands) == 1 else _on_two(name, operands[0], operands[1])


def _on_one(name: str, operand: Type) -> Type | None:
    kind = family(operand)
    if name == "!":
        return BOOL if kind == "bool" else None
    if name == "neg":
        return _plain(operand) if kind == "number" else None
    if name == "size":
        return INT if kind in ("string", "list", "map") else None
    if name in _TEXT_CHANGES:
        return STRING if kind == "string" else None
    result, accepted = _CONVERSIONS[name]
    return result if isinstance(operand, Scalar) and operand.name in accepted else None


def _on_two(name: str, left: Type, right: Type) -> Type | None:
    pair = (family(left), family(right))
    if name in ("==", "!="):
        return BOOL if pair[0] == pair[1] else None
    if name in _ORDER:
        return BOOL if pair[0] == pair[1] and pair[0] in ("number", "string", "bool") else None
    if name in _TEXT_TESTS:
        return BOOL if pair == ("string", "string") else None
    if name == "in":
        return _member(left, right)
    if name == "index":
        return _element(left, right)
    return _arithmetic(name, left, right)


def _member(item: Type, container: Type) -> Type | None:
    if isinstance(container, MapType):
        return BOOL if family(item) == "string" else None
    return BOOL if isinstance(container, ListType) and may_be_equal(item, container.item) else None


def _element(container: Type, key: Type) -> Type | None:
    if isinstance(container, ListType) and family(key) == "number":
        return container.item
    if isinstance(container, MapType) and family(key) == "string":
        held = [field.type for field in container.fields.values()]
        return union([*held, *([] if container.rest is None else [container.rest])])
    return None


def _arithmetic(name: str, left: Type, right: Type) -> Type | None:
    if isinstance(left, ListType) and isinstance(right, ListType):
        return ListType(union([left.item, right.item])) if name == "+" else None
    if not isinstance(left, Scalar) or not isinstance(right, Scalar) or left.name != right.name:
        return None
    if left.name == "string":
        return STRING if name == "+" else None
    if left.name == "int" or (left.name == "double" and name != "%"):
        return _plain(left)
    return None


def _plain(kind: Type) -> Type:
    return Scalar(kind.name) if isinstance(kind, Scalar) else kind
