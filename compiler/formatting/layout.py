"""Walks the tokens once and says what should stand between them: two columns a level, and lines where they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from meshplan.compiler.formatting.align import Trailing, blanks
from meshplan.compiler.formatting.edits import Edit
from meshplan.compiler.formatting.scalars import block_scalar, folded
from meshplan.compiler.formatting.spacing import Gap, Line, between, gap, spaced
from meshplan.compiler.formatting.tokens import Kind, Token, tokens

STEP = 2


class Level(NamedTuple):
    """A block collection: the column that it was written at, and the one where it belongs."""

    kind: Kind
    written: int
    column: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """The replacement for a stretch; a comment at the end of the line before it gets its blanks later."""

    start: int
    end: int
    text: str
    comment: str = ""
    trailing: Trailing | None = None


_ROOT = Level(Kind.MAP, -1, -STEP)


def layout(text: str) -> Iterator[Edit]:
    """The edits that lay out well-formed text whose lines end in LF."""
    pieces = _Layout(text).pieces()
    counts = iter(blanks([piece.trailing for piece in pieces if piece.trailing]))
    for piece in pieces:
        new = (" " * next(counts) + piece.comment if piece.trailing else "") + piece.text
        if text[piece.start : piece.end] != new:
            yield Edit(piece.start, piece.end, new)


class _Layout:
    """One walk; ``levels`` and ``flows`` are the open collections, ``item`` is where the current flow line starts."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.levels: tuple[Level, ...] = (_ROOT,)
        self.flows: list[int] = []
        self.item = 0
        self.explicit = False
        self.at_key = False
        self.before: Token | None = None
        self.levels_before = self.levels
        self.end = 0
        self.line = 0
        self.column = 0
        self.found: list[_Piece] = []

    def pieces(self) -> list[_Piece]:
        """Every stretch between tokens and every scalar of more than one line, as it should be."""
        for token in tokens(self.text):
            if not self.flows:
                self._block_structure(token)
            if token.visible:
                self._place(token)
        self._end_of_file()
        return self.found

    def _block_structure(self, token: Token) -> None:
        top = self.levels[-1]
        if top.kind is Kind.ENTRY and token.kind in (Kind.KEY, Kind.VALUE, Kind.END):
            self.levels = self.levels[:-1]
        if token.kind is Kind.END:
            self.levels = self.levels[:-1]
        elif token.kind in (Kind.MAP, Kind.SEQ) or (token.kind is Kind.ENTRY and top.kind is Kind.MAP):
            self.levels = (*self.levels, Level(token.kind, token.column, top.column + STEP))
        if token.kind is Kind.KEY:
            self.at_key = not token.visible

    def _place(self, token: Token) -> None:
        """Lay out the gap before a visible token, and the token."""
        between_them = gap(self.text[self.end : token.start], starts_file=self.before is None, ends_file=False)
        first = between_them.broken or self.before is None
        if first:
            self._break(between_them, token, self._indent(token))
        elif self.before is not None:
            blank = between(self.before.kind, token.kind, explicit=self.explicit)
            self._add(token.start, blank)
        self._follow_flow(token, first=first)
        self._write(token)
        if token.kind in (Kind.KEY, Kind.VALUE):
            self.explicit = token.kind is Kind.KEY
        self.at_key = False
        self.before, self.levels_before = token, self.levels

    def _indent(self, token: Token) -> int:
        """The column of a token that starts a line."""
        top = self.levels[-1]
        if token.kind is Kind.MARKER:
            return 0
        if self.flows:
            if token.kind is not Kind.CLOSE:
                return self.flows[-1] + STEP
            deeper = self.flows[-1] <= top.column and token.column > top.written  # some readers insist on it
            return top.column + STEP if deeper else self.flows[-1]
        starts_item = self.at_key or token.kind in (Kind.KEY, Kind.VALUE, Kind.ENTRY)
        return top.column + (0 if starts_item else STEP)

    def _follow_flow(self, token: Token, *, first: bool) -> None:
        if self.flows and first:
            self.item = self.column
        if token.kind is Kind.OPEN:
            if not self.flows:
                after_key = self.before is not None and self.before.kind is Kind.VALUE
                own_line = first or not after_key
                self.item = max(0, self.levels[-1].column + (STEP if own_line else 0))
            self.flows.append(self.item)
        elif token.kind is Kind.CLOSE:
            self.flows.pop()

    def _write(self, token: Token) -> None:
        parent = self.levels[-1]
        old = self.text[token.start : token.end]
        if token.kind is Kind.BLOCK:
            block = block_scalar(self.text, token.start, parent.written)
            self._add(block.end, block.at(parent.column))
        elif "\n" in old:
            self._add(token.end, folded(old, (self.item if self.flows else parent.column) + STEP))
        else:
            self._follow(token.end, old)

    def _break(self, found: Gap, token: Token, indent: int) -> None:
        starts = self.before is None
        lines = spaced(found.lines, starts_file=starts, ends_file=False)
        shown = [self._own_line(line, token, indent) for line in lines]
        self._add(token.start, "\n".join([*([] if starts else [""]), *shown, " " * indent]), found.trailing)

    def _own_line(self, line: Line, token: Token, indent: int) -> str:
        if not line.comment:
            return ""
        if self.flows:
            return " " * (self.flows[-1] + STEP) + line.comment
        return " " * self._comment_column(line.column, token.column, indent) + line.comment

    def _comment_column(self, written: int, following: int, indent: int) -> int:
        """With the item that it precedes, unless it stands deeper: then with the collection that ends before it."""
        if written <= following:
            return indent
        open_before = [level for level in self.levels_before[1:] if level.written >= following]
        top = self.levels_before[-1]
        empty = self.before is not None and self.before.kind in (Kind.VALUE, Kind.ENTRY, Kind.KEY)
        if empty and following <= top.written:
            open_before.append(Level(Kind.MAP, top.written + 1, top.column + STEP))
        fitting = [level for level in open_before if level.written + (level.kind is Kind.ENTRY) <= written]
        return fitting[-1].column if fitting else indent

    def _end_of_file(self) -> None:
        found = gap(self.text[self.end :], starts_file=self.before is None, ends_file=True)
        lines = spaced(found.lines, starts_file=False, ends_file=True)
        shown = [
            " " * self._comment_column(line.column, -1, 0) + line.comment if line.comment else "" for line in lines
        ]
        self._add(len(self.text), "\n" + "".join(f"{line}\n" for line in shown), found.trailing)

    def _add(self, end: int, new: str, trailing: Line | None = None) -> None:
        """Replace everything up to ``end``."""
        if trailing is None:
            if self.text[self.end : end] != new:
                self.found.append(_Piece(self.end, end, new))
        else:
            column = self.end - (self.text.rfind("\n", 0, self.end) + 1) + trailing.column
            place = Trailing(self.line, column, trailing.column, self.column)
            self.found.append(_Piece(self.end, end, new, trailing.comment, place))
        self._follow(end, new)

    def _follow(self, end: int, new: str) -> None:
        """Go on at ``end`` as written, after ``new`` in what will be."""
        self.column = len(new) - new.rfind("\n") - 1 if "\n" in new else self.column + len(new)
        self.line += self.text.count("\n", self.end, end)
        self.end = end
