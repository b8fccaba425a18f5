"""An editor's text: positions in the client's units to offsets and back, and changes applied to it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from meshplan.compiler.newlines import normalised, origin

Units: TypeAlias = Literal["utf-8", "utf-16", "utf-32"]


class Position(NamedTuple):
    """A place as the protocol has it: line and column from 0, the column in the negotiated units."""

    line: int
    column: int


class Range(NamedTuple):
    """From the first place up to, and without, the second."""

    start: Position
    end: Position


class Change(NamedTuple):
    """New text for a range, or for the whole document where that is ``None``."""

    range: Range | None
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One text, with its lines.

    Offsets count code points of ``normal``, which is what the compiler's spans count in. Lines end as the protocol says, so
    U+2028 and the like end none.
    """

    text: str
    units: Units
    normal: str
    starts: tuple[int, ...]
    lead: int

    def offset(self, position: Position) -> int:
        """The offset of a position; one beyond its line, or the text, is at the end of that."""
        if position.line >= len(self.starts):
            return len(self.normal)
        start, end = self._line(position.line)
        left = position.column - (self.lead if position.line == 0 else 0)
        for offset in range(start, end):
            left -= _width(self.normal[offset], self.units)
            if left < 0:
                return offset
        return end

    def position(self, offset: int) -> Position:
        """The position of an offset."""
        offset = max(0, min(offset, len(self.normal)))
        line = bisect_right(self.starts, offset) - 1
        before = self.normal[self.starts[line] : offset]
        width = sum(_width(char, self.units) for char in before)
        return Position(line, width + (self.lead if line == 0 else 0))

    def range(self, start: int, end: int) -> Range:
        """The range of two offsets."""
        return Range(self.position(start), self.position(end))

    def changed(self, change: Change) -> Document:
        """The document after a change."""
        if change.range is None:
            return document(change.text, self.units)
        place = origin(self.text)
        start, end = sorted((self.offset(change.range.start), self.offset(change.range.end)))
        head = 0 if change.range.start == (0, 0) else place(start)
        return document(self.text[:head] + change.text + self.text[place(end) :], self.units)

    def _line(self, number: int) -> tuple[int, int]:
        """Where a line starts, and where its content ends."""
        following = self.starts[number + 1] - 1 if number + 1 < len(self.starts) else len(self.normal)
        return self.starts[number], following


def document(text: str, units: Units = "utf-16") -> Document:
    """Read a text."""
    normal = normalised(text)
    starts = [0]
    at = normal.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = normal.find("\n", at + 1)
    lead = _width("\ufeff", units) if text.startswith("\ufeff") else 0
    return Document(text, units, normal, tuple(starts), lead)


def _width(char: str, units: Units) -> int:
    if units == "utf-32":
        return 1
    if units == "utf-16":
        return 2 if char > "\uffff" else 1
    return 1 if char < "\x80" else 2 if char < "\u0800" else 3 if char <= "\uffff" else 4
