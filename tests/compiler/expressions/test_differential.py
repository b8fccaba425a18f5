"""Our expressions against Google's C++ CEL: the same value, or an error on both sides."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshplan.compiler.expressions import lower, parse, show
from meshplan.schemas.expr import ERROR, ExprError, evaluate, holds, load

cel = pytest.importorskip("cel_expr_python.cel")
ext_strings = pytest.importorskip("cel_expr_python.ext.ext_strings")

FAILED = "<an error when evaluated>"
REJECTED = "<not an expression>"

# Where we differ on purpose, each with (text, environment, ours, theirs); FAILED is an error.
INTENDED: list[tuple[str, dict[str, Any], object, object]] = [
    # int and double compare by exact value, as the specification's number line; theirs rounds the int to a double
    ("9007199254740993 == 9007199254740992.0", {}, False, True),
    ("9223372036854775807 < 9223372036854775808.0", {}, True, False),
    # a bool is not a number
    ("int(true)", {}, FAILED, 1),
    # text that is to become a number is plain decimal: no spaces, no hexadecimal, no infinity
    ("int(' 5')", {}, FAILED, 5),
    ("double(' 1')", {}, FAILED, 1.0),
    ("double('0x1p3')", {}, FAILED, 8.0),
    ("double('1e400')", {}, FAILED, math.inf),
    ("double('nan')", {}, FAILED, math.nan),
    # maps are JSON maps: their keys are strings
    ("{1: 2}[1]", {}, FAILED, 2),
    ("{true: 1}[true]", {}, FAILED, 1),
    # a result is JSON
    ("1.0 / 0.0", {}, FAILED, math.inf),
    ("string(0.0 / 0.0)", {}, "nan", "-nan"),
    # an integer beyond 64 bits passes through; only its use is an error
    ("args.big", {"big": 2**70}, 2**70, FAILED),
    ("args.small == 1", {"big": 2**70, "small": 1}, True, FAILED),
]


@cache
def _oracle_env() -> Any:
    return cel.NewEnv(variables={"args": cel.Type.DYN}, extensions=[ext_strings.ExtStrings()])


def theirs(text: str, args: dict[str, Any]) -> object:
    try:
        program = _oracle_env().compile(text, disable_check=True)
    except RuntimeError:
        return REJECTED
    try:
        value = program.eval(data={"args": args})
    except RuntimeError:
        return FAILED
    # An error comes back as a truthy value of the type ERROR.
    return FAILED if value.type() in (cel.Type.ERROR, cel.Type.UNKNOWN) else value.plain_value()


def ours(text: str, args: dict[str, Any]) -> object:
    tree, _ = parse(text)
    if tree is None:
        return REJECTED
    try:
        return evaluate(load(lower(tree)), {"args": args})
    except ExprError:
        return FAILED


def same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return repr(left) == repr(right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


def is_json(value: object) -> bool:
    if isinstance(value, (list, dict)):
        return all(map(is_json, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize(("text", "args", "expected", "oracle"), INTENDED)
def test_intended_differences_are_still_what_they_are(text: str, args: dict, expected: object, oracle: object) -> None:
    assert same(ours(text, args), expected)
    assert same(theirs(text, args), oracle)


TEXTS = ["", "a", "ab", "Abc", "b", "5", "-7", "1.5", "é", "😀x", "quo'te", 'dou"ble', "back\\slash", "new\nline"]
INTS = [0, 1, 2, 3, -1, -5, 7, 100]
WIDE_INTS = [2**63 - 1, -(2**63), 2**62, -(2**31)]
DOUBLES = [0.0, -0.0, 1.0, 1.5, -2.5, 0.1, 1e6, 123456.5, 1e-5, 1e100, 3.0]
FIELDS = {"int": "i", "double": "d", "string": "s", "bool": "b", "list": "l", "map": "m", "null": "n"}
KINDS = [*FIELDS]

scalars = st.sampled_from([*TEXTS, *INTS, *DOUBLES, True, False, None])
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abk"), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


@st.composite
def environments(draw: st.DrawFn, ints: list[int]) -> dict[str, Any]:
    made = {
        "i": draw(st.sampled_from(ints)),
        "d": draw(st.sampled_from(DOUBLES)),
        "s": draw(st.sampled_from(TEXTS)),
        "b": draw(st.booleans()),
        "l": draw(st.lists(json_values, max_size=4)),
        "m": draw(st.dictionaries(st.sampled_from(["a", "b", "k"]), json_values, max_size=1)),
        "n": None,
    }
    dropped = draw(st.sampled_from([None, None, None, *made]))
    return {key: value for key, value in made.items() if key != dropped}


class Writer:
    """Writes random expressions, mostly well typed, from one source of choices."""

    def __init__(self, draw: st.DrawFn, wide: bool) -> None:
        self._draw = draw
        self._ints = INTS + WIDE_INTS if wide else INTS
        self._kinds = [kind for kind in KINDS if kind != "double"] if wide else KINDS
        self._wide = wide
        self._bound: list[str] = []

    def pick(self, choices: list[Any]) -> Any:
        return choices[self._draw(st.integers(0, len(choices) - 1))]

    def write(self, kind: str, depth: int) -> str:
        stray = self.pick([0] * 11 + [1])
        wanted = self.pick(self._kinds) if stray or (kind == "double" and self._wide) else kind
        if depth <= 0:
            return self.leaf(wanted)
        return f"({getattr(self, f'_{wanted}')(depth - 1)})"

    def leaf(self, kind: str) -> str:
        choice = self.pick([0, 0, 0, 1, 1, 2])
        if choice == 1:
            return f"args.{FIELDS[kind]}"
        if choice == 2 and self._bound:
            return self.pick(self._bound)
        return self.literal(kind)

    def literal(self, kind: str) -> str:
        match kind:
            case "int":
                return str(self.pick(self._ints))
            case "double":
                return repr(self.pick(DOUBLES))
            case "string":
                return show(["lit", self.pick(TEXTS)])
            case "bool":
                return self.pick(["true", "false"])
            case "list":
                return self.pick(["[]", "[1, 2, 3]", "['a', 'b']", "[1, 'a', null]", "[0, 1, 0]", "[[1], [2]]"])
            case "map":
                return self.pick(["{}", "{'a': 1}", "{'k': [1]}", "{'a': {'b': 2}}"])
            case _:
                return "null"

    def any(self, depth: int) -> str:
        return self.write(self.pick(self._kinds), depth)

    def macro(self, name: str, body: str, depth: int) -> str:
        items = self.write("list" if name in ("map", "filter") else self.pick(["list", "list", "map"]), depth)
        variable = self.pick(["x", "y"])
        self._bound.append(variable)
        made = f"{items}.{name}({variable}, {self.write(body, depth)})"
        self._bound.pop()
        return made

    def _bool(self, depth: int) -> str:
        kind = self.pick(self._kinds)
        match self.pick(["&&", "||", "!", "==", "<", "in", "has", "text", "macro", "?:", "in map"]):
            case "&&" | "||" as sign:
                terms = [self.write("bool", depth) for _ in range(self.pick([2, 2, 3]))]
                return f" {sign} ".join(terms)
            case "!":
                return f"!{self.write('bool', depth)}"
            case "==":
                return f"{self.write(kind, depth)} {self.pick(['==', '!='])} {self.write(kind, depth)}"
            case "<":
                other = self.pick([kind, "int"])
                return f"{self.write(kind, depth)} {self.pick(['<', '<=', '>', '>='])} {self.write(other, depth)}"
            case "in":
                return f"{self.any(depth)} in {self.write('list', depth)}"
            case "in map":
                return f"{self.write('string', depth)} in {self.write('map', depth)}"
            case "has":
                return (
                    f"has({self.pick(['args', 'args.m', self.write('map', depth)])}.{self.pick(['a', 'k', 'n', 's'])})"
                )
            case "text":
                name = self.pick(["startsWith", "endsWith", "contains"])
                return f"{self.write('string', depth)}.{name}({self.write('string', depth)})"
            case "macro":
                return self.macro(self.pick(["all", "exists", "exists_one"]), "bool", depth)
            case _:
                return self._choice("bool", depth)

    def _choice(self, kind: str, depth: int) -> str:
        return f"{self.write('bool', depth)} ? {self.write(kind, depth)} : {self.write(kind, depth)}"

    def _int(self, depth: int) -> str:
        match self.pick(["+", "+", "neg", "size", "int", "?:", "index"]):
            case "+":
                return f"{self.write('int', depth)} {self.pick(list('+-*/%'))} {self.write('int', depth)}"
            case "neg":
                return f"-{self.write('int', depth)}"
            case "size":
                return f"size({self.write(self.pick(['string', 'list', 'map']), depth)})"
            case "int":
                return (
                    f"int({self.literal(self.pick(['int', 'string'] if self._wide else ['int', 'double', 'string']))})"
                )
            case "?:":
                return self._choice("int", depth)
            case _:
                return self._index(depth)

    def _index(self, depth: int) -> str:
        key = self.pick(["a", "k", "b"])
        return self.pick(
            [
                f"{self.write('list', depth)}[{self.write('int', depth)}]",
                f"{self.write('map', depth)}[{self.write('string', depth)}]",
                f"{self.write('map', depth)}.{key}",
            ]
        )

    def _double(self, depth: int) -> str:
        match self.pick(["+", "+", "neg", "double", "?:"]):
            case "+":
                return f"{self.write('double', depth)} {self.pick(list('+-*/'))} {self.write('double', depth)}"
            case "neg":
                return f"-{self.write('double', depth)}"
            case "double":
                return f"double({self.literal(self.pick(['int', 'double', 'string']))})"
            case _:
                return self._choice("double", depth)

    def _string(self, depth: int) -> str:
        match self.pick(["+", "case", "string", "?:", "index"]):
            case "+":
                return f"{self.write('string', depth)} + {self.write('string', depth)}"
            case "case":
                return f"{self.write('string', depth)}.{self.pick(['lowerAscii', 'upperAscii'])}()"
            case "string":
                return f"string({self.leaf(self.pick([kind for kind in self._kinds if kind != 'null']))})"
            case "?:":
                return self._choice("string", depth)
            case _:
                return self._index(depth)

    def _list(self, depth: int) -> str:
        match self.pick(["[]", "+", "map", "filter", "map3", "?:"]):
            case "[]":
                return f"[{', '.join(self.any(depth) for _ in range(self.pick([0, 1, 2, 3])))}]"
            case "+":
                return f"{self.write('list', depth)} + {self.write('list', depth)}"
            case "map":
                return self.macro("map", self.pick(self._kinds), depth)
            case "map3":
                items, test = self.write("list", depth), self.write("bool", depth)
                self._bound.append("x")
                made = f"{items}.map(x, {test}, {self.any(depth)})"
                self._bound.pop()
                return made
            case "filter":
                return self.macro("filter", "bool", depth)
            case _:
                return self._choice("list", depth)

    def _map(self, depth: int) -> str:
        keys = self.pick([[], ["'a'"], ["'a'", "'b'"], [self.write("string", 0) + " + ''"]])
        return "{" + ", ".join(f"{key}: {self.any(depth)}" for key in keys) + "}"

    def _null(self, _depth: int) -> str:
        return "null"


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    wide = draw(st.booleans())
    ints = INTS + WIDE_INTS if wide else INTS
    writer = Writer(draw, wide)
    texts = [writer.write(writer.pick(["bool", "bool", *KINDS]), writer.pick([1, 2, 3])) for _ in range(3)]
    return texts, draw(environments(ints))


@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_same_value_or_both_fail(case: tuple[list[str], dict[str, Any]]) -> None:
    texts, args = case
    for text in texts:
        oracle, found = theirs(text, args), ours(text, args)
        expected = oracle if is_json(oracle) else FAILED
        assert same(found, expected), (text, args, found, expected)
        tree, _ = parse(text)
        if tree is None:
            continue
        verdict = holds(load(lower(tree)), {"args": args})
        assert verdict is (found if isinstance(found, bool) else ERROR)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases())
def test_ir_survives_json_and_printing(case: tuple[list[str], dict[str, Any]]) -> None:
    texts, args = case
    for text in texts:
        tree, _ = parse(text)
        if tree is None:
            continue
        ir = lower(tree)
        again, _ = parse(show(ir))
        assert again is not None
        assert lower(again) == ir
        copied = json.loads(json.dumps(ir))
        assert copied == ir
        assert _outcome(copied, args) == _outcome(ir, args)


def _outcome(ir: object, args: dict[str, Any]) -> str:
    try:
        return repr(evaluate(load(ir), {"args": args}))
    except ExprError as error:
        return f"{error.kind}: {error}"
