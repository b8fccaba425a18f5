"""The tree of one expression as it was written; every node knows where it begins and ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the text: code point offsets, the end excluded; `depth` counts the nodes below, itself included."""

    start: int
    end: int
    depth: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A constant."""

    value: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable."""

    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Node):
    """`operand.field`, or `has(operand.field)` where `test` is true; the field begins at `at` and ends at `until`."""

    operand: Expr
    field: str
    at: int
    until: int
    test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Node):
    """`operand[key]`."""

    operand: Expr
    key: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Node):
    """An operator or function by its name in the IR, with the place of the operator or of the function's name."""

    name: str
    operands: tuple[Expr, ...]
    at: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Node):
    """`[a, b]`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf(Node):
    """`{'a': b}`."""

    entries: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro(Node):
    """`operand.all(variable, body)` and its kin; `condition` is the middle argument of the long form of `map`."""

    name: str
    operand: Expr
    variable: str
    condition: Expr | None
    body: Expr


Expr: TypeAlias = Literal | Name | Select | Index | Operation | ListOf | MapOf | Macro
