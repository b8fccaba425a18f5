"""Diagnostics made by hand, for tests of what is drawn of them."""

from __future__ import annotations

from meshplan.compiler.diagnostics import Diagnostic, Fix, Label, Span


def span(text, start, end, file="mesh.yaml"):
    def at(index):
        return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)

    return Span(file, *at(start), *at(end), start, end)


def of(text, piece, file="mesh.yaml"):
    """Where ``piece`` first stands in ``text``."""
    start = text.index(piece)
    return span(text, start, start + len(piece), file)


def found(text, piece, *, code="MESH101", severity="error", message="something is wrong", labels=(), fix=None, **more):
    place = of(text, piece) if isinstance(piece, str) else piece
    return Diagnostic(
        code,
        severity,
        message,
        place,
        tuple(Label(of(text, where), words) for where, words in labels),
        fix=None if fix is None else Fix(place, fix),
        **more,
    )
