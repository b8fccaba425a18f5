"""Two plans in, one `Diff` out; acknowledgements are matched by fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

from meshplan.compiler.diff.access import access_changes
from meshplan.compiler.diff.bundlelocks import bundle_locks
from meshplan.compiler.diff.lockplaces import LockPlaces
from meshplan.compiler.diff.locks import Effects, lock_changes
from meshplan.compiler.diff.model import AccessChange, Change, Diff, LockChange, Ref
from meshplan.compiler.diff.provenance import both_sides
from meshplan.compiler.diff.resources import resource_changes, rewritten
from meshplan.compiler.diff.tokens import token_changes
from meshplan.compiler.lockfile import ServerLock
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey, Effect


@dataclass(frozen=True, slots=True)
class Compared:
    """One side as it was found: how it is called, its plan, and its locks where its sources are at hand."""

    label: str
    bundle: Bundle
    locks: Mapping[str, ServerLock] | None
    places: LockPlaces | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """That one change was agreed to, why, and until when."""

    reason: str
    until: date


def compare(
    before: Compared, after: Compared, *, acknowledged: Mapping[str, Acknowledged], today: date, environment: str | None
) -> Diff:
    """Everything that differs; pure, and the same for the same two plans."""
    old, new = both_sides(before.bundle, after.bundle)
    old.places, new.places = before.places, after.places
    lock = _lock(before, after)
    new.resembling = {
        c.capability: (c.renamed_from, c.score) for c in lock if c.capability and c.renamed_from and c.score
    }
    lock = tuple(as_agreed(_placed(change, before, after), acknowledged, today) for change in lock)
    access = tuple(as_agreed(change, acknowledged, today) for change in access_changes(old, new, today=today))
    changes = tuple(as_agreed(change, acknowledged, today) for change in resource_changes(old, new))
    tokens = token_changes(before.bundle, after.bundle)
    if not (access or changes or lock or tokens):
        changes = rewritten(old, new)
    seen = {change.fingerprint for change in (*access, *changes, *lock)}
    return Diff(
        before=Ref(before.label, before.bundle.digest),
        after=Ref(after.label, after.bundle.digest),
        environments=() if environment is None else (environment,),
        access=access,
        changes=changes,
        lock=lock,
        tokens=tokens,
        stale_acknowledgements=tuple(sorted(set(acknowledged) - seen)),
    )


def _lock(before: Compared, after: Compared) -> tuple[LockChange, ...]:
    effects = _effects(before.bundle, after.bundle)
    if before.locks is not None and after.locks is not None:
        return lock_changes(before.locks, after.locks, *effects)
    return lock_changes(*bundle_locks(before.bundle, after.bundle), *effects)


def _placed(change: LockChange, before: Compared, after: Compared) -> LockChange:
    """The change with its entry in the lock file of the side that has it."""
    places = (before if "gone" in change.classes else after).places
    if places is None:
        return change
    if change.capability is not None:
        return replace(change, place=places.capability(change.capability))
    part = {"identity": "transport", "package": "package"}.get(change.classes[0], "server_info")
    return replace(change, place=places.server(change.server, part))


_Judged = TypeVar("_Judged", AccessChange, Change, LockChange)


def as_agreed(change: _Judged, acknowledged: Mapping[str, Acknowledged], today: date) -> _Judged:
    """The change, acknowledged where it is."""
    agreed = acknowledged.get(change.fingerprint)
    return change if agreed is None or agreed.until <= today else replace(change, acknowledged=agreed.reason)


def _effects(before: Bundle, after: Bundle) -> tuple[Effects, Effects]:
    """The effects of what is locked that are not the same on both sides, by side."""
    old, new = before.source_map, after.source_map
    differ = [
        name
        for name in {**old, **new}
        if name.startswith("locked:") and (old.get(name) or [None])[3:4] != (new.get(name) or [None])[3:4]
    ]
    return _by_key(old, differ), _by_key(new, differ)


def _by_key(places: Mapping[str, list[str | int]], names: Iterable[str]) -> Effects:
    found: dict[CapabilityKey, Effect] = {}
    for name in names:
        effect = places[name][3] if name in places else None
        if effect in ("read", "write", "destructive"):
            found[CapabilityKey.of(name.removeprefix("locked:"))] = effect
    return found


def unacknowledged(diff: Diff) -> list[AccessChange | Change | LockChange]:
    """The changes that break or widen and that nobody has agreed to."""
    return [
        c for c in (*diff.access, *diff.changes, *diff.lock) if (c.breaking or c.widening) and c.acknowledged is None
    ]
