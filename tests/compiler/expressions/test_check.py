from __future__ import annotations

from types import NoneType
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from meshplan.compiler.expressions import (
    BOOL,
    DYN,
    ERRORS,
    STRING,
    WARNINGS,
    Ir,
    Problem,
    arguments,
    compile_expression,
    from_schema,
    infer,
    parse,
    principal_type,
)
from meshplan.schemas.expr import ExprError, evaluate, load

SCHEMA = {
    "type": "object",
    "properties": {
        "owner": {"type": "string"},
        "count": {"type": "integer"},
        "price": {"type": "number"},
        "state": {"enum": ["open", "closed"]},
        "labels": {"type": "array", "items": {"type": "string"}},
        "note": {"type": ["string", "null"]},
        "flag": {"type": "boolean"},
        "meta": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        "free": {"type": "object"},
        "any": {},
        "opt": {"type": "string"},
        "deep": {"type": "object", "required": ["k"], "properties": {"k": {"type": "integer"}}},
        "content-type": {"type": "string"},
    },
    "required": ["owner", "count", "price", "state", "labels", "note", "flag", "meta", "free", "any"],
}
ENV = {"args": arguments(SCHEMA), "principal": principal_type(["eng", "ops"], ["ci"], [])}

GOOD = [
    "args.owner == 'acme'",
    "args.count < 1.5",
    "args.price > 2",
    "double(args.price) * 2.0 > 1.0",
    "args.state in ['open', 'closed'] && args.state != 'open'",
    "args.labels.all(label, label.startsWith('a') || label == args.owner)",
    "args.labels.map(label, label.size()).exists(size, size > 3)",
    "args.note == null || args.note.size() > 1",
    "args.note != null && args.note.size() > 1",
    "args.note != null ? args.note.size() > 1 : args.flag",
    "has(args.opt) && args.opt == 'x'",
    "args.opt == 'x' && has(args.opt)",
    "'opt' in args && args.opt == 'x'",
    "!has(args.opt) || args.opt == 'x'",
    "!(!has(args.opt) || !has(args.deep)) && args.opt.size() == args.deep.k",
    "has(args.opt) ? args.opt == 'x' : args.flag",
    "has(args.deep) && has(args.deep.k) && args.deep.k == 1",
    "has(args.`content-type`) && args['content-type'] == 'text/plain'",
    "args.meta.a == 'x'",
    "has(args.free.x) && args.free.x == 1",
    "args.any.what.ever[3] == true",
    "'eng' in principal.teams && 'ci' in principal.agents",
    "principal.user == 'ann' || principal.sub.endsWith('-bot')",
    "args.labels.filter(x, x != '').map(x, x != 'a', {'name': x}).all(item, item.name == 'b')",
    "args.flag",
    "args.count\n  == 1 // the comment",
]

BAD: list[tuple[str, str, str, str | None]] = [
    ("args.owner == 'acme' &&", "syntax", "&", None),
    ("args.owner = 'x'", "syntax", "=", "compare with `==`"),
    ("args.owner & true", "syntax", "&", "write `&&`"),
    ("(args.flag", "syntax", "g", None),
    ("args.flag args.flag", "syntax", "args", None),
    ("args.flag == 'x", "syntax", "'x", "close it with `'`"),
    ("args.", "syntax", ".", None),
    ("in == 1", "syntax", "in", None),
    ("loop == 1", "syntax", "loop", None),
    ("size(args.labels,) == 1", "syntax", ")", None),
    ("args.price == 1.", "syntax", "1.", None),
    ("", "syntax", "", None),
    ("  ", "syntax", "  ", None),
    ("!" * 5_000 + "args.flag", "too-large", None, None),
    ("(" * 40 + "args.flag" + ")" * 40, "too-large", "(", None),
    ("args.flag" + " == args.flag" * 100, "too-large", "==", None),
    ("args.count == 9223372036854775808", "bad-literal", "9223372036854775808", None),
    ("args.price == 1e999", "bad-literal", "1e999", None),
    ("args.owner == 'a\\q'", "bad-literal", "\\q", "double the backslash, or write a raw string: r'…'"),
    ("args.owner == '\\ud800'", "bad-literal", "\\ud800", None),
    ("args.owner == '\ud800'", "bad-literal", "\ud800", None),
    ("args.owner.matches('^a')", "unsupported-feature", "matches", None),
    ("args.count == 1u", "unsupported-feature", "1u", "leave out the `u`"),
    ("args.owner == b'x'", "unsupported-feature", "b", "write a string"),
    ("timestamp(args.owner) == 1", "unsupported-feature", "timestamp", None),
    ("args.?opt == 'x'", "unsupported-feature", "?", None),
    ("Owner{name: 'x'} == 1", "unsupported-feature", "Owner{", "write a map: {'name': value}"),
    (".args.flag", "unsupported-feature", ".", None),
    ("args.owner.startWith('x')", "unknown-function", "startWith", "did you mean `startsWith`?"),
    ("args.owner.startsWith()", "wrong-arguments", "startsWith", "write it as in args.path.startsWith('/tmp')"),
    ("startsWith(args.owner, 'x')", "wrong-arguments", "startsWith", None),
    ("has(args['opt'])", "wrong-arguments", "has(args['opt'])", None),
    ("args.labels.all(x, y, true)", "wrong-arguments", "all(x, y, true)", None),
    ("arg.owner == 'x'", "unknown-variable", "arg", "did you mean `args`?"),
    ("owner == 'x'", "unknown-variable", "owner", "did you mean `args.owner`?"),
    ("args.ownr == 'x'", "unknown-field", "ownr", "did you mean `owner`?"),
    ("has(args.ownr)", "unknown-field", "ownr", "did you mean `owner`?"),
    ("args.meta.b == 'x'", "unknown-field", "b", "the fields are `a`"),
    ("args['ownr'] == 'x'", "unknown-field", "'ownr'", "did you mean `owner`?"),
    ("args.owner == 1", "type-mismatch", "==", None),
    ("args.owner.name == 'x'", "type-mismatch", "name", None),
    ("args.count + 1.0 > 2.0", "type-mismatch", "+", None),
    ("args.flag < 1", "type-mismatch", "<", None),
    ("!args.count", "type-mismatch", "!", None),
    ("args.count && args.flag", "type-mismatch", "args.count", "compare it: args.count > 0"),
    ("args.count.startsWith('x')", "type-mismatch", "startsWith", None),
    ("args.owner.all(x, true)", "type-mismatch", "args.owner", None),
    ("1 in args.labels", "type-mismatch", "in", None),
    ("{1: 2} == {}", "type-mismatch", "1", None),
    ("args.labels['a'] == 'x'", "type-mismatch", "'a'", None),
    ("args.count", "not-a-condition", "args.count", None),
    ("{'a': args.flag, 'a': true}.a", "duplicate-key", "'a'", None),
    ("args.count / 0 == 1 && 1 / 0 == 1", "always-fails", "1 / 0 == 1", None),
    ("args.opt == 'x'", "optional-unguarded", "opt", "guard it: has(args.opt) && …"),
    ("args.opt == 'x' || has(args.opt)", "optional-unguarded", "opt", "guard it: has(args.opt) && …"),
    ("has(args.deep.k)", "optional-unguarded", "deep", "guard it: has(args.deep) && …"),
    ("args.meta['b'] == 'x'", "optional-unguarded", "'b'", "guard it: has(args.meta.b) && …"),
    ("has(args.opt) && args.labels.all(args, args == '') && args.deep.k > 0", "optional-unguarded", "deep", None),
    ("args.state == 'opne'", "not-in-enum", "'opne'", "did you mean `open`?"),
    ("args.state in ['open', 'shut']", "not-in-enum", "'shut'", "it is one of `closed`, `open`"),
    ("'enginering' in principal.teams", "not-in-enum", "'enginering'", "it is one of `eng`, `ops`"),
    ("true", "constant-condition", "true", None),
    ("args.flag || 1 == 1", "constant-condition", "1 == 1", None),
    ("args.owner == null", "constant-condition", "args.owner == null", None),
    ("args.note.size() > 1", "may-fail", "size", "guard it with `!= null && …`"),
    ("args.price + 1.0 > 2.0", "may-fail", "+", "a JSON number may be an int or a double: wrap it in double(…)"),
    (
        "(args.flag ? args.labels : args.count).all(x, x == '')",
        "may-fail",
        "args.flag ? args.labels : args.count",
        None,
    ),
    ("args.flag ? args.flag : 'x'", "may-fail", "args.flag ? args.flag : 'x'", None),
]


@pytest.mark.parametrize("text", GOOD)
def test_nothing_to_say(text: str) -> None:
    ir, problems = compile_expression(text, ENV)
    assert problems == []
    assert load(ir).variables <= {"args", "principal"}


@pytest.mark.parametrize(("text", "slug", "marked", "help"), BAD)
def test_one_problem_at_its_place(text: str, slug: str, marked: str | None, help: str | None) -> None:
    ir, problems = compile_expression(text, ENV)
    assert [problem.code_slug for problem in problems] == [slug], problems
    problem = problems[0]
    assert marked is None or text[problem.start : problem.end] == marked
    assert help is None or problem.help == help
    assert (ir is None) == (problem.level == "error")


@pytest.mark.parametrize(("text", "slug", "marked", "help"), BAD)
def test_messages_follow_the_house_rules(text: str, slug: str, marked: str | None, help: str | None) -> None:
    del slug, marked, help
    for problem in compile_expression(text, ENV)[1]:
        for words in (problem.message, problem.help or ""):
            assert "\n" not in words
            assert not words.endswith(".")
            assert words[:1] == words[:1].lower()


def test_every_slug_has_an_example() -> None:
    shown = {slug for _, slug, _, _ in BAD}
    assert shown | {"wrong-result"} == ERRORS | WARNINGS


def test_a_value_of_another_type_than_expected() -> None:
    ir, problems = compile_expression("args.count", ENV, STRING)
    assert ir is None
    assert problems == [Problem("wrong-result", 0, 10, "expected string, and this is int", "convert it: string(…)")]
    assert compile_expression("string(args.count)", ENV, STRING)[1] == []
    assert compile_expression("{'title': args.owner}", ENV, DYN)[1] == []


def test_several_mistakes_are_told_at_once_and_in_order() -> None:
    _, problems = compile_expression("args.ownr.x == 1 && args.state == 'shut' && args.count == 'x'", ENV)
    assert [problem.code_slug for problem in problems] == ["unknown-field", "not-in-enum", "type-mismatch"]


def test_names_from_upstream_are_shown_tamely() -> None:
    schema = {
        "properties": {"own\ner`": {"enum": ["a\u202eb" * 40]}, "x": {"enum": ["a\u202eb`" * 40]}},
        "required": ["x"],
    }
    _, problems = compile_expression("args.owner == 1 || args.x == 'a'", {"args": arguments(schema)})
    assert len(problems) == 2
    for problem in problems:
        assert problem.help is not None
        assert problem.help.isprintable()
        assert problem.help.count("`") % 2 == 0
        assert len(problem.help) < 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [("args.count + 1", "int"), ("args.owner", "string"), ("args.flag", "bool"), ("double(args.price)", "double")],
)
def test_infer_gives_the_type(text: str, expected: str) -> None:
    tree, _ = parse(text)
    assert tree is not None
    kind, problems = infer(tree, ENV)
    assert problems == []
    assert getattr(kind, "name", None) == expected


SAFE_KINDS = {"overflow", "division", "conversion"}
texts = st.sampled_from(["", "a", "open", "7"])
arguments_that_conform = st.fixed_dictionaries(
    {
        "owner": texts,
        "count": st.integers(-3, 3),
        "price": st.integers(-2, 2) | st.floats(-2, 2),
        "state": st.sampled_from(["open", "closed"]),
        "labels": st.lists(texts, max_size=2),
        "note": st.none() | texts,
        "flag": st.booleans(),
        "meta": st.fixed_dictionaries({"a": texts}),
        "free": st.dictionaries(texts, st.integers()),
        "any": st.none() | st.integers(),
    },
    optional={"opt": texts, "deep": st.fixed_dictionaries({"k": st.integers(0, 3)}), "content-type": texts},
)

ATOMS = [
    "args.owner", "args.count", "args.price", "args.state", "args.labels", "args.note", "args.flag", "args.meta",
    "args.meta.a", "args.opt", "args.deep", "args.deep.k", "args.free.x", "'a'", "1", "2.5", "null", "true", "['a', 'b']",
    "has(args.opt)", "has(args.deep)", "has(args.deep.k)", "args.note != null", "args.note == null", "!has(args.opt)",
]  # fmt: skip


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["&&", "||", "==", "!=", "<", ">=", "in", "+", "-", "*", "/", "%"])
    calls = st.sampled_from([".size()", ".startsWith('a')", ".lowerAscii()"])
    macros = st.sampled_from([".all(x, {})", ".exists(x, x == {})", ".map(x, {})", ".filter(x, x in {})"])
    frees = st.sampled_from(["int", "double", "string", "!", "-"])
    return st.one_of(
        st.tuples(inner, signs, inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        st.tuples(inner, inner, inner).map(lambda part: f"({part[0]} ? {part[1]} : {part[2]})"),
        st.tuples(inner, calls).map("".join),
        st.tuples(frees, inner).map(lambda part: f"{part[0]}({part[1]})"),
        st.tuples(inner, macros, inner).map(lambda part: f"{part[0]}{part[1].format(part[2])}"),
    )


expressions = st.recursive(st.sampled_from(ATOMS), combined, max_leaves=6)


def outcome(ir: Ir, args: dict[str, Any]) -> object:
    try:
        return evaluate(load(ir), {"args": args})
    except ExprError as error:
        return error


@settings(max_examples=1_500, deadline=None)
@given(text=expressions, args=arguments_that_conform)
def test_what_the_checker_passes_without_a_word_does_not_fail_on_types(text: str, args: dict[str, Any]) -> None:
    ir, problems = compile_expression(text, ENV, DYN)
    if problems or ir is None:
        return
    value = outcome(ir, args)
    if isinstance(value, ExprError):
        event(value.kind)
        assert value.kind in SAFE_KINDS, (text, args, str(value))
        return
    tree, _ = parse(text)
    assert tree is not None
    kind, _ = infer(tree, ENV)
    event(str(kind)[:12])
    if kind == BOOL:
        assert isinstance(value, bool)
    if kind == STRING:
        assert isinstance(value, str)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, None),
        (None, None),
        ({"type": "string"}, {str}),
        ({"type": "integer"}, {int}),
        ({"type": ["number", "null"]}, {int, float, NoneType}),
        ({"type": "string", "nullable": True}, {str, NoneType}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, {str, NoneType}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "boolean"}}}, {bool}),
        ({"$ref": "https://upstream.example/schema"}, None),
        ({"const": "x"}, {str}),
        ({"type": "string", "allOf": [{"minLength": 1}]}, {str}),
        ({"allOf": [{"minLength": 1}, {"type": "string"}]}, {str}),
    ],
)
def test_types_from_schemas(schema: object, expected: set[type] | None) -> None:
    samples = {str: "'x'", int: "1", float: "1.5", bool: "true", NoneType: "null"}
    env = {"v": from_schema(schema)}
    accepted = {
        kind for kind, text in samples.items() if not compile_expression(f"[v] == [{text}] || v in [{text}]", env)[1]
    }
    if expected is None:
        assert accepted == set(samples)
    elif expected & {int, float}:
        assert accepted == expected | {int, float}
    else:
        assert accepted == expected


def chain(fan: int, depth: int) -> dict[str, Any]:
    defs = {
        f"d{level}": {"properties": {f"p{i}": {"$ref": f"#/$defs/d{level + 1}"} for i in range(fan)}}
        for level in range(depth)
    }
    return {"$ref": "#/$defs/d0", "$defs": defs}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"properties": {"self": {"$ref": "#"}}},
        chain(10, 30),
        {"allOf": [chain(3, 30), {**chain(3, 30)}]},
        {"allOf": [{"$ref": "#/$defs/d0"}, {"$ref": "#/$defs/d1"}], "$defs": chain(4, 30)["$defs"]},
        {"anyOf": [{"properties": {f"p{i}": {}}} for i in range(5_000)]},
        {"type": 7, "properties": [], "required": 3, "enum": {}, "items": 3, "$ref": 4, "anyOf": 3, "allOf": 3},
        {"$ref": "#/" + "a/" * 5_000},
    ],
)
@pytest.mark.timeout(5)
def test_hostile_schemas_are_read_within_bounds(schema: dict[str, Any]) -> None:
    compile_expression("args.p0.p1.p2 == 1 && args.self.self.x == 2", {"args": from_schema(schema)})
