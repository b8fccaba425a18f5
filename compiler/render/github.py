"""Diagnostics as workflow commands, which GitHub shows as annotations on the changed lines."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.diagnostics import Severity
from meshplan.compiler.render.text import counts_of
from meshplan.compiler.render.view import SEVERITIES, DiagnosticView, visible

LIMIT = 10
"""GitHub keeps ten annotations of each level per step, and drops the rest without a word."""
_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "advice": "notice"}


def render_github(views: Iterable[DiagnosticView], *, folder: str = "") -> str:
    """One command a line, errors first; a notice says how many are not shown. ``folder``: the mesh's in the repository."""
    shown = sorted(views, key=lambda view: SEVERITIES.index(view.severity))
    lines: list[str] = []
    left: dict[str, int] = {}
    for severity in SEVERITIES:
        here = [view for view in shown if view.severity == severity]
        room = LIMIT - 1 if severity == "advice" and (left or len(here) > LIMIT) else LIMIT
        lines += [_command(view, folder) for view in here[:room]]
        if here[room:]:
            left[severity] = len(here) - room
    if left:
        words = " and ".join(counts_of(left))
        lines.append(f"::notice title=mesh::{_data(f'not shown here: {words}; run `mesh validate` to see all')}")
    return "".join(line + "\n" for line in lines)


def _command(view: DiagnosticView, folder: str) -> str:
    span = view.place.span
    where = {"file": f"{folder}/{span.file}" if folder else span.file, "line": span.line}
    if span.line == span.end_line:
        where |= {"col": span.column, "endLine": span.end_line, "endColumn": span.end_column}
    else:
        where |= {"endLine": span.end_line}
    where["title"] = f"{view.code} {view.slug}"
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in where.items())
    message = "\n".join([visible(view.message), *([f"help: {visible(view.help)}"] if view.help else [])])
    return f"::{_COMMANDS[view.severity]} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
