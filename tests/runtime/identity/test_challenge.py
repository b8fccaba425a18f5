"""What is read of `WWW-Authenticate`, whoever wrote it (RFC 6750 3, RFC 9110 11.6.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.runtime.identity.challenge import MAX_SCOPES, Challenge, read_challenge, read_scopes

WHERE = "https://server.example/.well-known/oauth-protected-resource/mcp"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", Challenge()),
        ("Bearer", Challenge()),
        ("Basic realm=x, scope=a", Challenge()),
        ("Negotiate YWJj==", Challenge()),
        (f'Bearer resource_metadata="{WHERE}"', Challenge(metadata=WHERE)),
        ('bearer error="insufficient_scope", scope="a b"', Challenge("insufficient_scope", ("a", "b"))),
        ("BEARER error=invalid_token ,scope=a", Challenge("invalid_token", ("a",))),
        ('Basic realm="Bearer scope=x", Bearer scope="a"', Challenge(scopes=("a",))),
        ('Bearer scope="a", Bearer scope="b"', Challenge(scopes=("a",))),
        ('Bearer scope="a", scope="b"', Challenge(scopes=("a",))),
        ('Bearer error="a\\"b"', Challenge('a"b')),
        ('Bearer scope="a\\\\b"', Challenge()),
        ('Bearer scope="a  b"', Challenge()),
        ('Bearer scope="unended', Challenge(scopes=())),
    ],
)
def test_a_challenge(value, found):
    assert read_challenge(value) == found


def test_scopes_are_few_and_short():
    many = " ".join(f"s{number}" for number in range(MAX_SCOPES + 1))
    assert read_scopes(many) == ()
    assert len(read_scopes(many.rpartition(" ")[0])) == MAX_SCOPES
    assert read_scopes("a" * 201) == ()
    assert read_scopes("a a b") == ("a", "b")


@given(st.text(max_size=300))
def test_any_text_is_read_as_something(text):
    found = read_challenge(f"Bearer {text}")
    assert all(scope.isascii() and " " not in scope for scope in found.scopes)
