"""A stretch of a scalar's value as a stretch of the file, through quotes, escapes, folded lines and indentation."""

from __future__ import annotations

import re

from meshplan.compiler.diagnostics import Span
from meshplan.compiler.malformed import place_at
from meshplan.compiler.marks import At, Mark

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_BLANKS = " \n\t"


def within(at: At, source: str, value: str, start: int, end: int, *, key: bool = False) -> Span:
    """Characters ``start`` to ``end`` of ``value``, which stands at ``at`` (its key with ``key``) in ``source``.

    ``source`` is the file's normalised text. The whole scalar where it does not stand there as it is, such as with
    parameters put in.
    """
    first, last = (at.key_start, at.key_end) if key else (at.start, at.end)
    whole = at.key_span() if key else at.value_span()
    places = _places(source[first.index : last.index], value)
    if places is None or start >= len(value):
        return whole
    begin = first.index + places[start]
    until = first.index + places[max(start, min(end, len(value)) - 1)] + 1
    return _span(at.file, source, begin, until, first)


def _span(file: str, source: str, begin: int, until: int, near: Mark) -> Span:
    if "\n" not in source[near.index : until]:
        line, column = near.line + 1, near.column + 1 - near.index
        return Span(file, line, column + begin, line, column + until, begin, until)
    start, end = place_at(source, begin), place_at(source, until)
    return Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1, begin, until)


def _places(written: str, value: str) -> list[int] | None:
    """Where each character of ``value`` stands in a scalar as it is written, or ``None`` where it does not."""
    style = written[:1] if written[:1] in ("'", '"', "|", ">") else ""
    at = written.find("\n") + 1 if style in ("|", ">") else len(style)
    found: list[int] = []
    for char in value:
        if char not in _BLANKS:
            while written[at : at + 1] and written[at] in _BLANKS:
                at += 1
        length = _length(written, at, style, char)
        if length is None:
            return None
        found.append(min(at, len(written) - 1))
        at += length
    return found


def _length(written: str, at: int, style: str, char: str) -> int | None:
    """How many characters stand for ``char``, or ``None`` where something else stands there."""
    there = written[at : at + 1]
    if char in _BLANKS and (not there or there in _BLANKS):
        return 1
    if style == '"' and there == "\\":
        escape = _ESCAPE.match(written, at)
        return len(escape.group()) if escape and escape[1] != "\n" else None
    if style == "'" and written.startswith("''", at):
        return 2 if char == "'" else None
    return 1 if there == char else None
