"""Diagnostics for people at a terminal: headline, place, source line with carets, related places, help."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.render.view import DiagnosticView, PlaceView, visible

_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "advice": "\x1b[1;36m"}
_BOLD, _BLUE, _GREEN, _END = "\x1b[1m", "\x1b[1;34m", "\x1b[1;32m", "\x1b[0m"


def render_text(views: Iterable[DiagnosticView], *, colour: bool = False) -> str:
    """One block a diagnostic, a blank line between, and a count at the end."""
    shown = list(views)
    blocks = [_block(view, _Paint(colour)) for view in shown]
    return "\n".join([*blocks, summary(shown)]) + "\n" if shown else ""


def summary(views: Iterable[DiagnosticView]) -> str:
    """`2 errors, 1 warning`."""
    counts: dict[str, int] = {}
    for view in views:
        counts[view.severity] = counts.get(view.severity, 0) + 1
    words = [f"{counts[s]} {s}{'s' if counts[s] > 1 and s != 'advice' else ''}" for s in _COLOURS if s in counts]
    return ", ".join(words)


class _Paint:
    """Colour, or none."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_END}" if self._on else text


def _block(view: DiagnosticView, paint: _Paint) -> str:
    gutter = len(str(max([view.place.span.line, *(r.span.line for r in view.related)])))
    head = paint(f"{view.severity}[{view.code}]", _COLOURS[view.severity]) + paint(f": {visible(view.message)}", _BOLD)
    lines = [head, *_excerpt(view.place, gutter, paint, _COLOURS[view.severity], first=True)]
    for related in view.related:
        lines += _excerpt(related, gutter, paint, _BLUE, first=False)
    pad = " " * gutter
    if view.help:
        lines.append(f"{pad} {paint('=', _BLUE)} {paint('help', _GREEN)}: {visible(view.help)}")
    lines.append(f"{pad} {paint('=', _BLUE)} docs: mesh explain {view.code}")
    return "\n".join(lines) + "\n"


def _excerpt(place: PlaceView, gutter: int, paint: _Paint, colour: str, *, first: bool) -> list[str]:
    span, pad, bar = place.span, " " * gutter, paint("|", _BLUE)
    arrow = paint("-->" if first else ":::", _BLUE)
    lines = [f"{pad}{arrow} {span.file}:{span.line}:{span.column}", f"{pad} {bar}"]
    if place.lines:
        line, start, length = _window(place.lines[0], span.column, _length(place))
        lines.append(f"{paint(str(span.line).rjust(gutter), _BLUE)} {bar} {line}")
        caret = paint(("^" if first else "-") * length + (f" {place.text}" if place.text else ""), colour)
        lines.append(f"{pad} {bar} {' ' * start}{caret}")
    return lines


def _length(place: PlaceView) -> int:
    span = place.span
    if span.line == span.end_line:
        return max(1, span.end_column - span.column)
    return max(1, len(place.lines[0]) - span.column + 1)


def _window(line: str, column: int, length: int, width: int = 140) -> tuple[str, int, int]:
    """A stretch of a long line around the place, and where the carets go in it."""
    start = column - 1
    if len(line) <= width:
        return line, start, min(length, max(1, len(line) - start + 1))
    left = max(0, min(start - 30, len(line) - width))
    shown = ("…" if left else "") + line[left : left + width] + ("…" if left + width < len(line) else "")
    return shown, start - left + (1 if left else 0), max(1, min(length, width - (start - left)))
