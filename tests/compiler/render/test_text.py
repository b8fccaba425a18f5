"""What a person sees: the right characters underlined, whatever they are."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spans import found, span

from meshplan.compiler.diagnostics import Diagnostic, Label, Span
from meshplan.compiler.render.text import render_text
from meshplan.compiler.render.view import view, visible

TEXT = """\
roles:
  日本: {a: 1,\tb\u202e: {x: 2}, c: 3}
  other:
    one
    two: {
      three
    }
    four
    five
end: yes
"""
LONG = "key: [" + ", ".join(f"item-{n}" for n in range(80)) + "]\n"
TALL = "two: {\n      three\n    }"
VERY_TALL = "{\n      three\n    }\n    four\n    five\n"


def drawn(*diagnostics, text=TEXT, colour=False):
    return render_text(view(diagnostics, {"mesh.yaml": text}), colour=colour)


PICTURES = {
    "one place": found(TEXT, "four", help="remove it"),
    "labels of one line": found(
        TEXT, "c: 3", labels=[("日本", "first here"), ("{x: 2}", "and here"), ("a: 1", "here")]
    ),
    "a label around it": found(TEXT, "yes", labels=[("end: yes", "in this entry"), ("two", "unlike this")]),
    "two labels at one place": found(TEXT, "five", labels=[("end", "one"), ("end", "two")]),
    "a span of lines": found(TEXT, TALL, labels=[("end", "ended by this")]),
    "a long span of lines": found(TEXT, VERY_TALL, labels=[("three", "inside"), ("end", "after")]),
    "a label of lines": found(TEXT, "end", labels=[(TALL, "because of all this")]),
    "two spans of lines": found(TEXT, TALL, labels=[(VERY_TALL, "and this")]),
    "after a hidden character": found(TEXT, ": {x"),
    "a warning": found(TEXT, "one", code="MESH405", severity="warning"),
    "beyond the end": found(TEXT, span(TEXT, len(TEXT), len(TEXT))),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(name, snapshot):
    assert drawn(PICTURES[name]) == snapshot


def test_colours(snapshot):
    assert drawn(PICTURES["a label around it"], PICTURES["a long span of lines"], colour=True) == snapshot


def test_a_long_line_is_cut_around_the_place(snapshot):
    assert drawn(found(LONG, "item-55"), text=LONG) == snapshot


def test_related_places_in_another_file_are_shown_under_its_name(snapshot):
    label = Label(Span("parts/b.yaml", 1, 1, 1, 4, 0, 3), "first given here")
    diagnostic = Diagnostic("MESH023", "error", "given twice", found(TEXT, "end").span, (label,))
    texts = {"mesh.yaml": TEXT, "parts/b.yaml": "end: no\n"}
    assert render_text(view([diagnostic], texts)) == snapshot


def test_a_place_in_a_file_that_is_not_there_is_named_without_lines():
    lost = Diagnostic("MESH002", "error", "there is no file", Span("gone.yaml", 1, 1, 1, 1, 0, 0))
    assert drawn(lost) == (
        "error[MESH002]: there is no file\n --> gone.yaml:1:1\n  |\n  = docs: mesh explain MESH002\n\n1 error\n"
    )


def test_a_secret_is_covered_character_by_character():
    secret = found(TEXT, "four", code="MESH601")
    assert "four" not in drawn(secret)
    assert "    ••••\n" in drawn(secret)


def test_counts_name_each_level_once():
    many = [found(TEXT, "one"), found(TEXT, "end"), found(TEXT, "one", code="MESH405", severity="warning")]
    assert drawn(*many).endswith("\n2 errors, 1 warning\n")


def cells(text):
    """How wide a terminal shows a text without tabs: an oracle apart from the renderer's own."""
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in visible(text)
    )


@given(
    st.text(st.sampled_from("ab :日🎉é\u0301\u202e\x07"), max_size=20),
    st.text(st.sampled_from("xy本"), min_size=1, max_size=5),
)
def test_carets_stand_under_what_they_are_about(before, piece):
    text = f"{before}{piece}#\n"
    place = span(text, len(before), len(before) + len(piece))
    source, carets = drawn(found(text, place), text=text).split("\n")[3:5]
    assert source == f"1 | {visible(text[:-1])}"
    assert carets == f"  | {' ' * cells(before)}{'^' * cells(piece)}"


@given(st.data())
def test_any_places_of_any_text_are_drawn(data):
    """No place is lost: every label's words are shown, and every line fits the gutter."""
    text = data.draw(st.text(st.sampled_from("ab日\t\n \u202e\u0301"), max_size=60))
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted)
    first, *others = [span(text, *data.draw(places)) for _ in range(data.draw(st.integers(1, 4)))]
    labels = tuple(Label(place, f"label-{n}-ends") for n, place in enumerate(others))
    shown = drawn(Diagnostic("MESH101", "error", "here", first, labels), text=text)
    tall = sum(p.end_line - (p.end_column == 1) > p.line for p in (first, *others))
    words = set(re.findall(r"label-\d-ends", shown))
    assert words == {label.text for label in labels} or tall
    assert "^" in shown
    assert all(not line or line.startswith((" ", "...")) or line[0] in "1234567890e" for line in shown.split("\n"))
