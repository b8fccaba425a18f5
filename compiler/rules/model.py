"""What is known of one kind of diagnostic, for `mesh explain`, the rules page and the tests."""

from __future__ import annotations

from dataclasses import dataclass

from meshplan.compiler.diagnostics import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A permanent ``code`` and ``slug``, why it matters, and a bad and a good mesh.yaml that a test compiles."""

    code: str
    slug: str
    summary: str
    why: str
    bad: str
    good: str
    level: Severity = "error"
    since: str = "0.1"
    guard: bool = False
    """Whether it is a guard that refuses a mesh which is otherwise sound: exit code 3 instead of 1."""
