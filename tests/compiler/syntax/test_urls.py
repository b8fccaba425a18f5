"""URLs that are taken without being taken apart are those that would pass."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from meshplan.compiler.syntax import servers

URL = TypeAdapter(servers.Url)


@given(st.from_regex(servers._PLAIN_URL, fullmatch=True))
def test_a_plain_url_passes_the_checks_that_it_is_spared(url):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(servers, "_PLAIN_URL", re.compile("(?!)"))
        assert URL.validate_python(url) == url


WRONG = [
    "http://",
    "https:///x",
    "ftp://host/",
    "http://host:0/",
    "http://host:99999/",
    "http://u:p@host/",
    "http://host/#part",
    "http://${HOST}/",
    "http://host/%0a#x",
    "HTTP",
]


@pytest.mark.parametrize("url", [*WRONG, "http://a b/", "http://host\n"])
def test_what_is_not_plain_is_judged(url):
    assert servers._PLAIN_URL.fullmatch(url) is None
    with pytest.raises(ValidationError):
        URL.validate_python(url)
