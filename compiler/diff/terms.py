"""Access as terms: the smallest sets of atoms that allow, and those that deny again, in a normal form to compare.

An atom is a subject, a conjunct of a condition, or a date before which a grant holds. Subjects are open in number, so
principals are never enumerated: a principal is allowed when it has all atoms of an allow and of no deny, and two plans
agree when their normal forms are equal. Sets are closed under what an atom implies (``Implied``), so that comparing
sets compares meanings.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import chain

from meshplan.schemas.decide import AGENT_SIDE, ANYONE, USER_SIDE

Atoms = frozenset[str]
USER, AGENTS = "user:", ("agent:", "application:")
ANY_USER, ANY_AGENT = "user:*", "agent:*"
"""Stand for some user and some agent: a delegated principal has one of each, whoever they are."""
IF, UNLESS, UNTIL = "if:", "unless:", "before:"


@dataclass(frozen=True, slots=True)
class Implied:
    """What atoms imply: a date every later one of ``dates`` (sorted), an allow's condition the same one in a deny.

    ``never`` are sets of subjects that nobody has together.
    """

    dates: tuple[str, ...] = ()
    never: tuple[Atoms, ...] = ()

    def closed(self, atoms: Iterable[str]) -> Atoms:
        """The atoms with all that they imply."""
        found = set(atoms)
        for atom in atoms:
            if atom.startswith(IF):
                found.add(UNLESS + atom.removeprefix(IF))
            elif atom.startswith(UNTIL):
                found.update(UNTIL + day for day in self.dates if day >= atom.removeprefix(UNTIL))
        return frozenset(found)

    def possible(self, atoms: Atoms) -> bool:
        """Whether somebody can have all of these atoms: whoever cannot holds no role on either side."""
        return not any(held <= atoms for held in self.never)

    def taken(self, given: Iterable[str], conditions: Iterable[str], expires: str | None) -> Atoms:
        """All that it takes to have a grant to a conjunction of subjects, under conditions, while it lasts."""
        dated = () if expires is None else (UNTIL + expires,)
        return self.closed([*(s for s in given if s != ANYONE), *conditions, *dated])


def essential(atoms: Atoms) -> Atoms:
    """The atoms without what others of them imply: what is shown, and what a fingerprint is made of."""
    days = sorted(atom for atom in atoms if atom.startswith(UNTIL))
    implied = {*days[1:], *(UNLESS + atom.removeprefix(IF) for atom in atoms if atom.startswith(IF))}
    if any(atom.startswith(USER) and atom != ANY_USER for atom in atoms):
        implied.add(ANY_USER)
    if any(atom.startswith(AGENTS) and atom != ANY_AGENT for atom in atoms):
        implied.add(ANY_AGENT)
    return atoms - implied


@dataclass(frozen=True, slots=True)
class Term:
    """One way to be allowed or denied: the atoms it takes, the sides it speaks for, and what it comes from."""

    atoms: Atoms
    sides: int
    grant: int
    given: tuple[str, ...]
    """The conjunction of the grant that this term is from."""
    rule: str
    capability: str
    """What the rule covers: the capability itself, or one that it calls."""


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal form for one class of principals: minimal allows, and minimal allows that a deny takes back."""

    allows: frozenset[Atoms]
    denied: frozenset[Atoms]
    acting: bool
    """Whether it is for users who act through an agent, who are their own class."""

    def allowed(self, atoms: Atoms) -> bool:
        """Whether a principal with exactly these atoms is allowed."""
        return any(a <= atoms for a in self.allows) and not any(d <= atoms for d in self.denied)

    def possible(self, atoms: Atoms) -> bool:
        """Whether a principal of this class can have these atoms."""
        return self.acting or not both_kinds(atoms)


@dataclass(frozen=True)
class Terms:
    """All terms of one capability at one endpoint; a principal needs an allow of every stage, and no deny."""

    stages: tuple[tuple[Term, ...], ...]
    denies: tuple[Term, ...]

    @cached_property
    def alone(self) -> Normal:
        """For principals that are not a user acting through an agent."""
        allows = _product(minimal(t.atoms for t in stage) for stage in self.stages)
        return _normal(allows, [t.atoms for t in self.denies], acting=False)

    @cached_property
    def delegated(self) -> Normal:
        """For a user acting through an agent: both sides must be allowed."""
        allows = _product(_by_both(stage) for stage in self.stages)
        return _normal((a | {ANY_USER, ANY_AGENT} for a in allows), [t.atoms for t in self.denies], acting=True)

    def same(self, other: Terms) -> bool:
        """Whether exactly the same principals are allowed."""
        return self.alone == other.alone and self.delegated == other.delegated


NOTHING = Terms((), ())


def minimal(sets: Iterable[Atoms]) -> frozenset[Atoms]:
    """The sets that contain no other one of them."""
    kept: list[Atoms] = []
    for candidate in sorted(set(sets), key=len):
        if not any(other <= candidate for other in kept):
            kept.append(candidate)
    return frozenset(kept)


def both_kinds(atoms: Atoms) -> bool:
    """Whether there are subjects of a user and of an agent among them: together, they are a user who acts through it."""
    return any(atom.startswith(USER) for atom in atoms) and any(atom.startswith(AGENTS) for atom in atoms)


def _by_both(stage: tuple[Term, ...]) -> frozenset[Atoms]:
    users = minimal(t.atoms for t in stage if t.sides & USER_SIDE)
    agents = minimal(t.atoms for t in stage if t.sides & AGENT_SIDE)
    return minimal(u | a for u in users for a in agents)


def _product(stages: Iterable[frozenset[Atoms]]) -> frozenset[Atoms]:
    found: frozenset[Atoms] | None = None
    for stage in stages:
        found = stage if found is None else minimal(a | b for a in found for b in stage)
    return found or frozenset()


def _normal(allows: Iterable[Atoms], denies: Iterable[Atoms], *, acting: bool) -> Normal:
    """Live allows, and the minimal unions of a live allow with a deny; without what nobody of the class can have."""
    against = minimal(denies)
    live = [a for a in minimal(allows) if (acting or not both_kinds(a)) and not any(d <= a for d in against)]
    denied = (a | d for a in live for d in against)
    return Normal(frozenset(live), minimal(d for d in denied if acting or not both_kinds(d)), acting)


def gained(before: Normal, after: Normal) -> frozenset[Atoms]:
    """The smallest principals that are allowed after and were not before; everybody who gained contains one of them."""
    candidates = chain(after.allows, (a | d for a in after.allows for d in before.denied))
    found = (c for c in candidates if after.possible(c) and after.allowed(c) and not before.allowed(c))
    return minimal(found)


def except_when(normal: Normal, witness: Atoms) -> frozenset[Atoms]:
    """What takes the access of a witness back again: the X in "unless also X"."""
    return minimal(d - witness for d in normal.denied if not d <= witness and normal.possible(d | witness))


def shown_atoms(atoms: Atoms) -> tuple[str, ...]:
    """Atoms without what others of them imply, in a stable order, subjects first."""
    return tuple(sorted(essential(atoms), key=lambda atom: (atom.startswith((IF, UNLESS, UNTIL)), atom)))


def smallest_atoms(sets: Iterable[Atoms]) -> list[Atoms]:
    """Minimal sets in a stable order."""
    return sorted(minimal(sets), key=lambda atoms: (len(atoms), shown_atoms(atoms)))


def is_over(expires: str | None, today: date) -> bool:
    """Whether a grant that ends on a day is over on another."""
    return expires is not None and date.fromisoformat(expires) <= today
