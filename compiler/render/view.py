"""The one view of diagnostics that every rendering is made from; also what `--format json` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from meshplan.compiler.diagnostics import Diagnostic, Severity, Span
from meshplan.compiler.rules import BY_CODE


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A span with the source lines it covers (at most a few) and the words that belong to it."""

    span: Span
    lines: tuple[str, ...]
    text: str | None


@dataclass(frozen=True, slots=True)
class DiagnosticView:
    """Everything that is shown of one diagnostic."""

    code: str
    slug: str
    severity: Severity
    message: str
    place: PlaceView
    related: tuple[PlaceView, ...]
    help: str | None
    fix: str | None


MAX_LINES = 4


def view(found: Iterable[Diagnostic], texts: Mapping[str, str]) -> tuple[DiagnosticView, ...]:
    """Add source lines and rule names to diagnostics; ``texts`` holds the files by name."""
    found = list(found)
    lines = {name: _lines(_masked(text, name, found)) for name, text in texts.items()}
    return tuple(
        DiagnosticView(
            d.code,
            BY_CODE[d.code].slug,
            d.severity,
            d.message,
            _place(d.span, lines, None),
            tuple(_place(label.span, lines, label.text) for label in d.labels),
            d.help,
            d.fix.text if d.fix else None,
        )
        for d in found
    )


def _masked(text: str, name: str, found: Iterable[Diagnostic]) -> str:
    """The text with every secret that was found in it covered: output goes to logs."""
    normal = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for d in found:
        if BY_CODE[d.code].slug == "secret-literal" and d.span.file == name:
            covered = "".join(char if char == "\n" else "•" for char in normal[d.span.start : d.span.end])
            normal = normal[: d.span.start] + covered + normal[d.span.end :]
    return normal


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _place(span: Span, lines: Mapping[str, list[str]], text: str | None) -> PlaceView:
    file = lines.get(span.file, [])
    last = min(span.end_line, span.line + MAX_LINES - 1)
    return PlaceView(span, tuple(visible(line) for line in file[span.line - 1 : last]), text)


def visible(text: str) -> str:
    r"""Control, bidirectional and other invisible characters as `\uXXXX`, so that output shows what is there."""
    if text.isprintable() or not text:
        return text
    return "".join(char if char.isprintable() or char == "\t" else _escaped(char) for char in text).replace("\t", " ")


def _escaped(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
