"""Did you mean: the one closest name, or none."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import lru_cache

_ENOUGH = 0.66
"""How alike two names must be, from 0 to 1 (the share of characters that they have in common, in order)."""
_SURE = 0.75
_APART = 0.1


def closest(wrong: str, known: Iterable[str]) -> str | None:
    """The known name that ``wrong`` is most likely a slip of; ties go to the first in sorted order."""
    return _closest(wrong[:200], tuple(sorted(known)))


@lru_cache(maxsize=1024)
def _closest(wrong: str, known: tuple[str, ...]) -> str | None:
    folded, letters = _folded(wrong), frozenset(_folded(wrong))
    matcher = SequenceMatcher(None, "", folded)
    best, best_ratio = None, _ENOUGH - 1e-9
    for name in known:
        other = _folded(name)
        if other == folded:
            return name
        # Two bounds that are cheap to have before the real comparison: what is that long, and made of these letters.
        needed = best_ratio * (len(other) + len(folded)) / 2
        if min(len(other), len(folded)) <= needed or sum(map(letters.__contains__, other)) <= needed:
            continue
        matcher.set_seq1(other)
        if matcher.quick_ratio() > best_ratio and (ratio := matcher.ratio()) > best_ratio:
            best, best_ratio = name, ratio
    return best or _only_beginning(folded, known)


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    return name.casefold().replace("-", "_")


def _only_beginning(folded: str, known: Iterable[str]) -> str | None:
    """The one name that begins with what was written, or that it begins with."""
    if len(folded) < 3:
        return None
    names = {name: _folded(name) for name in known if len(name) >= 3}
    found = [name for name, other in names.items() if other.startswith(folded) or folded.startswith(other)]
    return found[0] if len(found) == 1 else None


def certain(wrong: str, meant: str, known: Iterable[str]) -> bool:
    """Whether ``wrong`` can only be a slip of ``meant``: nearly the same, no digit differs, and nothing else is near."""
    return _certain(wrong[:200], meant, tuple(known))


@lru_cache(maxsize=1024)
def _certain(wrong: str, meant: str, known: tuple[str, ...]) -> bool:
    ratio = SequenceMatcher(None, _folded(wrong), _folded(meant)).ratio()
    if ratio < _SURE or re.sub("[^0-9]", "", wrong) != re.sub("[^0-9]", "", meant):
        return False
    matcher = SequenceMatcher(None, "", _folded(wrong))
    near = ratio - _APART
    for other in known:
        matcher.set_seq1(_folded(other))
        if other != meant and matcher.real_quick_ratio() >= near and matcher.quick_ratio() >= near <= matcher.ratio():
            return False
    return True


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """Help text that names the closest known name, or ``None``."""
    name = closest(wrong, known)
    return f"did you mean `{name}`?" if name else None
