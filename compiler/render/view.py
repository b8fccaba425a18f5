"""The one view of diagnostics that every rendering is made from; also what `--format json` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshplan.compiler.diagnostics import Diagnostic, Fix, Path, Severity, Span
from meshplan.compiler.marks import MapNode
from meshplan.compiler.newlines import normalised
from meshplan.compiler.paths import named, path_of
from meshplan.compiler.rules import BY_CODE


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A span, the first source lines that it covers, its last line where that is not among them, and its words.

    Lines are as they stand in the file, secrets covered: a renderer passes them through ``visible`` or its like.
    """

    span: Span
    lines: tuple[str, ...]
    text: str | None
    tail: str | None = None


@dataclass(frozen=True, slots=True)
class DiagnosticView:
    """Everything that is shown of one diagnostic; ``path`` is its place in words that stay when lines move."""

    code: str
    slug: str
    severity: Severity
    message: str
    place: PlaceView
    related: tuple[PlaceView, ...]
    help: str | None
    fix: Fix | None
    path: Path = ()
    name: tuple[str, ...] = ()


MAX_LINES = 4
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "advice")


def view(
    found: Iterable[Diagnostic], texts: Mapping[str, str], root: MapNode | None = None
) -> tuple[DiagnosticView, ...]:
    """Add source lines, rule names and, from the document's ``root``, logical paths; ``texts`` holds files by name."""
    found = list(found)
    lines = {name: masked(text, name, found).split("\n") for name, text in texts.items()}
    return tuple(_view(diagnostic, lines, root) for diagnostic in found)


def _view(d: Diagnostic, lines: Mapping[str, list[str]], root: MapNode | None) -> DiagnosticView:
    path = path_of(root, d.span)
    return DiagnosticView(
        d.code,
        BY_CODE[d.code].slug,
        d.severity,
        d.message,
        _place(d.span, lines, None),
        tuple(_place(label.span, lines, label.text) for label in d.labels),
        d.help,
        d.fix,
        path,
        named(root, path),
    )


_SECRETS = frozenset({"secret-literal", "credential-in-file", "possible-secret"})


def masked(text: str, name: str, found: Iterable[Diagnostic]) -> str:
    """The normalised text with every secret that was found in it covered: output goes to logs."""
    normal = normalised(text)
    for d in found:
        if BY_CODE[d.code].slug in _SECRETS and d.span.file == name:
            covered = "".join(char if char == "\n" else "•" for char in normal[d.span.start : d.span.end])
            normal = normal[: d.span.start] + covered + normal[d.span.end :]
    return normal


def _place(span: Span, lines: Mapping[str, list[str]], text: str | None) -> PlaceView:
    file = lines.get(span.file, [])
    end = last_line(span)
    last = min(end, span.line + MAX_LINES - 1)
    tail = file[end - 1] if last < end <= len(file) else None
    return PlaceView(span, tuple(file[span.line - 1 : last]), text, tail)


def last_line(span: Span) -> int:
    """The last line that holds anything of the span: one that ends before a line's first column ends on the line above."""
    return span.end_line - 1 if span.end_column == 1 and span.end_line > span.line else span.end_line


def visible(text: str) -> str:
    r"""Control, bidirectional and other invisible characters as `\uXXXX`, so that output shows what is there."""
    if text.isprintable() or not text:
        return text
    return "".join(" " if char == "\t" else shown(char) for char in text)


def shown(char: str) -> str:
    """One character, escaped where it could not be seen."""
    if char.isprintable():
        return char
    number = ord(char)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
