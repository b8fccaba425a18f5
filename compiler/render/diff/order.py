"""The order of what is shown: the most dangerous first, whatever order the values come in."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.diff.model import AccessChange, Change, LockChange, TokenCost
from meshplan.schemas.capability import EFFECTS

GUARDS = ("base:", "gate:", "invariant:", "policy:")
"""Subjects of changes that are about what may never be, or that take the guards of the side before away."""


def by_danger(changes: Iterable[AccessChange]) -> list[AccessChange]:
    """What an environment's patch causes, for it is easily missed; destructive, write, read; gained before lost; by name."""
    return sorted(
        changes,
        key=lambda c: (not is_patched(c), -EFFECTS.index(c.effect), not c.gained, c.capability, c.endpoint),
    )


def is_patched(change: AccessChange) -> bool:
    """Whether an environment's patch has a part in it."""
    return any(cause.kind == "environment patch" for causes in change.causes for cause in causes)


def resources(changes: Iterable[Change]) -> list[Change]:
    """What is about guards, of that what an environment's patch does; what widens, what breaks, the rest; by subject."""
    return sorted(changes, key=_of_resource)


def _of_resource(c: Change) -> tuple[bool, bool, bool, bool, str, str]:
    guard = c.subject.startswith(GUARDS)
    return not guard, guard and not c.patched, not c.widening, not c.breaking, c.subject, c.verb


def definitions(changes: Iterable[LockChange]) -> list[LockChange]:
    """What widens, what breaks, the rest; then by name, a server before its capabilities."""
    return sorted(changes, key=lambda c: (not c.widening, not c.breaking, c.server, c.capability or ""))


def costs(tokens: Iterable[TokenCost]) -> list[TokenCost]:
    """What changes or is over its limit: by endpoint, the whole surface before roles."""
    shown = [t for t in tokens if t.before != t.after or is_over(t)]
    return sorted(shown, key=lambda t: (t.endpoint, t.role or ""))


def is_over(cost: TokenCost) -> bool:
    """Whether a surface costs more than its limit allows."""
    return cost.limit is not None and cost.after is not None and cost.after > cost.limit
