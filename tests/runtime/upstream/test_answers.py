"""What a server without sessions says: results stay the bytes that were sent, everything odd is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.runtime.upstream.answers import error_in, read_answer
from meshplan.runtime.upstream.failures import ProtocolMismatch

TEXT = st.text('aé\u2028\\"\n\U0001f600', max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)


@given(st.dictionaries(TEXT, VALUES, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_a_result_is_passed_as_it_was_written_on_one_line(result, ascii_only, indent):
    message = {"jsonrpc": "2.0", "id": 7, "result": result}
    try:
        text = json.dumps(message, ensure_ascii=ascii_only, indent=indent).encode()
    except UnicodeEncodeError:
        return
    answer = read_answer(text, 7)
    assert answer.settled
    assert b"\n" not in answer.result
    assert json.loads(answer.result) == json.loads(text)["result"]
    if indent is None:
        assert answer.result in text


def test_refusals_and_notifications():
    refusal = read_answer(b'{"jsonrpc":"2.0","id":7,"error":{"code":-3,"message":"no","data":[1]}}', 7).refusal
    assert (refusal.code, refusal.message, refusal.data) == (-3, "no", [1])
    nobody = read_answer(b'{"jsonrpc":"2.0","id":null,"error":{"code":-4,"message":"?"}}', 7)
    assert nobody.refusal.code == -4
    notice = read_answer(b'{"jsonrpc":"2.0","method":"notifications/x","params":{"a":1}}', 7)
    assert (notice.settled, notice.method, notice.params) == (False, "notifications/x", {"a": 1})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b'{"jsonrpc":"2.0","id":8,"result":{}}',
        b'{"jsonrpc":"2.0","id":"7","result":{}}',
        b'{"jsonrpc":"2.0","id":7,"result":[]}',
        b'{"jsonrpc":"2.0","id":7,"result":{"a":"\xff"}}',
        b'{"jsonrpc":"2.0","id":7,"error":{"code":"x","message":"no"}}',
        b'{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":"no"}}',
        b'{"jsonrpc":"2.0","id":7,"result":' + b"[" * 100_000,
    ],
)
def test_anything_else_is_no_answer(text):
    with pytest.raises(ProtocolMismatch, match="not a JSON-RPC message"):
        read_answer(text, 7)


@pytest.mark.parametrize(
    ("text", "code"), [(b'{"error":{"code":5,"message":"m"}}', 5), (b"<html>", None), (b"{}", None)]
)
def test_the_error_in_the_body_of_an_http_error(text, code):
    found = error_in(text)
    assert (found and found.code) == code
