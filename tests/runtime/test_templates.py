"""URI templates read backwards, compared with an oracle that may be slow."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.runtime.templates import compile_template

CLASSES = {"{a}": "[^/?#]+", "{a*}": "[^?#]+", "{+a}": ".+", "{/a}": "(?:/[^/?#]*)?", "{?a,b}": r"(?:\?[^#]*)?"}


def oracle(parts, uri):
    return re.fullmatch("".join(CLASSES.get(part, re.escape(part)) for part in parts), uri) is not None


@given(
    st.lists(st.sampled_from([*CLASSES, "x", "/", "y/", "?q="]), max_size=6),
    st.text(alphabet="xy/?#q=", max_size=14),
)
def test_it_matches_what_the_oracle_matches_and_its_values_make_the_uri_again(parts, uri):
    template = compile_template("".join(parts))
    values = template.match(uri)
    assert (values is not None) == oracle(parts, uri)
    if values is not None:
        assert template.expand(values) == uri


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("note://{id}", "note://4", ("4",)),
        ("note://{id}", "note://4/5", None),
        ("note://{id}", "note://", None),
        ("note://{id}/{revision}", "note://4/5", ("4", "5")),
        ("file:///{+path}", "file:///a/b?c", ("a/b?c",)),
        ("file:///{path*}", "file:///a/b", ("a/b",)),
        ("repo://{owner}{/path*}", "repo://me/a/b", ("me", "/a/b")),
        ("repo://{owner}{/path*}", "repo://me", ("me", "")),
        ("search://x{?q,limit}", "search://x?q=1", ("?q=1",)),
        ("plain://x", "plain://x", ()),
        ("odd://{", "odd://{", ()),
    ],
)
def test_examples(template, uri, values):
    assert compile_template(template).match(uri) == values


def test_hostile_templates_and_uris_take_no_time():
    template = compile_template("x:" + "{+a}a" * 40)
    begin = time.perf_counter()
    assert template.match("x:" + "a" * 8000 + "b") is None
    assert time.perf_counter() - begin < 3
