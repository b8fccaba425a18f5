"""A diff for every environment, equal ones collapsed; what `mesh plan` and `mesh diff` have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from meshplan.compiler.assure.gates import Sides, gated, stands_open
from meshplan.compiler.diff.compare import Acknowledged, Compared, as_agreed, compare, unacknowledged
from meshplan.compiler.diff.model import Change, Diff, Ref
from meshplan.compiler.diff.sides import Source, compiled_side
from meshplan.compiler.diff.unknown import agreed_with_base, nothing_like, with_unknown_base
from meshplan.compiler.draft import Draft
from meshplan.compiler.exits import DIFFERENCES, HELD_BY_GUARD, OK
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.project import Project


@dataclass(frozen=True, slots=True)
class Outcome:
    """Diffs, one for each group of environments that are equal, or what kept the side after from compiling."""

    diffs: tuple[Diff, ...]
    broken: tuple[Compiled, ...]
    expired: tuple[str, ...]
    """Fingerprints of changes whose acknowledgement has ended."""
    held: tuple[Compiled, ...] = ()
    """The sides after that their own guards refuse."""

    @property
    def stopped(self) -> tuple[Change, ...]:
        """Changes of guards, or against them, that nobody agreed to."""
        return tuple(dict.fromkeys(change for diff in self.diffs for change in stands_open(diff.changes)))


def diff_everywhere(project: Project, before: Source, after: Source, *, today: date) -> Outcome:
    """Compare two sides: for the chosen environment, or for the mesh without one and each that either declares."""
    names: list[str | None] = [project.environment]
    if project.environment is None:
        declared = {*before.environments(project), *after.environments(project)}
        names += sorted(declared)
    found: list[Diff] = []
    broken: list[Compiled] = []
    held: list[Compiled] = []
    expired: set[str] = set()
    for name in names:
        old, old_said = compiled_side(project, before, name)
        new, new_said = compiled_side(project, after, name)
        if new is None:
            broken += [] if new_said is None else [new_said]
            continue
        agreed = acknowledgements(new_said)
        if old is None:
            found.append(_from_nothing(before.label, old_said, new, agreed, today, name))
        else:
            diff = compare(old, new, acknowledged=agreed, today=today, environment=name)
            found.append(_gated(diff, Sides(old.bundle, new.bundle, _draft(old_said), _draft(new_said)), agreed, today))
        held += [] if new_said is None or new_said.held is None else [new_said]
        expired |= _expired(found[-1], agreed, today)
    return Outcome(collapsed(found), tuple(broken), tuple(sorted(expired)), tuple(held))


def _draft(compiled: Compiled | None) -> Draft | None:
    return None if compiled is None else compiled.draft


def _from_nothing(
    label: str, said: Compiled | None, new: Compared, agreed: Mapping[str, Acknowledged], today: date, name: str | None
) -> Diff:
    """The diff from a side that does not compile, whose guards are not known either."""
    diff = compare(nothing_like(new, label), new, acknowledged=agreed, today=today, environment=name)
    found = with_unknown_base(diff, () if said is None else said.diagnostics)
    return agreed_with_base(replace(found, changes=tuple(as_agreed(change, agreed, today) for change in found.changes)))


def _gated(diff: Diff, sides: Sides, agreed: Mapping[str, Acknowledged], today: date) -> Diff:
    """The diff with what the guards of the side before say; what breaks one is a change like others."""
    gates, broken = gated(sides, diff.changes, today)
    changes = tuple(as_agreed(change, agreed, today) for change in broken)
    mine = {change.fingerprint for change in changes}
    stale = tuple(mark for mark in diff.stale_acknowledgements if mark not in mine)
    return replace(diff, gates=gates, changes=(*changes, *diff.changes), stale_acknowledgements=stale)


def acknowledgements(compiled: Compiled | None) -> dict[str, Acknowledged]:
    """What the after side's own files agree to."""
    if compiled is None or compiled.draft.mesh is None:
        return {}
    entries = compiled.draft.mesh.acknowledge
    return {entry.change: Acknowledged(entry.reason, date.fromisoformat(entry.until)) for entry in entries}


def _expired(diff: Diff, agreed: Mapping[str, Acknowledged], today: date) -> set[str]:
    open_ones = {change.fingerprint for change in unacknowledged(diff)}
    return {mark for mark, known in agreed.items() if mark in open_ones and known.until <= today}


def collapsed(diffs: list[Diff]) -> tuple[Diff, ...]:
    """Environments with the same difference are said together."""
    groups: dict[str, Diff] = {}
    for diff in diffs:
        bare = repr(replace(diff, environments=(), before=Ref("", None), after=Ref("", None)))
        known = groups.get(bare)
        groups[bare] = diff if known is None else replace(known, environments=(*known.environments, *diff.environments))
    return tuple(groups.values())


def exit_code(outcome: Outcome, *, exit_code: bool) -> int:
    """3 for an acknowledgement that has ended and for whatever a guard holds back; with ``exit_code`` 3 for what nobody agreed to, and 2 for any difference."""
    if outcome.expired or outcome.held or outcome.stopped:
        return HELD_BY_GUARD
    if not exit_code:
        return OK
    if any(unacknowledged(diff) for diff in outcome.diffs):
        return HELD_BY_GUARD
    return DIFFERENCES if any(not diff.empty for diff in outcome.diffs) else OK
