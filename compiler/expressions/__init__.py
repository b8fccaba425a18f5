"""The compiler's side of the expression language: text to checked IR, with every problem placed in the text.

`meshplan.schemas.expr` is what the IR means; docs/expressions.md is the language as users see it.
"""

from __future__ import annotations

from meshplan.compiler.expressions.check import Env, check, infer
from meshplan.compiler.expressions.environment import principal_type
from meshplan.compiler.expressions.jsonschema import arguments, from_schema
from meshplan.compiler.expressions.lower import lower
from meshplan.compiler.expressions.parser import parse, read
from meshplan.compiler.expressions.problems import ERRORS, WARNINGS, Problem, together
from meshplan.compiler.expressions.show import show
from meshplan.compiler.expressions.syntax import Expr
from meshplan.compiler.expressions.types import BOOL, DOUBLE, DYN, INT, NULL, STRING, Field, ListType, Type, record
from meshplan.schemas.expr import Ir

__all__ = [
    "BOOL",
    "DOUBLE",
    "DYN",
    "ERRORS",
    "INT",
    "NULL",
    "STRING",
    "WARNINGS",
    "Env",
    "Expr",
    "Field",
    "Ir",
    "ListType",
    "Problem",
    "Type",
    "arguments",
    "check",
    "compile_expression",
    "from_schema",
    "infer",
    "lower",
    "parse",
    "principal_type",
    "read",
    "record",
    "show",
    "together",
]


def compile_expression(text: str, env: Env, expect: Type = BOOL) -> tuple[Ir | None, list[Problem]]:
    """Parse, check and lower one expression; the IR is None exactly where a problem is an error."""
    tree, unread = read(text)
    problems = unread if tree is None else together(unread, check(tree, env, expect))
    if tree is None:
        return None, problems
    refused = any(problem.level == "error" for problem in problems)
    return (None if refused else lower(tree)), problems
