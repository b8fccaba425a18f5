"""The exit codes of every command (DESIGN.md 7)."""

from __future__ import annotations

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
