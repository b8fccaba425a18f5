"""Comments at the end of lines: those that stood in one column go on doing so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Trailing(NamedTuple):
    """A comment at the end of line ``line``: its column as written, the blanks before it, the new end of what it follows."""

    line: int
    column: int
    blanks: int
    content: int


def blanks(comments: Sequence[Trailing]) -> list[int]:
    """How many blanks come before each comment; the comments are in order of their lines."""
    found: list[int] = []
    run: list[Trailing] = []
    for comment in comments:
        if run and (comment.line != run[-1].line + 1 or comment.column != run[-1].column):
            found += _of_run(run)
            run = []
        run.append(comment)
    return found + _of_run(run)


def _of_run(run: Sequence[Trailing]) -> list[int]:
    """A comment by itself keeps its distance; neighbours in one column keep the distance of the longest line."""
    if not run:
        return []
    column = max(c.content for c in run) + max(1, min(c.blanks for c in run))
    return [column - c.content for c in run]
