"""Tree to IR: one form for what means the same, so that re-formatting or renaming a macro's variable changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from meshplan.compiler.expressions.syntax import (
    Expr,
    Index,
    ListOf,
    Literal,
    Macro,
    MapOf,
    Name,
    Operation,
    Select,
)
from meshplan.schemas.expr import Ir


def lower(tree: Expr) -> Ir:
    """Return the IR of a parsed expression.

    `m['k']` becomes `m.k`, chains of `&&` and `||` become flat, the long form of `map` becomes a filter and a map, and the
    variables of macros are named by their depth.
    """
    return _lower(tree, {}, 0)


def _lower(tree: Expr, names: Mapping[str, str], level: int) -> Ir:
    match tree:
        case Literal(value=value):
            return ["real", repr(value)] if isinstance(value, float) else ["lit", value]
        case Name(name=name):
            return ["var", names.get(name, name)]
        case Select():
            return ["has" if tree.test else "select", _lower(tree.operand, names, level), tree.field]
        case Index(operand=operand, key=Literal(value=str() as field)):
            return ["select", _lower(operand, names, level), field]
        case Index(operand=operand, key=key):
            return ["index", _lower(operand, names, level), _lower(key, names, level)]
        case ListOf(items=items):
            return ["[]", *(_lower(item, names, level) for item in items)]
        case MapOf(entries=entries):
            return ["{}", *([_lower(key, names, level), _lower(value, names, level)] for key, value in entries)]
        case Operation():
            return _operation(tree, names, level)
        case Macro():
            return _macro(tree, names, level)


def _operation(tree: Operation, names: Mapping[str, str], level: int) -> Ir:
    operands = [_lower(operand, names, level) for operand in tree.operands]
    if tree.name in ("&&", "||"):
        flat = [part for operand in operands for part in (operand[1:] if operand[0] == tree.name else [operand])]
        return [tree.name, *flat]
    return [tree.name, *operands]


def _macro(tree: Macro, names: Mapping[str, str], level: int) -> Ir:
    variable = f"@{level}"
    inner = {**names, tree.variable: variable}
    items = _lower(tree.operand, names, level)
    if tree.condition is not None:
        items = cast("Ir", ["filter", items, variable, _lower(tree.condition, inner, level + 1)])
    return [tree.name, items, variable, _lower(tree.body, inner, level + 1)]
