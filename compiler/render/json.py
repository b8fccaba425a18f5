"""Diagnostics for programs: a versioned JSON document, additive within its major version."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from meshplan.compiler.diagnostics import Span
from meshplan.compiler.render.view import DiagnosticView

FORMAT = "mesh.dev/diagnostics/v1"


def render_json(views: Iterable[DiagnosticView], **extra: Any) -> str:
    """The document; ``extra`` fields stand beside `diagnostics`."""
    shown = list(views)
    counts = {s: sum(view.severity == s for view in shown) for s in ("error", "warning", "advice")}
    document = {"format": FORMAT, "summary": counts, "diagnostics": [as_data(view) for view in shown], **extra}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_data(view: DiagnosticView) -> dict[str, Any]:
    """One diagnostic as JSON data."""
    return {
        "code": view.code,
        "slug": view.slug,
        "severity": view.severity,
        "message": view.message,
        "range": _range(view.place.span),
        "snippet": list(view.place.lines),
        "related": [{"range": _range(r.span), "text": r.text} for r in view.related],
        "help": view.help,
        "fix": view.fix,
    }


def _range(span: Span) -> dict[str, Any]:
    return {
        "file": span.file,
        "start": {"line": span.line, "column": span.column},
        "end": {"line": span.end_line, "column": span.end_column},
    }
