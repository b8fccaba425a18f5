"""The exit codes of every command (DESIGN.md 7)."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.diagnostics import Diagnostic, has_errors
from meshplan.compiler.rules import held_by_guard

OK = 0
DIAGNOSTICS = 1
DIFFERENCES = 2
HELD_BY_GUARD = 3
TESTS_FAILED = 4
STALE = 5
TRUST = 6
COULD_NOT_CHECK = 7
USAGE = 64
INTERNAL = 70
INTERRUPTED = 130


def of(found: Iterable[Diagnostic]) -> int:
    """0 without errors, 3 where only guards found any, else 1."""
    found = list(found)
    if not has_errors(found):
        return OK
    return HELD_BY_GUARD if held_by_guard(found) else DIAGNOSTICS
