"""Covered texts: the same lines, no foreign value, and our own ones in the clear."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshplan.compiler.covering import cover_values, cover_words


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": "b", "c": ["our"], "n": 1}', '{"a": "•••", "c": ["our"], "n": 1}'),
        ('{"a": "b\\"c"} // d "e"', '{"a": "•••"} //•••'),
        ("/* a\nb */ {}", "/*•••\n */ {}"),
        ('{"a": "never closed', '{"a": "•••"'),
        ('{"ghp_0123456789abcdefghij": 1}', '{"•••": 1}'),
    ],
)
def test_json(before, after):
    assert cover_values(before, "json", {"our"}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = 'b' # c", "a = '•••' #•••"),
        ('[x."y z"]\nu = "our"', '[x."y z"]\nu = "our"'),
        ('a = """\nb\n"""', 'a = "•••\n\n"'),
        ("a = '''b\n# c'''", "a = '•••\n'"),
    ],
)
def test_toml(before, after):
    assert cover_values(before, "toml", {"our"}) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  token: hunter2 # mine", "  token: •••"),
        ("  auth: {bearer: {env: GITHUB_TOKEN}}", "  auth: {bearer: {env: GITHUB_TOKEN}}"),
        ("  # ghp_0123456789abcdefghij", "  # •••"),
        ("name: acme", "name: acme"),
    ],
)
def test_words(before, after):
    assert cover_words(before) == after


@given(st.text(alphabet=st.sampled_from("\"'#/*\\=:[]{}, \nabc\u2028"), max_size=60))
@example('"\n:')
def test_lines_stay_lines(text):
    for covered in (cover_values(text, "json", ()), cover_values(text, "toml", ()), cover_words(text)):
        assert covered.count("\n") == text.count("\n")


@given(st.recursive(st.text(min_size=1), lambda inner: st.lists(inner) | st.dictionaries(st.just("key"), inner)))
def test_no_value_of_a_json_file_survives(value):
    covered = cover_values(json.dumps({"key": value}), "json", ())
    assert set(json.loads(covered)) == {"key"}
    assert set("".join(covered.split('"key"'))) <= set('{}[]:, "•')
