"""Positions and changes, against the plainest oracle there is: encoding the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.compiler.language_server.texts import Change, Position, Range, document

TEXTS = st.text(alphabet=st.sampled_from("ab \u00e9\u20ac\U0001f9ec\u2028\x0b\x85\n\r"), max_size=30)
SIZES = {"utf-8": 1, "utf-16": 2, "utf-32": 4}
UNITS = st.sampled_from(sorted(SIZES))


def columns(text, units):
    """How many units a text has, by its encoding."""
    return len(text.encode(units + ("" if units == "utf-8" else "-le"))) // SIZES[units]


def raw_lines(text):
    """The lines as the protocol counts them, without their ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@given(TEXTS, UNITS, st.booleans())
def test_every_offset_has_its_position_and_comes_back(text, units, mark):
    text = "\ufeff" + text if mark else text
    found = document(text, units)
    lines = raw_lines(text)
    offset = 0
    for number, line in enumerate(lines):
        shown = line.removeprefix("\ufeff") if number == 0 else line
        for index in range(len(shown) + 1):
            place = Position(number, columns(line[: index + len(line) - len(shown)], units))
            assert found.position(offset + index) == place
            assert found.offset(place) == offset + index
        offset += len(shown) + 1


@given(TEXTS, TEXTS, UNITS, st.data())
def test_a_change_replaces_exactly_its_range(text, new, units, data):
    lines = raw_lines(text)
    start_line = data.draw(st.integers(0, len(lines) - 1))
    end_line = data.draw(st.integers(start_line, len(lines) - 1))
    start = data.draw(st.integers(0, len(lines[start_line])))
    end = data.draw(st.integers(start if start_line == end_line else 0, len(lines[end_line])))
    place = Range(
        Position(start_line, columns(lines[start_line][:start], units)),
        Position(end_line, columns(lines[end_line][:end], units)),
    )

    after = document(text, units).changed(Change(place, new))

    def offset(line, column):
        return sum(len(one) + 1 for one in lines[:line]) + column

    normal = "\n".join(lines)
    expected = normal[: offset(start_line, start)] + "|" + new + "|" + normal[offset(end_line, end) :]
    joined = document(text, units).changed(Change(place, "|" + new + "|")).normal
    assert joined == "\n".join(raw_lines(expected))
    assert after.text.startswith(text[:0])
    assert document(after.text, units) == after


def test_a_column_beyond_its_line_or_inside_of_a_pair_is_clamped():
    found = document("a\U0001f9ecb\nc")
    assert found.offset(Position(0, 2)) == 1
    assert found.offset(Position(0, 99)) == 3
    assert found.offset(Position(9, 9)) == len(found.normal)


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n"])
def test_the_file_keeps_its_line_ends(newline):
    before = newline.join(["mesh: v1", "name: a", ""])
    changed = document(before).changed(Change(Range(Position(1, 6), Position(1, 7)), "b"))
    assert changed.text == newline.join(["mesh: v1", "name: b", ""])
    assert document("\ufeffa").changed(Change(Range(Position(0, 0), Position(0, 1)), "")).text == "a"
