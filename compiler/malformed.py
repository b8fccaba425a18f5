"""libyaml's complaints in our words, where the mistake was made rather than where it was noticed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from meshplan.compiler.diagnostics import Diagnostic, Label, Span
from meshplan.compiler.marks import At
from meshplan.compiler.rules import report

_QUOTE = "put it in quotes"
_CLOSE = "separate entries with commas, and close every bracket"
_NO_SPACE = re.compile(r"[\w.-]+:\S")


@dataclass(frozen=True, slots=True)
class Point:
    """A place in a text, zero-based, in code points."""

    line: int
    column: int
    index: int


class _Saying(NamedTuple):
    """``begin``: the mistake is where the construct that libyaml was reading begins."""

    problem: str
    context: str
    message: str
    help: str
    begin: bool = False
    slug: str = "malformed-yaml"


_SAYINGS = (
    _Saying("", "an alias", "a plain value cannot start with `*`", "put the glob in quotes: `'*'`", True, "alias"),
    _Saying("", "an anchor", "a plain value cannot start with `&`", _QUOTE, True, "alias"),
    _Saying(
        "",
        "a tag",
        "a plain value cannot start with `!`",
        "put it in quotes; what an include leaves out is listed in `except`",
        True,
        "tag",
    ),
    _Saying("tag handle", "", "a plain value cannot start with `!`", _QUOTE, True, "tag"),
    _Saying("cannot start any token", "", "a plain value cannot start with {char}", _QUOTE),
    _Saying(
        "mapping values are not",
        "",
        "a `:` cannot stand here",
        "put text that holds `: ` in quotes, and align the keys of one mapping",
    ),
    _Saying("find expected ':'", "", "this line is no `key: value`", "write a key, a colon, a space and a value", True),
    _Saying("expected ',' or", "", "this neither goes on with the bracket nor closes it", _CLOSE),
    _Saying("node content", "", "the file ends inside a bracket", _CLOSE),
    _Saying("end of stream", "quoted", "the quoted text is never closed", "close it with {opening}", True),
    _Saying("expected '-' indicator", "", "a key stands among list items", "align it with the key of the list"),
    _Saying(
        "sequence entries are not", "", "a list cannot start here", "start it on a line of its own, or write `[a, b]`"
    ),
    _Saying("escape", "", "unknown escape in double quotes", "double the backslash, or use single quotes"),
    _Saying("hexdecimal", "", "unknown escape in double quotes", "double the backslash, or use single quotes"),
    _Saying(
        "comment or line break", "", "nothing may follow `|` or `>` on its line", "start the text on the next line"
    ),
)


def malformed(file: str, text: str, error: yaml.MarkedYAMLError) -> Diagnostic:
    """What libyaml stumbled over, as a diagnostic of ``file``, whose normalised text is ``text``."""
    problem = (error.problem or "malformed YAML").replace("\n", " ")
    noticed = _mark(text, error.problem_mark or error.context_mark)
    begun = _mark(text, error.context_mark) if error.context_mark else noticed
    if text[noticed.index : noticed.index + 1] == "\t" or "tab" in problem:
        return report("tab-indentation", one(file, noticed), "a tab cannot indent YAML", help="indent with spaces")
    said = next(
        (s for s in _SAYINGS if s.problem in problem and s.context in (error.context or "")),
        _out_of_line(text, noticed) if "expected key" in problem else _Saying("", "", f"malformed YAML: {problem}", ""),
    )
    place = begun if said.begin else noticed
    labels: tuple[Label, ...] = ()
    if place is noticed and begun.line != noticed.line:
        labels = (Label(one(file, begun), error.context or "begins here"),)
    advice = "put a space after the colon" if _NO_SPACE.match(text, place.index) and said.begin else said.help
    message = said.message.replace("{char}", _quoted(text[place.index : place.index + 1]))
    advice = advice.replace("{opening}", _quoted(text[begun.index : begun.index + 1]))
    return report(said.slug, one(file, place), message, help=advice or None, labels=labels)


def _quoted(char: str) -> str:
    return "a backtick" if char == "`" else f"`{char}`"


def _out_of_line(text: str, at: Point) -> _Saying:
    """Where a key should be: a line that is not aligned, or more text after a value has ended."""
    if text[at.index : at.index + 1] == ":":
        return _Saying("", "", "there is no key before this `:`", "name the key")
    if text[at.index - at.column : at.index].strip():
        return _Saying("", "", "the value ends before this", "put the whole value in one pair of quotes")
    return _Saying("", "", "this line is not aligned with the keys above it", "align the keys of one mapping")


def _mark(text: str, mark: Any) -> Point:
    index = min(int(mark.index), max(len(text) - 1, 0)) if mark else 0
    return place_at(text, index)


def place_at(text: str, index: int) -> Point:
    """The place of a character."""
    return Point(text.count("\n", 0, index), index - (text.rfind("\n", 0, index) + 1), index)


def one(file: str, start: Point) -> Span:
    """The one character at a place."""
    end = Point(start.line, start.column + 1, start.index + 1)
    return At(file, start, end, start, end, None).key_span()
