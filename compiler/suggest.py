"""Did you mean: the one closest name, or none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name that ``wrong`` is most likely a slip of; ties go to the first in sorted order."""
    known = sorted(known)
    folded = wrong.casefold().replace("-", "_")
    best, best_ratio = None, 0.0
    for name in known:
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
    return best if best_ratio >= 0.66 else _only_beginning(folded, known)


def _only_beginning(folded: str, known: Iterable[str]) -> str | None:
    """The one name that begins with what was written, or that it begins with."""
    if len(folded) < 3:
        return None
    names = {name: name.casefold().replace("-", "_") for name in known if len(name) >= 3}
    found = [name for name, other in names.items() if other.startswith(folded) or folded.startswith(other)]
    return found[0] if len(found) == 1 else None


def certain(wrong: str, meant: str, known: Iterable[str]) -> bool:
    """Whether ``wrong`` can only be a slip of ``meant``: nearly the same, no digit differs, and nothing else is near."""
    if _likeness(wrong, meant) < 0.75 or re.sub("[^0-9]", "", wrong) != re.sub("[^0-9]", "", meant):
        return False
    return all(_likeness(wrong, other) < _likeness(wrong, meant) - 0.1 for other in known if other != meant)


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold().replace("-", "_"), other.casefold().replace("-", "_")).ratio()


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """Help text that names the closest known name, or ``None``."""
    name = closest(wrong, known)
    return f"did you mean `{name}`?" if name else None
