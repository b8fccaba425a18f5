"""The fast reading is the strict one, for whatever text comes."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshplan.runtime import jsonbytes
from meshplan.schemas import jsontext

TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


def same(text):
    try:
        expected = jsontext.parse(text)
    except jsontext.JsonTextError:
        with pytest.raises(jsontext.JsonTextError):
            jsonbytes.parse(text)
    else:
        assert repr(jsonbytes.parse(text)) == repr(expected)


@given(TREES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
def test_trees(tree, ascii_only, separators):
    same(json.dumps(tree, ensure_ascii=ascii_only, separators=separators).encode(errors="surrogatepass"))


@given(st.lists(st.sampled_from([*'{}[],:"\\ \n', '"a"', '"a":', "1", "-", "0", ".5", "e9", "NaN", '":', "\\ud800"])))
@example(['{"a":1,"a" :2}'])
@example(['{"a":{"b":1},"a":2,"c":"\\":"}'])
@example(['{"a":"\\":","a":1}'])
@example(["1" * 5000])
@example(["[" * 128 + "]" * 128])
@example(["[" * 129 + "]" * 129])
@example(["[" * 200 + "]" * 200])
@example(["[" * 100 + "[],[]," * 100 + "1" + "]" * 100])
@example(['["' + "[" * 200 + '\\\\\\"' + "[" * 200 + '"]'])
@example(["1e400"])
def test_texts_that_are_hardly_json(parts):
    same("".join(parts).encode())


@given(st.binary(max_size=12))
def test_bytes(text):
    same(text)


def test_what_is_written_is_what_was_read():
    text = '{"a":12345678901234567890123,"b":1.0,"c":"\U0001f600\u2028","d":[null,true,-0.0]}'.encode()
    assert jsonbytes.encode(jsonbytes.parse(text)) == text
