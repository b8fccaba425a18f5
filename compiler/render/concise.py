"""One line a diagnostic, as editors and `grep` like it."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.render.view import DiagnosticView, visible


def render_concise(views: Iterable[DiagnosticView]) -> str:
    """`file:line:column: severity[CODE] message; help`."""
    return "".join(_line(view) + "\n" for view in views)


def _line(view: DiagnosticView) -> str:
    span = view.place.span
    advice = f"; help: {visible(view.help)}" if view.help else ""
    return f"{span.file}:{span.line}:{span.column}: {view.severity}[{view.code}] {visible(view.message)}{advice}"
