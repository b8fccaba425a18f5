"""Scalars of more than one line: moved as a whole, with the value that they had."""

from __future__ import annotations

import re
from typing import NamedTuple

_HEADER = re.compile(r"[|>][-+0-9]*")
_COMMENT = re.compile(r"([ \t]+)(#.*)")
_BLANKS = " \t"


def folded(text: str, indent: int) -> str:
    """A plain or quoted scalar with its further lines at ``indent``; line breaks and blank lines are part of it."""
    lines = text.split("\n")
    if len(lines) == 1:
        return text
    escapes = text.startswith('"')
    first, *middle, last = lines
    inner = [_right_stripped(line.lstrip(_BLANKS), escapes=escapes) for line in middle]
    further = [*inner, last.lstrip(_BLANKS)]
    return "\n".join(
        [_right_stripped(first, escapes=escapes), *(" " * indent + line if line else "" for line in further)]
    )


def _right_stripped(line: str, *, escapes: bool) -> str:
    """Without blanks at the end, except one that a backslash makes part of the value."""
    bare = line.rstrip(_BLANKS)
    if escapes and bare != line and (len(bare) - len(bare.rstrip("\\"))) % 2:
        return line[: len(bare) + 1]
    return bare


class BlockScalar(NamedTuple):
    """A literal or folded block: its indicators, the comment after them, its lines, and where its text ends."""

    header: str
    comment: str
    lines: tuple[str, ...]
    end: int

    def at(self, parent: int) -> str:
        """The scalar as it stands in a collection at column ``parent``."""
        digits = re.sub(r"\D", "", self.header)
        pad = " " * (parent + (int(digits) if digits else 2))
        return "\n".join([self.header + self.comment, *(pad + line if line else "" for line in self.lines)])


def block_scalar(text: str, start: int, parent: int) -> BlockScalar:
    """The block scalar at ``start`` in a collection at column ``parent``."""
    found = _HEADER.match(text, start)
    header = found.group() if found else ""
    first = _line_end(text, start)
    comment = _COMMENT.match(text, start + len(header), first)
    shown = comment[1].replace("\t", " ") + comment[2].rstrip(_BLANKS) if comment else ""
    indent = _indent(text, header, first, parent)
    lines, ends = _content(text, first, indent)
    if "+" not in header:
        while lines and not lines[-1]:
            del lines[-1], ends[-1]
    end = ends[-1] if ends else first
    if lines and lines[-1] and end == len(text):
        header = header.replace("+", "").replace("-", "") + "-"  # the last line has no break, and is about to get one
    return BlockScalar(header, shown, tuple(lines), end)


def _line_end(text: str, start: int) -> int:
    found = text.find("\n", start)
    return len(text) if found < 0 else found


def _indent(text: str, header: str, first: int, parent: int) -> int:
    """The column of the content, as libyaml finds it: the indicator's, or the furthest of the leading lines'."""
    digits = re.sub(r"\D", "", header)
    if digits:
        return max(parent, 0) + int(digits)
    deepest = 0
    at = first
    while at < len(text):
        end = _line_end(text, at + 1)
        line = text[at + 1 : end]
        deepest = max(deepest, len(line) - len(line.lstrip(" ")))
        if line.strip(" "):
            break
        at = end
    return max(deepest, parent + 1, 1)


def _content(text: str, first: int, indent: int) -> tuple[list[str], list[int]]:
    """The lines after the header without their indentation, and the offset at which each ends."""
    lines: list[str] = []
    ends: list[int] = []
    at = first
    while at < len(text):
        end = _line_end(text, at + 1)
        line = text[at + 1 : end]
        blank = not line.strip(" ")
        if (not blank and line[:indent].strip(" ")) or (blank and end == len(text) and len(line) <= indent):
            break
        lines.append(line[indent:])
        ends.append(end)
        at = end
    return lines, ends
