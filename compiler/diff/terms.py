"""Access as terms: per endpoint and capability, the smallest sets of atoms that allow, and those that deny again.

An atom is a subject, a condition, or a date before which a grant holds. Subjects are open in number, so principals are
never enumerated: a principal is allowed when it has all atoms of an allow and of no deny, and two plans agree when their
normal forms are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from meshplan.schemas import jsontext
from meshplan.schemas.decide import AGENT_SIDE, ANYONE, BOTH_SIDES, USER_SIDE, sides
from meshplan.schemas.plan import Grant, Plan, Rule

Atoms = frozenset[str]
ANY_USER = "user:*"
ANY_AGENT = "agent:*"
"""Stand for some user and some agent: a delegated principal has one of each, whoever they are."""

MAX_TERMS = 4096
"""More combinations of an allow and a deny than this for one capability are reported as too many to compare one by one."""


@dataclass(frozen=True, slots=True)
class Term:
    """One way to be allowed or denied: the atoms it takes, the sides it speaks for, and what it comes from."""

    atoms: Atoms
    sides: int
    grant: int
    given: tuple[str, ...]
    """The conjunction of the grant that this term is from."""
    rule: str


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal form for one class of principals: minimal allows, and minimal allows that a deny takes back."""

    allows: frozenset[Atoms]
    denied: frozenset[Atoms]

    def allowed(self, atoms: Atoms) -> bool:
        """Whether a principal with exactly these atoms is allowed."""
        return any(a <= atoms for a in self.allows) and not any(d <= atoms for d in self.denied)


@dataclass(frozen=True, slots=True)
class Terms:
    """All terms of one capability at one endpoint."""

    allows: tuple[Term, ...]
    denies: tuple[Term, ...]
    alone: Normal = field(init=False)
    """For principals that are not a user acting through an agent."""
    delegated: Normal = field(init=False)
    """For a user acting through an agent: both sides must be allowed."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "alone", _normal([t.atoms for t in self.allows], [t.atoms for t in self.denies]))
        object.__setattr__(self, "delegated", _delegated(self.allows, self.denies))

    def same(self, other: Terms) -> bool:
        """Whether exactly the same principals are allowed."""
        return self.alone == other.alone and self.delegated == other.delegated


def minimal(sets: Iterable[Atoms]) -> frozenset[Atoms]:
    """The sets that contain no other one of them."""
    kept: list[Atoms] = []
    for candidate in sorted(set(sets), key=len):
        if not any(other <= candidate for other in kept):
            kept.append(candidate)
    return frozenset(kept)


def _normal(allows: Iterable[Atoms], denies: Iterable[Atoms]) -> Normal:
    """Live allows, and the minimal unions of a live allow with a deny."""
    against = minimal(denies)
    live = [a for a in minimal(allows) if not any(d <= a for d in against)]
    return Normal(frozenset(live), minimal(a | d for a in live for d in against))


def _delegated(allows: tuple[Term, ...], denies: tuple[Term, ...]) -> Normal:
    users = [t.atoms for t in allows if t.sides & USER_SIDE]
    agents = [t.atoms for t in allows if t.sides & AGENT_SIDE]
    both = minimal(_acting(u | a) for u in minimal(users) for a in minimal(agents))
    return _normal(both, [t.atoms for t in denies])


def _acting(atoms: Atoms) -> Atoms:
    """A user who acts through an agent has some subject of either kind."""
    acting = set(atoms)
    if not any(atom.startswith("user:") for atom in atoms):
        acting.add(ANY_USER)
    if not any(atom.startswith(("agent:", "application:")) for atom in atoms):
        acting.add(ANY_AGENT)
    return frozenset(acting)


NOTHING = Terms((), ())


def access_terms(plan: Plan) -> dict[tuple[str, str], Terms]:
    """Terms by (endpoint, capability id), for everything that an endpoint offers."""
    granted = list(_granted(plan))
    found: dict[tuple[str, str], Terms] = {}
    for name, endpoint in plan.endpoints.items():
        offered = {offer.capability for offer in endpoint.offers}
        allows: dict[str, list[Term]] = {}
        denies: dict[str, list[Term]] = {}
        for rule, terms in granted:
            if rule.endpoints is None or name in rule.endpoints:
                into = allows if rule.effect == "allow" else denies
                for capability in offered.intersection(rule.covers):
                    into.setdefault(capability, []).extend(terms)
        for capability in offered:
            found[name, capability] = Terms(tuple(allows.get(capability, ())), tuple(denies.get(capability, ())))
    return found


def _granted(plan: Plan) -> Iterator[tuple[Rule, list[Term]]]:
    """Every rule with a term for each conjunction that is granted it."""
    holders: dict[str, list[int]] = {}
    for index, grant in enumerate(plan.access.grants):
        for rule_id in plan.access.roles[grant.role]:
            holders.setdefault(rule_id, []).append(index)
    for rule_id, rule in plan.access.rules.items():
        yield (
            rule,
            [
                term
                for index in holders.get(rule_id, ())
                for term in _terms(plan.access.grants[index], index, rule_id, rule)
            ],
        )


def _terms(grant: Grant, index: int, rule_id: str, rule: Rule) -> Iterator[Term]:
    extra: set[str] = set()
    if rule.when is not None:
        extra.add(f"{'if' if rule.effect == 'allow' else 'unless'}:{jsontext.canonical(rule.when)}")
    if grant.expires is not None:
        extra.add(f"before:{grant.expires}")
    for conjunction in grant.to:
        speaks = BOTH_SIDES if grant.delegated == "union" else sides(conjunction)
        yield Term(frozenset({*conjunction, *extra} - {ANYONE}), speaks, index, conjunction, rule_id)


def gained(before: Normal, after: Normal) -> frozenset[Atoms]:
    """The smallest principals that are allowed after and were not before; everybody who gained contains one of them."""
    candidates = {a for a in after.allows if not before.allowed(a)}
    candidates |= {a | d for a in after.allows for d in before.denied}
    return minimal(c for c in candidates if after.allowed(c) and not before.allowed(c))


def except_when(normal: Normal, witness: Atoms) -> frozenset[Atoms]:
    """What takes the access of a witness back again: the X in "unless also X"."""
    return minimal(d - witness for d in normal.denied if not d <= witness)


def every_cell(
    before: Mapping[tuple[str, str], Terms], after: Mapping[tuple[str, str], Terms]
) -> list[tuple[str, str]]:
    """The (endpoint, capability) pairs of either plan, in a stable order."""
    return sorted({*before, *after})
