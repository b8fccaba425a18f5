from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.compiler.expressions import DYN, compile_expression, lower, parse
from meshplan.schemas.expr import evaluate, load

LITERALS: list[tuple[str, object]] = [
    ("12", 12),
    ("-0x1F", -31),
    ("-9223372036854775808", -(2**63)),
    (".5", 0.5),
    ("1e3", 1000.0),
    (r"'a\n\x41\u00e9\U0001F600\101\'\?'", "a\nAé😀A'?"),
    (r"r'\d'", r"\d"),
    ('"it\'s"', "it's"),
    ("'''a\n'b' '''", "a\n'b' "),
    ('R"""a\\\n"b" """', 'a\\\n"b" '),
    ("[1, 'a', null,]", [1, "a", None]),
    ("{'a': {'b': true},}", {"a": {"b": True}}),
    ("1 + 2 * 3 - 4 / 2", 5),
    ("1 - 2 - 3", -4),
    ("!true || 2 > 1 && 1 == 1", True),
    ("true ? false ? 1 : 2 : 3", None),
    ("false ? 1 : true ? 2 : 3", 2),
    ("- - 5", 5),
    ("!-1", None),
]


@pytest.mark.parametrize(("text", "expected"), LITERALS)
def test_literals_and_precedence(text: str, expected: object) -> None:
    tree, problems = parse(text)
    if text == "true ? false ? 1 : 2 : 3":
        # CEL's grammar wants brackets here
        assert problems[0].code_slug == "syntax"
        return
    assert tree is not None
    if expected is not None:
        found = evaluate(load(lower(tree)), {})
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("args.a == 'x'", " ( args['a'] )==\"x\" // why"),
        ("a && b && c", "a && (b && c)"),
        ("l.all(x, l.exists(y, x == y))", "l.all(y, l.exists(x, y == x))"),
        ("l.all(x, x.all(x, x == 1))", "l.all(a, a.all(b, b == 1))"),
        ("l.map(x, x > 1, x + 1)", "l.filter(y, y > 1).map(z, z + 1)"),
        ("size(x)", "x.size()"),
        ("-5 == x", "-0x5 == x"),
    ],
)
def test_what_means_the_same_has_one_form(one: str, other: str) -> None:
    trees = [parse(one)[0], parse(other)[0]]
    first, second = (lower(tree) for tree in trees if tree is not None)
    assert first == second


pieces = st.sampled_from(
    ["args", ".a", "[0]", "(", ")", "[", "]", "{", "}", "'a'", '"""', "'", "\\", "&&", "||", "!", "-", "1", "1.5", "?", ":",
     ",", " ", "\n", "//", "has(", ".all(x, ", ".map(", "true", "null", "in ", "==", "`", "é", "\u202e", "0x", "1e", "\ud800"],
)  # fmt: skip


@settings(max_examples=1_500, deadline=None)
@given(text=st.lists(pieces, max_size=14).map("".join) | st.text(max_size=20))
def test_any_text_is_compiled_or_refused_with_a_place_in_it(text: str) -> None:
    ir, problems = compile_expression(text, {"args": DYN}, DYN)
    for problem in problems:
        assert 0 <= problem.start <= problem.end <= len(text)
        assert "\n" not in problem.message
    if ir is None:
        assert any(problem.level == "error" for problem in problems)
    else:
        load(ir)
