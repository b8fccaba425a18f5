"""What a condition proves about the fields it reads: which ones are there, and which ones are not null."""

from __future__ import annotations

from typing import Literal as Either
from typing import TypeAlias

from meshplan.compiler.expressions.syntax import Expr, Index, Literal, Name, Operation, Select

Path: TypeAlias = tuple[str, ...]
"""A variable, then the fields below it."""

What: TypeAlias = Either["present", "not null"]
Fact: TypeAlias = tuple[Path, What]
Facts: TypeAlias = frozenset[Fact]

NONE: Facts = frozenset()


def path(tree: Expr) -> Path | None:
    """Return the path that an expression reads, if it is nothing but a variable and fields."""
    match tree:
        case Name(name=name):
            return (name,)
        case (
            Select(operand=operand, field=field, test=False) | Index(operand=operand, key=Literal(value=str() as field))
        ):
            above = path(operand)
            return None if above is None else (*above, field)
        case _:
            return None


def guards(tree: Expr, outcome: bool) -> Facts:
    """Return the facts without which the expression certainly has the other outcome, rather than an error.

    Only these help the other terms of a `&&` or `||`: where the fact is missing, this term decides, so it does not matter
    that the others fail. `has(args.a.b)` guards `args.a.b` but not `args.a`, for without `args.a` it fails itself.
    """
    match tree:
        case Select(test=True) if outcome:
            return _fact(path(tree.operand), "present", tree.field)
        case Operation(name="!", operands=(operand,)):
            return guards(operand, not outcome)
        case Operation(name="&&" | "||" as name, operands=terms):
            proven = [guards(term, outcome) for term in terms]
            every = (name == "&&") == outcome
            return NONE.union(*proven) if every else proven[0].intersection(*proven[1:])
        case Operation(name="==" | "!=" as name, operands=(left, right)) if (name == "!=") == outcome:
            return _not_null(left, right) | _not_null(right, left)
        case Operation(name="in", operands=(Literal(value=str() as field), container)) if outcome:
            return _fact(path(container), "present", field)
        case _:
            return NONE


def facts_if(tree: Expr, outcome: bool) -> Facts:
    """Return what is known once the expression has come out so: its guards, and that all above a field is a map."""
    proven = guards(tree, outcome)
    above: set[Fact] = set()
    for read, _ in proven:
        for length in range(2, len(read)):
            above |= {(read[:length], "present"), (read[:length], "not null")}
        above.add((read, "present"))
    return proven | above


def without(facts: Facts, variable: str) -> Facts:
    """Forget what is known of a variable that a macro hides."""
    return frozenset(fact for fact in facts if fact[0][0] != variable)


def _fact(above: Path | None, what: What, *field: str) -> Facts:
    return NONE if above is None else frozenset({((*above, *field), what)})


def _not_null(tree: Expr, other: Expr) -> Facts:
    null = isinstance(other, Literal) and other.value is None
    return _fact(path(tree), "not null") if null else NONE
