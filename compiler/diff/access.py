"""Who gains and who loses what, cell by cell: exact, with the smallest principals and the causes of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from meshplan.compiler.diff.causes import MAX_SETS, all_minimal_edits, smallest_sets
from meshplan.compiler.diff.cells import LIVE, Cell, suspects
from meshplan.compiler.diff.fingerprint import fingerprint
from meshplan.compiler.diff.formula import Edits, Formulas, Shape
from meshplan.compiler.diff.model import AccessChange, Cause, Who
from meshplan.compiler.diff.provenance import Side
from meshplan.compiler.diff.terms import (
    UNTIL,
    Atoms,
    Normal,
    Terms,
    both_kinds,
    except_when,
    gained,
    shown_atoms,
    smallest_atoms,
)
from meshplan.schemas.capability import EFFECTS, CapabilityKey, Effect


class _Differing(NamedTuple):
    gained: tuple[Who, ...]
    lost: tuple[Who, ...]
    old: list[list[list[str]]]
    new: list[list[list[str]]]


class _Causes(NamedTuple):
    sets: tuple[tuple[Cause, ...], ...]
    more: bool


Witness = tuple[Atoms, bool]
"""The smallest principal that is meant, and whether it is a user who acts through an agent."""


def access_changes(before: Side, after: Side, *, today: date) -> tuple[AccessChange, ...]:
    """One change for each cell that not exactly the same principals may reach from ``today`` on.

    The sides must be of ``both_sides``. A step of a workflow is its own cell where more than the workflow changes.
    """
    if before.cells.implied != after.cells.implied:
        raise ValueError("the sides were not made to be compared")
    found: dict[Cell, AccessChange] = {}
    known = _Comparison(before, after, today)
    for cell in sorted(suspects(before.cells, after.cells), key=lambda cell: (cell.via != "", cell)):
        change = _change(known, cell)
        if change is not None and not _said(change, found.get(Cell(cell.endpoint, cell.via))):
            found[cell] = change
    return tuple(sorted(found.values(), key=_danger))


def _said(step: AccessChange, workflow: AccessChange | None) -> bool:
    """Whether the change of a workflow says already who gains and loses this step."""
    return workflow is not None and (workflow.gained, workflow.lost) == (step.gained, step.lost)


def _danger(change: AccessChange) -> tuple[int, bool, str, str, str]:
    """The most severe effect first, gains before losses."""
    return -EFFECTS.index(change.effect), not change.gained, change.endpoint, change.capability, change.via


class _Comparison:
    """What is the same for many cells, computed once: who differs between two terms, and why for a shape."""

    def __init__(self, before: Side, after: Side, today: date) -> None:
        self.sides, self._today = (before, after), today
        self._formulas = Formulas(before, after, today=today)
        self._differing: dict[tuple[object, object], _Differing] = {}
        self._found: dict[tuple[Shape, bool, bool], _Causes] = {}

    def differing(self, cell: Cell) -> _Differing:
        """Who gained and who lost, and both forms for the fingerprint."""
        before, after = self.sides
        key = (before.cells.likeness(cell), after.cells.likeness(cell))
        if key not in self._differing:
            self._differing[key] = self._differ(before.cells.terms(cell), after.cells.terms(cell))
        return self._differing[key]

    def _differ(self, old: Terms, new: Terms) -> _Differing:
        if old.same(new):
            return _Differing((), (), [], [])
        gained_now, lost = self._whos(old, new), self._whos(new, old)
        return _Differing(gained_now, lost, _form(old), _form(new))

    def _whos(self, old: Terms, new: Terms) -> tuple[Who, ...]:
        """The smallest principals that only the new terms allow, as far as there can be such."""
        possible = self.sides[0].cells.implied.possible
        return tuple(
            who_of(new, atoms, delegated=delegated, possible=possible)
            for atoms, delegated in _witnesses(old, new, self._today)
            if possible(atoms)
        )

    def causes(self, cell: Cell, differing: _Differing) -> _Causes:
        """The minimal sets of edits for everybody who gained or lost, the smallest first, and whether there are more."""
        shape = self._formulas.shape(cell)
        key = (shape, bool(differing.gained), bool(differing.lost))
        if key not in self._found:
            self._found[key] = self._causes(*key)
        return self._found[key]

    def _causes(self, shape: Shape, gains: bool, losses: bool) -> _Causes:
        found: set[Edits] = set()
        whole = True
        implied = self.sides[0].cells.implied

        def alone(who: Atoms) -> bool:
            return implied.possible(who) and not both_kinds(who)

        for acting in (False, True):
            formula = self._formulas.of(shape, delegated=acting)
            for gained_now in [True] * gains + [False] * losses:
                known = all_minimal_edits(formula, implied.possible if acting else alone, gained=gained_now)
                found |= set(known.sets)
                whole = whole and known.whole
        shown = [tuple(sorted(edits, key=lambda c: (c.kind, c.text, str(c.place)))) for edits in smallest_sets(found)]
        ordered = sorted(shown, key=lambda edits: (len(edits), [(c.kind, c.text, str(c.place)) for c in edits]))
        return _Causes(tuple(ordered[:MAX_SETS]), not whole or len(ordered) > MAX_SETS)


def _change(known: _Comparison, cell: Cell) -> AccessChange | None:
    before, after = known.sides
    differing = known.differing(cell)
    if not differing.gained and not differing.lost:
        return None
    causes = known.causes(cell, differing)
    key = CapabilityKey.of(cell.capability)
    via = f":{cell.via}" if cell.via else ""
    subject = f"access:{cell.endpoint}:{cell.capability}{via}"
    return AccessChange(
        endpoint=cell.endpoint,
        capability=cell.capability,
        via=cell.via,
        kind=key.kind,
        name=key.name if cell.via else _name(after, cell) or _name(before, cell) or cell.capability,
        effect="read" if cell.via == LIVE else _effect(before, after, cell.capability),
        gained=differing.gained,
        lost=differing.lost,
        causes=causes.sets,
        more_causes=causes.more,
        breaking=bool(differing.lost),
        widening=bool(differing.gained),
        fingerprint=fingerprint(subject, differing.old, differing.new),
    )


def _witnesses(old: Terms, new: Terms, today: date) -> list[Witness]:
    """The smallest principals that are allowed by ``new`` only; delegated ones where the others do not say it."""
    alone = [a for a in smallest_atoms(gained(old.alone, new.alone)) if not over(a, today)]
    delegated = [
        atoms
        for atoms in smallest_atoms(gained(old.delegated, new.delegated))
        if not over(atoms, today) and not any(other <= atoms for other in alone)
    ]
    return [*((atoms, False) for atoms in alone), *((atoms, True) for atoms in delegated)]


def over(atoms: Atoms, today: date) -> bool:
    """Whether it takes a day that is over to have these atoms."""
    return any(a.startswith(UNTIL) and date.fromisoformat(a.removeprefix(UNTIL)) <= today for a in atoms)


def who_of(terms: Terms, atoms: Atoms, *, delegated: bool, possible: Callable[[Atoms], bool] = lambda _: True) -> Who:
    """A witness of these terms, with what takes its access away again, as far as somebody can have that."""
    normal: Normal = terms.delegated if delegated else terms.alone
    also = (more for more in except_when(normal, atoms) if possible(atoms | more))
    unless = tuple(shown_atoms(more) for more in smallest_atoms(also))
    return Who(shown_atoms(atoms), unless, delegated)


def _name(side: Side, cell: Cell) -> str | None:
    endpoint = side.plan.endpoints.get(cell.endpoint)
    return next((o.name for o in endpoint.offers if o.capability == cell.capability), None) if endpoint else None


def _effect(before: Side, after: Side, capability: str) -> Effect:
    """The more severe of the two sides': what is at stake."""
    known: list[Effect] = [effect for side in (before, after) if (effect := side.locked(capability)) is not None]
    return max(known, key=EFFECTS.index) if known else "destructive"


def _form(terms: Terms) -> list[list[list[str]]]:
    """The normal form, as data for a fingerprint."""
    sets = (terms.alone.allows, terms.alone.denied, terms.delegated.allows, terms.delegated.denied)
    return [sorted(list(shown_atoms(atoms)) for atoms in found) for found in sets]
