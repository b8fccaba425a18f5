"""Diagnostics for programs: a versioned JSON document, additive within its major version."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from meshplan.compiler.diagnostics import Fix, Span
from meshplan.compiler.render.view import SEVERITIES, DiagnosticView, visible

FORMAT = "mesh.dev/diagnostics/v1"


def render_json(views: Iterable[DiagnosticView], *, suppressed: Iterable[tuple[DiagnosticView, str]] = ()) -> str:
    """The document (schemas/diagnostics.schema.json); ``suppressed`` are warnings with the reason for hiding each."""
    shown = list(views)
    counts = {s: sum(view.severity == s for view in shown) for s in SEVERITIES}
    document = {
        "format": FORMAT,
        "summary": counts,
        "diagnostics": [as_data(view) for view in shown],
        "suppressed": [{**as_data(view), "reason": visible(reason)} for view, reason in suppressed],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_data(view: DiagnosticView) -> dict[str, Any]:
    r"""One diagnostic as JSON data; `fix` is an edit of the text without byte order mark and with `\n` only."""
    return {
        "code": view.code,
        "slug": view.slug,
        "severity": view.severity,
        "message": visible(view.message),
        "range": _range(view.place.span),
        "path": [visible(part) if isinstance(part, str) else part for part in view.path],
        "snippet": [visible(line) for line in view.place.lines],
        "related": [{"range": _range(r.span), "text": visible(r.text or "")} for r in view.related],
        "help": visible(view.help) if view.help else None,
        "fix": _fix(view.fix) if view.fix else None,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {"range": _range(fix.span), "text": fix.text}


def _range(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "start": {"line": span.line, "column": span.column},
        "end": {"line": span.end_line, "column": span.end_column},
    }
