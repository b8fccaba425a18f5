"""The shared meaning of conditions and mappings: a closed JSON form of CEL expressions, and how it is evaluated.

A node is a list whose head names the operation:

    ["lit", null | bool | int64 | string]      ["real", "1.5"]             ["var", "args"]
    ["select", e, "field"]                     ["has", e, "field"]         ["[]", e, …]       ["{}", [key, value], …]
    ["&&", e, e, …]   ["||", e, e, …]          ["?:", condition, e, e]     [unary, e]         [binary, e, e]
    ["all" | "exists" | "exists_one" | "filter" | "map", range, "@depth", body]

Evaluation is pure, total and bounded: a value, or `ExprError`. Sources: cel-spec, language definition; docs/expressions.md.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from meshplan.schemas import expr_functions as functions
from meshplan.schemas import expr_run as run
from meshplan.schemas import expr_values as values
from meshplan.schemas.expr_run import Env, Run
from meshplan.schemas.expr_values import Binary, ExprError, Unary, Value

__all__ = [
    "BINARY",
    "ERROR",
    "MACROS",
    "UNARY",
    "Env",
    "Errored",
    "ExprError",
    "Ir",
    "IrError",
    "Program",
    "Value",
    "allow_matches",
    "conjuncts",
    "deny_matches",
    "evaluate",
    "holds",
    "load",
]

Ir: TypeAlias = "list[Ir | str | int | bool | None]"

MAX_DEPTH: Final = 64
MAX_NODES: Final = 4_096
STEPS: Final = 100_000
"""What one evaluation may spend: one for each turn of a macro and for each element that is compared or joined."""
MAX_RESULT_NODES: Final = 200_000

UNARY: Final[dict[str, Unary]] = {
    "!": values.invert,
    "neg": values.negate,
    "size": functions.size,
    "int": functions.to_int,
    "double": functions.to_double,
    "string": functions.to_string,
    "lowerAscii": functions.lower_ascii,
    "upperAscii": functions.upper_ascii,
}
BINARY: Final[dict[str, Binary]] = {
    "==": values.equal,
    "!=": values.unequal,
    **values.ORDERINGS,
    "in": values.member,
    "index": values.index,
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.modulo,
    "startsWith": functions.starts_with,
    "endsWith": functions.ends_with,
    "contains": functions.contains,
}
MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})


class IrError(ValueError):
    """Data that is not an expression; a plan that holds it is refused."""


class Errored(enum.Enum):
    """The third outcome of a condition; it is neither true nor false, and refuses to be taken for either."""

    ERROR = "error"

    def __bool__(self) -> bool:
        raise TypeError("a condition that failed is neither true nor false: compare with `is`")


ERROR: Final = Errored.ERROR


@dataclass(frozen=True, slots=True)
class Program:
    """A checked expression, ready to run; `variables` are the names that it reads from its environment."""

    run: Run
    variables: frozenset[str]


def load(ir: object) -> Program:
    """Check and compile an expression; raises `IrError` for anything that is not one within the bounds."""
    loader = _Loader()
    built = loader.build(ir, 0, 0)
    return Program(built, frozenset(loader.variables))


def evaluate(program: Program, env: Env) -> Value:
    """Return the value, or raise `ExprError`; the value may share parts with `env` and is always JSON."""
    value = program.run(env, [STEPS])
    if isinstance(value, (list, dict, float)):
        _check_json(value)
    return value


def holds(program: Program, env: Env) -> bool | Literal[Errored.ERROR]:
    """Return True or False, or ERROR where evaluation fails or gives something else than a bool."""
    try:
        value = program.run(env, [STEPS])
    except ExprError:
        return ERROR
    return value if isinstance(value, bool) else ERROR


def allow_matches(program: Program, env: Env) -> bool:
    """Tell whether an allow rule with this condition matches: an error does not."""
    return holds(program, env) is True


def deny_matches(program: Program, env: Env) -> bool:
    """Tell whether a deny rule with this condition matches: an error does."""
    return holds(program, env) is not False


def conjuncts(ir: Ir) -> list[Ir]:
    """Return the terms that must all hold, for comparing two conditions term by term."""
    return [cast("Ir", term) for term in ir[1:]] if ir[0] == "&&" else [ir]


def _check_json(value: Value) -> None:
    # A float subclass carries the characters of the number it was read from, so it can be written whatever its value.
    pending, left = [value], MAX_RESULT_NODES
    while pending:
        part = pending.pop()
        left -= 1
        if left < 0:
            raise ExprError("cost", "the value of the expression is too large")
        if isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, dict):
            pending.extend(part.values())
        elif type(part) is float and not math.isfinite(part):
            raise ExprError("conversion", "infinity and NaN are not JSON")


class _Loader:
    """One pass over one expression: checks the shape and builds closures from the leaves up."""

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self._nodes = 0

    def build(self, ir: object, depth: int, macros: int) -> Run:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise IrError("the expression is too large")
        head, parts = _node(ir)
        if head in _LEAVES:
            return self._leaf(head, parts, macros)
        if head in MACROS:
            return self._macro(head, parts, depth, macros)
        if head in ("select", "has"):
            return self._field(head, parts, depth, macros)
        if head == "{}":
            pairs = [self._all(_parts(pair, 2), depth, macros) for pair in parts]
            return run.mapping([(key, value) for key, value in pairs])
        runs = self._all(parts, depth, macros)
        if head in UNARY and len(runs) == 1:
            return run.unary(UNARY[head], runs[0])
        if head in BINARY and len(runs) == 2:
            return self._binary(head, runs, parts)
        if head in ("&&", "||") and len(runs) >= 2:
            return run.junction(tuple(runs), stop=head == "||")
        if head == "?:" and len(runs) == 3:
            return run.choice(runs[0], runs[1], runs[2])
        if head == "[]":
            return run.listing(tuple(runs))
        raise IrError(f"unknown operation `{head}`, or the wrong number of operands for it")

    def _binary(self, head: str, runs: list[Run], parts: list[object]) -> Run:
        known = [_parts(part)[1] if _parts(part)[0] == "lit" else None for part in parts]
        if head in ("==", "!=") and isinstance(known[1], str):
            return run.equals_text(runs[0], known[1], negated=head == "!=")
        if head == "in" and (texts := _all_texts(parts[1])) is not None:
            return run.among_texts(runs[0], texts)
        if head in values.ORDERS and type(known[1]) is int:
            return run.compare_int(head, runs[0], known[1])
        if _parts(parts[1])[0] == "lit":
            return run.binary_constant(BINARY[head], runs[0], _literal(known[1]))
        return run.binary(BINARY[head], runs[0], runs[1])

    def _all(self, parts: list[object], depth: int, macros: int) -> list[Run]:
        return [self.build(part, depth + 1, macros) for part in parts]

    def _leaf(self, head: str, parts: list[object], macros: int) -> Run:
        if len(parts) != 1:
            raise IrError(f"`{head}` takes one operand")
        if head == "lit":
            return run.constant(_literal(parts[0]))
        text = _text(parts[0])
        if head == "real":
            return run.constant(_double(text))
        if text.startswith("@"):
            if text not in {f"@{level}" for level in range(macros)}:
                raise IrError(f"`{text}` is not bound")
        elif text.isascii() and text.isidentifier():
            self.variables.add(text)
        else:
            raise IrError("a variable has an identifier for its name")
        return run.variable(text)

    def _field(self, head: str, parts: list[object], depth: int, macros: int) -> Run:
        if len(parts) != 2:
            raise IrError(f"`{head}` takes a map and a field")
        field, operand = _text(parts[1]), self.build(parts[0], depth + 1, macros)
        if head == "has":
            return run.has(operand, field)
        inner = _parts(parts[0])
        return run.select_variable(_text(inner[1]), field) if inner[0] == "var" else run.select(operand, field)

    def _macro(self, head: str, parts: list[object], depth: int, macros: int) -> Run:
        name = f"@{macros}"
        if len(parts) != 3 or parts[1] != name:
            raise IrError(f"`{head}` takes a range, the variable `{name}` and a body")
        items = self.build(parts[0], depth + 1, macros)
        body = self.build(parts[2], depth + 1, macros + 1)
        if head in ("all", "exists"):
            return run.quantifier(items, name, body, stop=head == "exists")
        return (
            run.transform(items, name, body)
            if head == "map"
            else run.selection(head == "exists_one", items, name, body)
        )


_LEAVES: Final = frozenset({"lit", "real", "var"})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _parts(ir: object, size: int | None = None) -> list[object]:
    if not isinstance(ir, (list, tuple)) or not ir or (size is not None and len(cast("list[object]", ir)) != size):
        raise IrError("an expression is a list that begins with its operation")
    return list(cast("list[object]", ir))


def _node(ir: object) -> tuple[str, list[object]]:
    head, *parts = _parts(ir)
    return _text(head), parts


def _text(value: object) -> str:
    if not isinstance(value, str) or _SURROGATE.search(value):
        raise IrError("expected text")
    return value


def _all_texts(ir: object) -> frozenset[str] | None:
    head, *items = _parts(ir)
    texts = [item[1] for item in map(_parts, items) if item[0] == "lit"] if head == "[]" else []
    found = frozenset(text for text in texts if isinstance(text, str))
    return found if items and len(texts) == len(items) and all(isinstance(text, str) for text in texts) else None


def _literal(value: object) -> Value:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and values.INT_MIN <= value <= values.INT_MAX:
        return value
    raise IrError("a literal is null, a bool, a 64-bit integer or text")


def _double(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or repr(value) != text:
        raise IrError("a double is written as the shortest text that reads back")
    return value
