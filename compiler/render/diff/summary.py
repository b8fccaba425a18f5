"""A diff in numbers; the same numbers in every rendering."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshplan.compiler.diff.model import Diff
from meshplan.compiler.render.words import counted

COUNTERS = ("access_added", "access_removed", "breaking", "widening", "changes", "lock", "unacknowledged")


def summary(diffs: Sequence[Diff]) -> dict[str, int]:
    """The counters, added up; a change in two groups of environments counts twice.

    `access_added` and `access_removed` count (endpoint, capability) pairs that somebody gained or lost, `breaking` and
    `widening` changes of any kind, `unacknowledged` those with a fingerprint that nobody acknowledged.
    """
    access = [change for diff in diffs for change in diff.access]
    changes = [change for diff in diffs for change in diff.changes]
    lock = [change for diff in diffs for change in diff.lock]
    grave = [c for c in (*access, *changes, *lock) if c.breaking or c.widening]
    numbers = (
        sum(bool(change.gained) for change in access),
        sum(bool(change.lost) for change in access),
        sum(change.breaking for change in (*access, *changes, *lock)),
        sum(change.widening for change in (*access, *changes, *lock)),
        len(changes),
        len(lock),
        sum(change.acknowledged is None for change in grave),
    )
    return dict(zip(COUNTERS, numbers, strict=True))


def in_words(diffs: Sequence[Diff]) -> str:
    """`access +2 -1, 3 breaking, 2 widening, 1 not acknowledged`; what there is none of is left out."""
    numbers = summary(diffs)
    added, removed = numbers["access_added"], numbers["access_removed"]
    access = " ".join(f"{sign}{number}" for sign, number in (("+", added), ("-", removed)) if number)
    parts = [
        f"access {access}" if access else "",
        *_some(numbers, {"breaking": "{} breaking", "widening": "{} widening"}),
        counted(numbers["changes"], "resource change") if numbers["changes"] else "",
        counted(numbers["lock"], "lock change") if numbers["lock"] else "",
        *_some(numbers, {"unacknowledged": "{} not acknowledged"}),
    ]
    return ", ".join(part for part in parts if part) or "token costs only"


def _some(numbers: dict[str, int], wanted: dict[str, str]) -> Iterable[str]:
    return (words.format(numbers[name]) for name, words in wanted.items() if numbers[name])
