"""Parts of an expression that read no variable: conditions that always come out the same, operations that always fail."""

from __future__ import annotations

from collections.abc import Iterator

from meshplan.compiler.expressions.lower import lower
from meshplan.compiler.expressions.problems import Problem
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
from meshplan.schemas.expr import ExprError, evaluate, load


def check_constants(tree: Expr, *, condition: bool, found: list[Problem]) -> list[Problem]:
    """Evaluate every widest part without variables; parts that already have an error are left alone."""
    errors = [problem for problem in found if problem.level == "error"]
    return [
        problem
        for part, decides in _constant_parts(tree, condition=condition)
        if not any(part.start <= error.start and error.end <= part.end for error in errors)
        and (problem := _judge(part, decides=decides)) is not None
    ]


def _judge(part: Expr, *, decides: bool) -> Problem | None:
    try:
        value = evaluate(load(lower(part)), {})
    except ExprError as error:
        return Problem("always-fails", part.start, part.end, f"this always fails: {error}")
    if decides and isinstance(value, bool):
        return Problem("constant-condition", part.start, part.end, f"this is always {str(value).lower()}")
    return None


def _constant_parts(tree: Expr, *, condition: bool) -> Iterator[tuple[Expr, bool]]:
    if not _reads_variable(tree, frozenset()):
        yield tree, condition
        return
    match tree:
        case Operation(name="&&" | "||" | "!", operands=terms):
            for term in terms:
                yield from _constant_parts(term, condition=True)
        case Operation(name="?:", operands=(chosen, then, otherwise)):
            yield from _constant_parts(chosen, condition=True)
            yield from _constant_parts(then, condition=False)
            yield from _constant_parts(otherwise, condition=False)
        case _:
            for part in below(tree):
                yield from _constant_parts(part, condition=False)


def _reads_variable(tree: Expr, bound: frozenset[str]) -> bool:
    if isinstance(tree, Name):
        return tree.name not in bound
    if isinstance(tree, Macro):
        inner = bound | {tree.variable}
        bodies = [tree.body] if tree.condition is None else [tree.condition, tree.body]
        return _reads_variable(tree.operand, bound) or any(_reads_variable(body, inner) for body in bodies)
    return any(_reads_variable(part, bound) for part in below(tree))


def below(tree: Expr) -> tuple[Expr, ...]:
    """The expressions that one is made of."""
    match tree:
        case Literal() | Name():
            return ()
        case Select(operand=operand):
            return (operand,)
        case Index(operand=operand, key=key):
            return (operand, key)
        case ListOf(items=items):
            return items
        case MapOf(entries=entries):
            return tuple(part for entry in entries for part in entry)
        case Operation(operands=operands):
            return operands
        case Macro(operand=operand, condition=None, body=body):
            return (operand, body)
        case Macro(operand=operand, condition=condition, body=body):
            return (operand, body) if condition is None else (operand, condition, body)
