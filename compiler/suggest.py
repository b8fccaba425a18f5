"""Did you mean: the one closest name, or none."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name that ``wrong`` is most likely a slip of; ties go to the first in sorted order."""
    folded = wrong.casefold().replace("-", "_")
    best, best_ratio = None, 0.0
    for name in sorted(known):
        other = name.casefold().replace("-", "_")
        if other == folded:
            return name
        if abs(len(other) - len(folded)) > max(3, len(folded) // 2):
            continue
        matcher = SequenceMatcher(None, folded, other)
        if matcher.real_quick_ratio() <= best_ratio or matcher.quick_ratio() <= best_ratio:
            continue
        ratio = matcher.ratio()
        if ratio > best_ratio:
            best, best_ratio = name, ratio
    return best if best_ratio >= 0.66 else None


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """Help text that names the closest known name, or ``None``."""
    name = closest(wrong, known)
    return f"did you mean `{name}`?" if name else None
