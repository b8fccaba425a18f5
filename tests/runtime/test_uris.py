"""One spelling for a URI, and none for those that hide something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.runtime.uris import UriRefusedError, normalise, normalise_live


@pytest.mark.parametrize(
    ("sent", "normal"),
    [
        ("FILE:///a", "file:///a"),
        ("https://Example.COM/A", "https://example.com/A"),
        ("note://Alice", "note://Alice"),
        ("file:///a/./b/../c", "file:///a/c"),
        ("file:///../../etc", "file:///etc"),
        ("file:///a/%2E%2e/b", "file:///b"),
        ("file:///%61%c3%a9", "file:///a%C3%A9"),
        ("file:///a%2fb", "file:///a%2Fb"),
        ("file:///a/..", "file:///"),
        ("x://h?a=../b#../c", "x://h?a=../b#../c"),
        ("urn:a:b", "urn:a:b"),
    ],
)
def test_normal_forms(sent, normal):
    assert normalise(sent) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "uri",
    [
        *("", "relative", "/a", "x y:z", "file:///a b", "file:///a\\b", "file:///a%", "file:///%zz", "file:///\n"),
        *("file:///..%2fetc", "file:///a%2f..%2fb", "file:///a%5c..", "urn:../x", "file:///" + "a" * 9000),
    ],
)
def test_uris_that_hide_something_are_refused(uri):
    with pytest.raises(UriRefusedError):
        normalise(uri)


@pytest.mark.parametrize(
    "uri", ["file:///a%2fb", "file:///a%5Cb", "file:///a%00", "file:///%252e%252e/x", "f:///%25%32%66"]
)
def test_live_uris_have_no_encoded_slash_at_all(uri):
    with pytest.raises(UriRefusedError):
        normalise_live(uri)


@given(st.text(alphabet="a.%2Ef/:?#C", max_size=20).map("file:///".__add__))
def test_the_normal_form_is_its_own_normal_form_and_never_climbs(uri):
    try:
        normal = normalise(uri)
    except UriRefusedError:
        return
    assert normalise(normal) == normal
    path = normal.partition("#")[0].partition("?")[0]
    assert not {".", ".."} & set(path.split("/"))
