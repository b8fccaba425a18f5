"""Everybody who can reach a capability: the smallest principals, what takes it from them again, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from meshplan.compiler.access.grounds import Grounds
from meshplan.compiler.access.naming import shown_as
from meshplan.compiler.diff.access import over, who_of
from meshplan.compiler.diff.cells import LIVE, Cell
from meshplan.compiler.diff.edits import place_in
from meshplan.compiler.diff.model import Place, Who
from meshplan.compiler.diff.terms import ANY_AGENT, ANY_USER, Atoms, Terms, smallest_atoms
from meshplan.schemas.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Basis:
    """A rule as a grant gives it."""

    rule: str
    rule_at: Place | None
    role: str
    grant_at: Place | None


@dataclass(frozen=True, slots=True)
class Reaching:
    """The smallest principal that can reach it, and the rules that let it."""

    who: Who
    by: tuple[Basis, ...]
    acting: bool
    """Whether it holds for a user who acts through an agent, too: both sides must be allowed."""


@dataclass(frozen=True, slots=True)
class Reachable:
    """One way to the capability: at an endpoint, called itself or by what the mesh makes of it (``via``)."""

    endpoint: str
    capability: str
    name: str
    via: str
    reaching: tuple[Reaching, ...]


def who_can(bundle: Bundle, capability: str, endpoint: str | None, today: date) -> tuple[Reachable, ...]:
    """Every way to a capability, those by way of a binding or a workflow after the others."""
    grounds = Grounds(bundle.plan, today)
    made = {
        name for name, calls in grounds.cells.calls.items() if capability in calls.capabilities and not calls.run_as
    }
    cells = [
        cell
        for cell in grounds.cells.keys
        if (cell.capability == capability or cell.capability in made)
        and cell.via != LIVE
        and endpoint in (None, cell.endpoint)
    ]
    found: list[Reachable] = []
    for cell in sorted(cells, key=lambda cell: (bool(cell.via) or cell.capability in made, cell)):
        via = cell.via or (cell.capability if cell.capability in made else "")
        name = shown_as(bundle.plan, cell.endpoint, via or cell.capability)
        found.append(Reachable(cell.endpoint, capability, name, via, _reaching(bundle, grounds, cell, today)))
    return tuple(found)


def _reaching(bundle: Bundle, grounds: Grounds, cell: Cell, today: date) -> tuple[Reaching, ...]:
    terms = grounds.cells.terms(cell)
    alone = {
        atoms: terms.delegated.allowed(atoms | {ANY_USER, ANY_AGENT})
        for atoms in smallest_atoms(terms.alone.allows)
        if not over(atoms, today)
    }
    delegated = [
        atoms
        for atoms in smallest_atoms(terms.delegated.allows)
        if not over(atoms, today) and not any(acting and other <= atoms for other, acting in alone.items())
    ]
    own = (
        Reaching(who_of(terms, atoms, delegated=False), _basis(bundle, terms, atoms), acting)
        for atoms, acting in alone.items()
    )
    through = (
        Reaching(who_of(terms, atoms, delegated=True), _basis(bundle, terms, atoms), acting=True) for atoms in delegated
    )
    return (*own, *through)


def _basis(bundle: Bundle, terms: Terms, atoms: Atoms) -> tuple[Basis, ...]:
    """The terms that a principal with exactly these atoms has, once each."""
    found = {
        Basis(
            term.rule,
            place_in(bundle, f"rule:{term.rule}")[0],
            bundle.plan.access.grants[term.grant].role,
            place_in(bundle, f"grant:{term.grant}")[0],
        ): None
        for stage in terms.stages
        for term in stage
        if term.atoms <= atoms
    }
    return tuple(found)
