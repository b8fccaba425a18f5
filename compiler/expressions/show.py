"""IR back to text, in one way of writing: for diffs and reports, where the source's own text is not at hand."""

from __future__ import annotations

import json
from typing import Final, cast

from meshplan.compiler.expressions.functions import FUNCTIONS, INFIX
from meshplan.schemas.expr import MACROS, Ir

_CHOICE, _UNARY, _MEMBER = 0, 6, 7
_NO_FIELDS: Final = frozenset({"true", "false", "null", "in"})


def show(ir: Ir) -> str:
    """Write an expression so that parsing and lowering it gives `ir` again."""
    return _show(ir, _CHOICE)


def _show(ir: Ir, minimum: int) -> str:
    text, power = _write(ir)
    return f"({text})" if power < minimum else text


def _parts(ir: Ir) -> list[Ir]:
    return [cast("Ir", part) for part in ir[1:]]


def _write(ir: Ir) -> tuple[str, int]:
    head, parts = str(ir[0]), _parts(ir)
    if head in ("lit", "real"):
        return _literal(head, ir[1])
    if head == "var":
        return str(ir[1]).replace("@", "x"), _MEMBER
    if head in ("select", "has"):
        text = _show(parts[0], _MEMBER) + _field(str(ir[2]), test=head == "has")
        return (f"has({text})" if head == "has" else text), _MEMBER
    if head in MACROS:
        variable = str(ir[2]).replace("@", "x")
        return f"{_show(parts[0], _MEMBER)}.{head}({variable}, {show(parts[2])})", _MEMBER
    if head == "[]":
        return "[" + ", ".join(map(show, parts)) + "]", _MEMBER
    if head == "{}":
        pairs = [cast("list[Ir]", pair) for pair in parts]
        return "{" + ", ".join(f"{show(key)}: {show(value)}" for key, value in pairs) + "}", _MEMBER
    return _operation(head, parts)


def _operation(head: str, parts: list[Ir]) -> tuple[str, int]:
    if head == "?:":
        condition, then, otherwise = parts
        return f"{_show(condition, 1)} ? {_show(then, 1)} : {show(otherwise)}", _CHOICE
    if head in ("!", "neg"):
        return ("!" if head == "!" else "-") + _unary_operand(head, parts[0]), _UNARY
    if head in INFIX:
        power = INFIX[head]
        first, *others = parts
        written = [_show(first, power), *(_show(other, power + 1) for other in others)]
        return f" {head} ".join(written), power
    if head == "index":
        return f"{_show(parts[0], _MEMBER)}[{show(parts[1])}]", _MEMBER
    if FUNCTIONS[head].free:
        return f"{head}({show(parts[0])})", _MEMBER
    return f"{_show(parts[0], _MEMBER)}.{head}({', '.join(map(show, parts[1:]))})", _MEMBER


def _unary_operand(head: str, operand: Ir) -> str:
    text = _show(operand, _UNARY if operand[0] == head else _MEMBER)
    return f"({text})" if operand[0] in ("lit", "real") and head == "neg" else text


def _literal(head: str, value: object) -> tuple[str, int]:
    if head == "real":
        text = str(value)
        return text, _UNARY if text.startswith("-") else _MEMBER
    if isinstance(value, str):
        return _quoted(value), _MEMBER
    text = json.dumps(value)
    return text, _UNARY if text.startswith("-") else _MEMBER


def _quoted(text: str) -> str:
    inner = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{inner}'"


def _field(name: str, *, test: bool) -> str:
    if name.isascii() and name.isidentifier() and name not in _NO_FIELDS:
        return f".{name}"
    plain = all(char.isascii() and (char.isalnum() or char in "_.-/ ") for char in name)
    return f".`{name}`" if test and name and plain else f"[{_quoted(name)}]"
