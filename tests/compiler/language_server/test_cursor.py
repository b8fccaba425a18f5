"""Where a cursor stands: in whole documents, and in what people have in front of them while they type."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import BASE

from meshplan.compiler.language_server.cursor import cursor_at

INCLUDE = "virtual:\n  desk:\n    include:\n"


def at(text):
    offset = text.index("|")
    return cursor_at(text.replace("|", "", 1), offset)


@pytest.mark.parametrize(
    ("text", "path", "role", "word"),
    [
        ("|", (), "value", ""),
        ("me|", (), "value", "me"),
        ("mesh: v1\nna|", (), "key", "na"),
        ("mesh: v1\nna|me: acme\n", (), "key", "na"),
        ("servers:\n  |", ("servers",), "value", ""),
        ("servers:\n  a: {http: x}\n  |", ("servers",), "key", ""),
        ("servers:\n  a:\n    ht|", ("servers", "a"), "value", "ht"),
        (f"{INCLUDE}      - |", ("virtual", "desk", "include", 0), "value", ""),
        (f"{INCLUDE}      - {{ser|", ("virtual", "desk", "include", 0), "key", "ser"),
        (f"{INCLUDE}      - {{server: a, |}}\n", ("virtual", "desk", "include", 0), "key", ""),
        (f"{INCLUDE}      - server: a\n        to|", ("virtual", "desk", "include", 0), "key", "to"),
        (
            f"{INCLUDE}      - server: a\n        tools: [x, ge|",
            ("virtual", "desk", "include", 0, "tools", 1),
            "value",
            "ge",
        ),
        (f"{INCLUDE}      - server: a\n      - server: |\n", ("virtual", "desk", "include", 1, "server"), "value", ""),
        ("grants:\n- role: x\n  to: [{team: |}]", ("grants", 0, "to", 0, "team"), "value", ""),
        (
            "roles:\n  r:\n    allow:\n      - tools:\n          - |",
            ("roles", "r", "allow", 0, "tools", 0),
            "value",
            "",
        ),
        ("a: [b, 'c|", ("a", 1), "value", "c"),
    ],
)
def test_the_path_and_the_word(text, path, role, word):
    cursor = at(text)
    assert (cursor.path, cursor.role, cursor.word) == (path, role, word)


@pytest.mark.parametrize("text", ["# note|", "a: 1 # b|", "a: it's # b|", "description: some long te|xt\n"])
def test_comments_and_prose_are_nowhere(text):
    assert at(text) is None


@pytest.mark.parametrize("text", ['a: "x # y|', "a: 'x # y|", 'a: "x" "# y|'])
def test_a_hash_in_quotes_is_no_comment(text):
    offset = text.index("|")
    cursor_at(text.replace("|", ""), offset)


def test_what_a_completion_replaces_is_the_word_around_the_cursor():
    cursor = at("servers:\n  a: {htt|psx: y}")
    assert (cursor.start, cursor.end) == (15, 21)
    cursor = at("a: 'get_no|te'")
    assert (cursor.quote, cursor.start, cursor.end) == ("'", 4, 12)


def test_what_is_broken_elsewhere_does_not_matter():
    above = "servers: {a: [\nidentity:\n\tteams: x\n"
    assert at(f"{above}grants:\n  - role: |").path == ("grants", 0, "role")
    cursor = at("virtual:\n  one: {a: [\n  two:\n    include:\n      - server: notes\n        tools: [|")
    assert cursor.path == ("virtual", "two", "include", 0, "tools", 0)
    assert not cursor.exact
    assert cursor.partial["virtual"]["two"]["include"][0]["server"] == "notes"


_PIECES = st.sampled_from([*"{}[]:,-#'\" \n\t&*!|>%@`", "  ", "\n  - ", "\n    ", "a", "server: ", "tools: ["])


@settings(max_examples=400, deadline=None)
@given(st.lists(_PIECES, max_size=25), st.integers(0, 400))
def test_any_text_has_a_cursor_or_none(pieces, cut):
    text = BASE[:cut] + "".join(pieces)
    for offset in {0, len(text) // 2, len(text)}:
        cursor = cursor_at(text, offset)
        assert cursor is None or (cursor.start <= offset <= cursor.end and text[cursor.start : offset] == cursor.word)
