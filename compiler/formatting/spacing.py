"""What stands between two tokens: blanks, line breaks and comments, taken apart and put together again."""

from __future__ import annotations

from typing import NamedTuple

from meshplan.compiler.formatting.tokens import Kind

_BLANKS = " \t"


class UnknownGap(ValueError):
    """Something that is neither blank nor a comment stands between two tokens."""


class Line(NamedTuple):
    """A line without tokens: the comment on it, empty where there is none, and the column that it starts at."""

    comment: str
    column: int


class Gap(NamedTuple):
    """``trailing`` ends the line of the token before, ``lines`` are of its own; not ``broken``: blanks only."""

    trailing: Line | None
    lines: tuple[Line, ...]
    broken: bool


_JOINED = Gap(None, (), False)


def gap(text: str, *, starts_file: bool, ends_file: bool) -> Gap:
    """Take the text between two tokens apart."""
    if not starts_file and not ends_file and not text.strip(_BLANKS):
        return _JOINED
    segments = text.split("\n")
    if not ends_file and segments.pop().strip(_BLANKS):
        raise UnknownGap(text)
    trailing = None if starts_file or not segments else _line(segments.pop(0))
    lines = tuple(_line(segment) for segment in segments)
    return Gap(trailing if trailing and trailing.comment else None, lines, trailing is not None or bool(lines))


def _line(segment: str) -> Line:
    comment = segment.strip(_BLANKS)
    if comment and not comment.startswith("#"):
        raise UnknownGap(segment)
    return Line(comment, len(segment) - len(segment.lstrip(_BLANKS)))


def spaced(lines: tuple[Line, ...], *, starts_file: bool, ends_file: bool) -> list[Line]:
    """The lines with at most one blank in a row, none at the start or the end of the file."""
    kept: list[Line] = []
    for line in lines:
        if line.comment or (kept[-1].comment if kept else not starts_file):
            kept.append(line)
    while ends_file and kept and not kept[-1].comment:
        kept.pop()
    return kept


def between(before: Kind, after: Kind, *, explicit: bool) -> str:
    """The blank between two tokens on one line; ``explicit`` says that the key before `:` was announced by `?`."""
    if before is Kind.OPEN:
        return ""
    if after in (Kind.COMMA, Kind.CLOSE):
        return " " if before in (Kind.VALUE, Kind.KEY) else ""  # `{a:}` is an error for some readers
    if after is Kind.VALUE:
        return " " if explicit or before not in (Kind.SCALAR, Kind.CLOSE) else ""
    return " "
