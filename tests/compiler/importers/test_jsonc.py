"""The JSON reader: equal to the standard library's on JSON, and lenient only about comments and commas."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.compiler.importers import ImportProblem, jsonc

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_json_reads_as_the_standard_library_reads_it(value: object, indent: int | str | None, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)

    assert jsonc.plain(jsonc.parse(text)) == json.loads(text)


def test_comments_and_trailing_commas_are_skipped() -> None:
    text = '// a\n{ /* b */ "x": [1, 2, // c\n ], "u": "http://x//y", }\n// end'

    assert jsonc.plain(jsonc.parse(text)) == {"x": [1, 2], "u": "http://x//y"}


def test_spans_are_exact() -> None:
    text = '{ "a": { "b": [true] } }'
    member = jsonc.find(jsonc.parse(text), "a")

    assert member is not None
    assert text[member.node.start : member.node.end] == '{ "b": [true] }'


def test_of_duplicate_keys_the_last_counts_and_each_is_reported() -> None:
    root = jsonc.parse('{"a": 1,\n "a": {"b": 1, "b": 2}}')

    assert jsonc.plain(root) == {"a": {"b": 2}}
    assert [path for path, _ in jsonc.duplicates(root)] == ["a", "a.b"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("{", 1, 2),
        ('{"a" 1}', 1, 6),
        ('{"a": 1 "b": 2}', 1, 9),
        ("[1 2]", 1, 4),
        ("{,}", 1, 2),
        ("[,]", 1, 2),
        ('{"a": 01}', 1, 7),
        ('{\n  "a": nul}', 2, 8),
        ("{'a': 1}", 1, 2),
        ('"\\x"', 1, 1),
        ('"\\ud800"', 1, 1),
        ('"a\nb"', 1, 1),
        ("{} {}", 1, 4),
        ("/* a", 1, 1),
        ("[NaN]", 1, 2),
        ("[1e9999]", 1, 2),
        (f"[{'9' * 5000}]", 1, 2),
    ],
)
def test_what_is_no_json_is_a_problem_where_it_stands(text: str, line: int, column: int) -> None:
    with pytest.raises(ImportProblem) as caught:
        jsonc.parse(text)

    assert (caught.value.line, caught.value.column) == (line, column)
