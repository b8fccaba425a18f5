from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.schemas.expr import (
    ERROR,
    MAX_DEPTH,
    MAX_NODES,
    ExprError,
    IrError,
    allow_matches,
    conjuncts,
    deny_matches,
    evaluate,
    holds,
    load,
)
from meshplan.schemas.jsontext import Number

ARGS = ["var", "args"]


def lit(value: object) -> list[Any]:
    return ["lit", value]


def field(name: str) -> list[Any]:
    return ["select", ARGS, name]


VALUES: list[tuple[list[Any], dict[str, Any], object]] = [
    (["==", field("a"), ["real", "1.0"]], {"a": 1}, True),
    (["==", field("a"), lit("1")], {"a": 1}, False),
    (["==", field("a"), lit(1)], {"a": True}, False),
    (["==", lit(1), field("a")], {"a": True}, False),
    (["in", lit(1), field("l")], {"l": [True, 1.0]}, True),
    (["in", lit(1), field("l")], {"l": [True]}, False),
    (["in", field("a"), ["[]", lit("x"), lit("y")]], {"a": "y"}, True),
    (["in", field("a"), ["[]", lit("x"), lit("y")]], {"a": None}, False),
    (["==", field("l"), ["[]", lit(1), ["{}", [lit("k"), lit(None)]]]], {"l": [1.0, {"k": None}]}, True),
    (["==", field("l"), ["[]", lit(1)]], {"l": [True]}, False),
    (["!=", field("a"), lit(None)], {"a": 0}, True),
    (["/", lit(-5), lit(3)], {}, -1),
    (["%", lit(-5), lit(3)], {}, -2),
    (["%", lit(5), lit(-3)], {}, 2),
    (["size", lit("é😀")], {}, 2),
    (["<", field("a"), lit(3)], {"a": 2.5}, True),
    (["<", lit("é"), lit("z")], {}, False),
    (["index", field("l"), ["real", "1.0"]], {"l": [1, 2]}, 2),
    (["lowerAscii", lit("ÄB")], {}, "Äb"),
    (["string", ["real", "123456789.125"]], {}, "1.23456789125e+08"),
    (["string", ["real", "100000.0"]], {}, "100000"),
    (["string", ["real", "0.0001"]], {}, "0.0001"),
    (["string", ["real", "-0.0"]], {}, "-0"),
    (["int", ["real", "-1.9"]], {}, -1),
    (["?:", ["has", ARGS, "x"], field("x"), lit(0)], {}, 0),
    (["map", ["filter", field("l"), "@0", [">", ["var", "@0"], lit(1)]], "@0", ["+", ["var", "@0"], lit(1)]], {"l": [1, 2]}, [3]),
    (["exists_one", field("m"), "@0", ["==", ["var", "@0"], lit("k")]], {"m": {"k": 1, "l": 2}}, True),
    # a term that decides wins over errors on either side
    (["&&", field("absent"), lit(False)], {}, False),
    (["&&", lit(False), field("absent")], {}, False),
    (["||", field("absent"), lit(True)], {}, True),
    (["&&", lit(7), lit(False)], {}, False),
    (["all", field("l"), "@0", [">", ["/", lit(1), ["var", "@0"]], lit(5)]], {"l": [0, 2]}, False),
    (["all", ["[]"], "@0", lit(1)], {}, True),
]  # fmt: skip

FAILURES: list[tuple[list[Any], dict[str, Any], str]] = [
    (field("absent"), {}, "absent"),
    (["select", field("a"), "x"], {"a": "text"}, "overload"),
    (["select", field("a"), "x"], {"a": None}, "overload"),
    (["has", field("a"), "x"], {"a": []}, "overload"),
    (["+", lit(1), ["real", "1.0"]], {}, "overload"),
    (["+", field("a"), lit(1)], {"a": True}, "overload"),
    (["<", field("a"), lit(1)], {"a": True}, "overload"),
    (["<", field("a"), lit(1)], {"a": None}, "overload"),
    (["!", lit(1)], {}, "overload"),
    (["&&", lit(True), lit(1)], {}, "overload"),
    (["?:", lit(1), lit(1), lit(1)], {}, "overload"),
    (["all", field("a"), "@0", lit(True)], {"a": "text"}, "overload"),
    (["+", lit(2**63 - 1), lit(1)], {}, "overflow"),
    (["neg", lit(-(2**63))], {}, "overflow"),
    (["/", lit(-(2**63)), lit(-1)], {}, "overflow"),
    (["%", lit(-(2**63)), lit(-1)], {}, "overflow"),
    (["==", field("a"), lit(1)], {"a": 2**63}, "overflow"),
    (["<", field("a"), lit(1)], {"a": -(2**63) - 1}, "overflow"),
    (["int", field("a")], {"a": 1e300}, "overflow"),
    (["/", lit(1), lit(0)], {}, "division"),
    (["%", lit(1), lit(0)], {}, "division"),
    (["/", ["real", "1.0"], ["real", "0.0"]], {}, "conversion"),
    (["int", lit("0x1")], {}, "conversion"),
    (["int", lit("٣")], {}, "conversion"),
    (["double", lit("1_0")], {}, "conversion"),
    (["index", ["[]", lit(1)], lit(-1)], {}, "absent"),
    (["index", ["[]", lit(1)], lit(True)], {}, "overload"),
    (["{}", [lit(1), lit(1)]], {}, "overload"),
    (["{}", [field("a"), lit(1)], [lit("k"), lit(1)]], {"a": "k"}, "duplicate"),
    (["exists_one", field("l"), "@0", ["var", "@0"]], {"l": [True, 1]}, "overload"),
    (["==", field("a"), lit("1")], {"a": Decimal(1)}, "overload"),
    (["==", field("a"), field("a")], {"a": Decimal(1)}, "overload"),
    (["in", field("a"), ["[]", lit("x")]], {"a": Decimal(1)}, "overload"),
]


@pytest.mark.parametrize(("ir", "args", "expected"), VALUES)
def test_values(ir: list[Any], args: dict[str, Any], expected: object) -> None:
    found = evaluate(load(ir), {"args": args})
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(("ir", "args", "kind"), FAILURES)
def test_failures_are_errors_of_a_known_kind(ir: list[Any], args: dict[str, Any], kind: str) -> None:
    with pytest.raises(ExprError) as caught:
        evaluate(load(ir), {"args": args})
    assert caught.value.kind == kind
    assert "\n" not in str(caught.value)


def test_a_condition_has_three_outcomes_and_rules_read_them_safely() -> None:
    program = load(["==", field("a"), lit("x")])
    assert holds(program, {"args": {"a": "x"}}) is True
    assert holds(program, {"args": {"a": "y"}}) is False
    assert holds(program, {"args": {}}) is ERROR
    assert holds(program, {}) is ERROR
    assert holds(load(field("a")), {"args": {"a": "true"}}) is ERROR
    assert (allow_matches(program, {"args": {}}), deny_matches(program, {"args": {}})) == (False, True)
    assert (allow_matches(program, {"args": {"a": "x"}}), deny_matches(program, {"args": {"a": "x"}})) == (True, True)
    assert (allow_matches(program, {"args": {"a": "y"}}), deny_matches(program, {"args": {"a": "y"}})) == (False, False)


def test_the_error_outcome_cannot_be_taken_for_a_bool() -> None:
    with pytest.raises(TypeError):
        bool(ERROR)


def test_numbers_keep_their_characters_and_count_as_doubles() -> None:
    env = {"args": {"price": Number("1.50"), "huge": Number("1e400"), "big": 2**80}}
    assert evaluate(load(["<", field("price"), lit(2)]), env) is True
    passed = evaluate(load(["[]", field("price"), field("huge"), field("big")]), env)
    assert isinstance(passed, list)
    assert passed[0] is env["args"]["price"]
    assert passed[1] is env["args"]["huge"]
    assert passed[2] == 2**80


def test_inputs_are_never_changed() -> None:
    env = {"args": {"l": [1, {"k": [2]}]}}
    before = json.dumps(env)
    evaluate(load(["map", ["+", field("l"), field("l")], "@0", ["[]", ["var", "@0"], field("l")]]), env)
    assert json.dumps(env) == before


def test_variables_are_what_is_read_from_outside() -> None:
    program = load(["all", field("l"), "@0", ["in", ["var", "@0"], ["select", ["var", "principal"], "teams"]]])
    assert program.variables == {"args", "principal"}


def test_conjuncts() -> None:
    assert conjuncts(["&&", lit(True), field("a")]) == [lit(True), field("a")]
    assert conjuncts(["||", lit(True), field("a")]) == [["||", lit(True), field("a")]]


def nested_macros(depth: int, level: int = 0) -> list[Any]:
    return lit(True) if depth == 0 else ["all", field("l"), f"@{level}", nested_macros(depth - 1, level + 1)]


def doubling(times: int) -> list[Any]:
    made: list[Any] = ["[]", field("s")]
    for _ in range(times):
        made = ["map", made, "@0", ["+", ["var", "@0"], ["var", "@0"]]]
    return made


def pairing(times: int) -> list[Any]:
    made: list[Any] = ["[]", field("s")]
    for _ in range(times):
        made = ["map", made, "@0", ["[]", ["var", "@0"], ["var", "@0"]]]
    return made


@pytest.mark.parametrize(
    "ir",
    [
        nested_macros(6),
        doubling(50),
        pairing(50),
        ["==", pairing(50), pairing(50)],
        ["in", pairing(30), ["[]", pairing(30)]],
        ["exists", field("l"), "@0", ["contains", field("s"), lit("y")]],
        ["exists", field("l"), "@0", ["exists", field("l"), "@1", ["in", lit(1), field("l")]]],
    ],
)
@pytest.mark.timeout(10)
def test_cost_is_bounded_whatever_the_input(ir: list[Any]) -> None:
    env = {"args": {"l": list(range(2, 2_000)), "s": "x" * 100_000}}
    with pytest.raises(ExprError) as caught:
        evaluate(load(ir), env)
    assert caught.value.kind == "cost"


NOT_EXPRESSIONS: list[object] = [
    None,
    1,
    "x",
    [],
    {},
    [1],
    ["unknown", lit(1)],
    ["lit"],
    ["lit", 1, 2],
    ["lit", 1.5],
    ["lit", 2**63],
    ["lit", [1]],
    ["lit", "\ud800"],
    ["real", 1.5],
    ["real", "1"],
    ["real", "1.50"],
    ["real", "nan"],
    ["real", "inf"],
    ["real", "x"],
    ["var", ""],
    ["var", "a.b"],
    ["var", "@0"],
    ["var", "é"],
    ["select", ARGS],
    ["select", ARGS, 1],
    ["==", lit(1)],
    ["==", lit(1), lit(1), lit(1)],
    ["&&", lit(True)],
    ["{}", [lit("k")]],
    ["{}", lit("k")],
    ["all", ARGS, "x", lit(True)],
    ["all", ARGS, "@1", lit(True)],
    ["all", ["var", "@0"], "@0", lit(True)],
    ["!", lit(True), lit(True)],
    ["has", ARGS, "x", "y"],
    ["all", ARGS, "@0"],
    ["[]", *([lit(1)] * MAX_NODES)],
]


@pytest.mark.parametrize("ir", NOT_EXPRESSIONS)
def test_what_is_not_an_expression_is_refused(ir: object) -> None:
    with pytest.raises(IrError):
        load(ir)


def test_depth_is_bounded_and_the_bound_is_reachable() -> None:
    ir: list[Any] = lit(True)
    for _ in range(MAX_DEPTH):
        ir = ["!", ir]
    assert evaluate(load(ir), {}) is True
    with pytest.raises(IrError):
        load(["!", ir])


ops = st.sampled_from(
    ["lit", "real", "var", "select", "has", "[]", "{}", "&&", "||", "?:", "!", "==", "<", "in", "+", "index", "size",
     "all", "map", "filter", "int", "contains", "args", "@0", "x"],
)  # fmt: skip
junk = st.recursive(
    ops | st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(ops, inner, inner).map(list) | st.dictionaries(ops, inner),
    max_leaves=20,
)


@settings(max_examples=500, deadline=None)
@given(ir=junk)
def test_junk_is_refused_or_evaluates_totally(ir: object) -> None:
    _load_and_run(ir)


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_mutated_ir_is_refused_or_evaluates_totally(data: st.DataObject) -> None:
    ir = json.loads(json.dumps(data.draw(st.sampled_from([ir for ir, _, _ in [*VALUES, *FAILURES]]))))
    place = ir
    while True:
        at = data.draw(st.integers(0, len(place) - 1))
        if isinstance(place[at], list) and place[at] and data.draw(st.booleans()):
            place = place[at]
            continue
        place[at] = data.draw(junk)
        break
    _load_and_run(ir)


def _load_and_run(ir: object) -> None:
    try:
        program = load(ir)
    except IrError:
        return
    for env in ({}, {"args": {"a": 1, "l": [1, "x"], "m": {}}}):
        assert holds(program, env) in (True, False, ERROR)
        with contextlib.suppress(ExprError):
            evaluate(program, env)
