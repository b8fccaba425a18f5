"""What the compiler says about a source: pure values, no wording and no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "advice"]
Part = str | int
Path = tuple[Part, ...]
"""Where something stands in the document: keys and list positions from the root."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one file: lines and columns from 1 in code points, end exclusive; ``start``/``end`` are offsets."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Label:
    """A related place, with a few words on how it is related."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that is certain to be what was meant: replace ``span`` by ``text``."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a permanent code, one headline, the narrowest span, related places, and the way out."""

    code: str
    severity: Severity
    message: str
    span: Span
    labels: tuple[Label, ...] = ()
    help: str | None = None
    fix: Fix | None = None


Diagnostics = tuple[Diagnostic, ...]


def ordered(found: Iterable[Diagnostic]) -> Diagnostics:
    """Sort by place, then code, and drop what is said twice."""
    return tuple(
        sorted(set(found), key=lambda d: (d.span.file, d.span.line, d.span.column, d.code, d.message, d.help or ""))
    )


def has_errors(found: Iterable[Diagnostic]) -> bool:
    """Whether anything found keeps the plan from being made."""
    return any(diagnostic.severity == "error" for diagnostic in found)
