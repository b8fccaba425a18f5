"""What is wrong with an expression, placed by character offsets in its text; knows nothing of YAML or of codes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

WARNINGS: Final = frozenset({"optional-unguarded", "not-in-enum", "constant-condition", "may-fail"})
"""Problems that leave an expression usable; every other slug is an error."""
ERRORS: Final = frozenset(
    {
        "syntax",
        "too-large",
        "bad-literal",
        "unsupported-feature",
        "unknown-function",
        "wrong-arguments",
        "unknown-variable",
        "unknown-field",
        "type-mismatch",
        "not-a-condition",
        "wrong-result",
        "duplicate-key",
        "always-fails",
    }
)

MAX_CANDIDATES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: `code_slug` is permanent, `start` and `end` are code point offsets in the expression's text."""

    code_slug: str
    start: int
    end: int
    message: str
    help: str | None = None

    @property
    def level(self) -> Literal["error", "warning"]:
        """Whether the expression is refused for it."""
        return "warning" if self.code_slug in WARNINGS else "error"


_NAMES: Final = frozenset({"unknown-variable", "unknown-field"})


def together(unread: list[Problem], found: list[Problem]) -> list[Problem]:
    """What is wrong with a text and with the names in it; types of what was read only in part say nothing."""
    if not unread:
        return found
    names = [problem for problem in found if problem.code_slug in _NAMES]
    return sorted([*unread, *names], key=lambda problem: (problem.start, problem.end))


def quoted(text: str) -> str:
    """Show a user's or an upstream's text in a message: on one line, short, and unable to close the backticks."""
    plain = "".join(char if char.isprintable() and char != "`" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"`{plain[:47]}…`" if len(plain) > 48 else f"`{plain}`"


def listed(names: Iterable[str]) -> str:
    """Show the first few of some names."""
    shown = sorted(names)
    return ", ".join(map(quoted, shown[:8])) + (", …" if len(shown) > 8 else "")


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Propose the nearest known name, for a problem's help."""
    candidates = sorted(known)[:MAX_CANDIDATES]
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return f"did you mean {quoted(folded[near[0]])}?" if near else None
