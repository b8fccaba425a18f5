"""Diagnostics for people at a terminal: headline, place, source lines with carets and labels, help."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.render.excerpt import Paint, Said, excerpt
from meshplan.compiler.render.view import SEVERITIES, DiagnosticView, last_line, visible
from meshplan.compiler.render.words import counted

_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "advice": "\x1b[1;36m"}
_BOLD, _BLUE, _GREEN, _END = "\x1b[1m", "\x1b[1;34m", "\x1b[1;32m", "\x1b[0m"


def render_text(views: Iterable[DiagnosticView], *, colour: bool = False) -> str:
    """One block a diagnostic, a blank line between, and a count at the end."""
    shown = list(views)
    paint = _coloured if colour else _plain
    return "\n".join([*(block(view, paint) for view in shown), summary(shown)]) + "\n" if shown else ""


def summary(views: Iterable[DiagnosticView]) -> str:
    """`2 errors, 1 warning`."""
    counts: dict[str, int] = {}
    for view in views:
        counts[view.severity] = counts.get(view.severity, 0) + 1
    return ", ".join(counts_of(counts))


def counts_of(counts: dict[str, int]) -> list[str]:
    """`2 errors` and so on, the gravest first; advice has no plural."""
    present = [s for s in SEVERITIES if counts.get(s)]
    return [f"{counts[s]} advice" if s == "advice" else counted(counts[s], s) for s in present]


def _coloured(text: str, colour: str) -> str:
    return f"{colour}{text}{_END}"


def _plain(text: str, colour: str) -> str:
    del colour
    return text


def block(view: DiagnosticView, paint: Paint = _plain) -> str:
    """Everything about one diagnostic; ends in a newline."""
    colour = _COLOURS[view.severity]
    places = [view.place, *view.related]
    gutter = len(str(max(last_line(place.span) for place in places)))
    said = [Said(view.place, "^", colour), *(Said(related, "-", _BLUE) for related in view.related)]
    pad, bar = " " * gutter, paint("|", _BLUE)
    lines = [paint(f"{view.severity}[{view.code}]", colour) + paint(f": {visible(view.message)}", _BOLD)]
    for index, file in enumerate(dict.fromkeys(place.span.file for place in places)):
        here = [s for s in said if s.place.span.file == file]
        span = here[0].place.span
        arrow = paint(":::" if index else "-->", _BLUE)
        lines += [f"{pad}{arrow} {visible(file)}:{span.line}:{span.column}", f"{pad} {bar}"]
        lines += excerpt(here, gutter, paint, _BLUE)
    if view.help:
        lines.append(f"{pad} {paint('=', _BLUE)} {paint('help', _GREEN)}: {visible(view.help)}")
    lines.append(f"{pad} {paint('=', _BLUE)} docs: mesh explain {view.code}")
    return "\n".join(line.rstrip() for line in lines) + "\n"
