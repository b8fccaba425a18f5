"""Findings that only follow from another one: a slip where something is declared is told there, once."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Span
from meshplan.compiler.rules import BY_CODE


def without_echoes(found: Diagnostics) -> Diagnostics:
    """Leave out paths of patches that miss a key which is itself told to be wrong, and locks of servers that are.

    A secret where only a reference stands is told as that, whatever its shape.
    """
    wrong = {
        d.span for d in found if d.severity == "error" and BY_CODE[d.code].slug not in ("unknown-path", "not-locked")
    }
    secret = [d.span for d in found if BY_CODE[d.code].slug == "secret-literal"]
    return tuple(d for d in found if not _follows(d, wrong, secret))


def _follows(d: Diagnostic, wrong: set[Span], secret: list[Span]) -> bool:
    match BY_CODE[d.code].slug:
        case "unknown-path":
            return any(label.span in wrong for label in d.labels)
        case "not-locked":
            return d.span in wrong
        case "credential-in-file":
            return any(at.file == d.span.file and at.start <= d.span.start < at.end for at in secret)
        case _:
            return False
