"""Source lines as a terminal shows them: which cell each code point starts in, and where a long line is cut."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from meshplan.compiler.render.view import shown

TAB = 4
LONG = 4_000
"""Of a longer line only so many characters around the place are laid out at all."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line as shown: ``at`` has the cell of every code point of the source line, and of the line's end."""

    text: str
    at: tuple[int, ...]

    def cell(self, column: int) -> int:
        """The cell of a column (from 1); beyond the line's end, the end."""
        return self.at[min(max(column, 1) - 1, len(self.at) - 1)]


def row(line: str, first: int = 0, width: int = 140) -> Row:
    """Lay a line out; one that is too long is cut to about ``width`` cells around the column ``first`` (from 1)."""
    if len(line) > LONG:
        start = max(0, first - 1 - LONG // 2)
        part = row(line[start : start + LONG], first - start, width)
        rest = max(0, len(line) - start - LONG)
        return Row(part.text, (0,) * start + part.at + (part.at[-1],) * rest)
    shapes: list[str] = []
    at = [0]
    for char in line:
        shape = _shape(char, at[-1])
        shapes.append(shape)
        at.append(at[-1] + _width(shape))
    if at[-1] <= width:
        return Row("".join(shapes), tuple(at))
    return _cut(shapes, at, max(first - 1, 0), width)


def _cut(shapes: list[str], at: list[int], focus: int, width: int) -> Row:
    """What lies outside of the window is moved to its edges."""
    focus = min(focus, len(shapes))
    left_cell = max(0, min(at[focus] - width // 4, at[-1] - width))
    left = next(index for index, cell in enumerate(at) if cell >= left_cell)
    right = max(index for index, cell in enumerate(at) if cell <= at[left] + width)
    before, after = "…" if left else "", "…" if right < len(shapes) else ""
    shift = at[left] - len(before)
    edge = at[right] - shift
    cells = (0 if index < left else min(cell - shift, edge) for index, cell in enumerate(at))
    return Row(before + "".join(shapes[left:right]) + after, tuple(cells))


def _shape(char: str, cell: int) -> str:
    return " " * (TAB - cell % TAB) if char == "\t" else shown(char)


def _width(shape: str) -> int:
    """Cells on a terminal: two for wide East Asian characters and emoji, none for combining marks."""
    if shape.isascii():
        return len(shape)
    if unicodedata.category(shape) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(shape) in {"W", "F"} else 1
