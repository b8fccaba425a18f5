"""JSON that loses nothing and refuses what two readers would read differently."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.schemas import jsontext

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_a_value_survives(value):
    assert jsontext.parse(json.dumps(value)) == value
    assert jsontext.parse(jsontext.dump(value)) == value
    assert jsontext.parse(jsontext.canonical(value)) == value


@given(values)
def test_the_canonical_form_has_one_spelling(value):
    text = jsontext.canonical(value)
    assert jsontext.canonical(jsontext.parse(text, exact=True)) == text
    assert jsontext.canonical(jsontext.parse(json.dumps(value, indent=3), exact=True)) == text


@pytest.mark.parametrize(
    "lexeme", ["1.50", "1e2", "0.10000000000000000001", "1E400", "-0.0", "123456789012345678901234567890"]
)
def test_numbers_keep_their_characters(lexeme):
    assert jsontext.canonical(jsontext.parse(f'{{"b":{lexeme},"a":1}}', exact=True)) == f'{{"a":1,"b":{lexeme}}}'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a":1,"a":1}', "duplicate key `a`"),
        ('[{"x":{"y":1,"y":2}}]', "duplicate key `y`"),
        ("NaN", "NaN"),
        ("[-Infinity]", "Infinity"),
        ("1e999", "beyond a double"),
        ('"\\ud800"', "lone surrogate"),
        ('{"\\udc00":1}', "lone surrogate"),
        (b'"\xff"', "decode"),
        ("[" * 129 + "]" * 129, "nested deeper"),
        ("[" * 100_000, "nested deeper"),
        ("1" * 5000, "integer string conversion"),
        ("{", "Expecting property"),
        ("", "Expecting value"),
        ("1 2", "Extra data"),
    ],
)
def test_what_is_refused(text, says):
    with pytest.raises(jsontext.JsonTextError, match=says):
        jsontext.parse(text)


def test_brackets_in_strings_are_not_depth():
    text = json.dumps(["[" * 500, '\\"' * 300, {"a": "{" * 400}])
    assert jsontext.parse(text) == json.loads(text)
    assert jsontext.parse('"\\ud83d\\ude00"') == "😀"


@given(values)
def test_the_quick_canonical_form_is_the_canonical_form(value):
    whole = json.loads(json.dumps(value), parse_float=lambda lexeme: int(float(lexeme)) if "inf" not in lexeme else 0)
    assert jsontext.whole(whole).decode() == jsontext.canonical(whole)


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"a": {1, 2}.__iter__()}, object()])
def test_the_quick_canonical_form_refuses_what_json_lacks(value):
    with pytest.raises((TypeError, ValueError)):
        jsontext.whole(value)
