"""What each term of access rests on: facts that hold on one side of a diff and can be looked up on the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from pydantic import JsonValue

from meshplan.compiler.diff.cells import Cells
from meshplan.compiler.diff.lockplaces import LockPlaces
from meshplan.compiler.diff.terms import Atoms, Implied
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import Effect
from meshplan.schemas.plan import Grant, Plan


class Offered(NamedTuple):
    """The endpoint offers the capability, or forwards the live resources of the server that it is of."""

    endpoint: str
    capability: str
    live: bool


class Covered(NamedTuple):
    """The rule speaks about the capability at the endpoint, with this effect and condition."""

    rule: str
    endpoint: str
    capability: str
    effect: str
    when: str


class Held(NamedTuple):
    """The role holds the rule, by itself or by `extends`."""

    role: str
    rule: str


class Granted(NamedTuple):
    """Whoever proves the conjunction has the role."""

    role: str
    to: tuple[str, ...]
    expires: str | None
    delegated: str


class Called(NamedTuple):
    """A tool that the mesh makes calls the capability, on whose behalf ``run_as`` says (empty for a binding)."""

    made: str
    capability: str
    run_as: str


class Excluded(NamedTuple):
    """Whoever has both conjunctions of subjects holds no role."""

    one: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def atoms(self) -> Atoms:
        """The subjects that it takes to be refused."""
        return frozenset((*self.one, *self.other))


Fact = Offered | Covered | Held | Granted | Called | Excluded


class Side:
    """One side of a diff: its terms, its facts, and where each fact is written."""

    def __init__(self, bundle: Bundle, implied: Implied) -> None:
        self.bundle, self.plan = bundle, bundle.plan
        self.excluded = frozenset(_excluded(bundle.plan))
        """Every two of what excludes each other."""
        self.cells = Cells(bundle.plan, implied, sorted({fact.atoms for fact in self.excluded}, key=sorted))
        self.places: LockPlaces | None = None
        """Where the lock has its entries, where the sources are at hand."""
        self.resembling: dict[str, tuple[str, float]] = {}
        """New capabilities and the gone ones that they resemble, with the score."""

    @cached_property
    def _offered(self) -> dict[str, set[str]]:
        return {name: {o.capability for o in e.offers} for name, e in self.plan.endpoints.items()}

    @cached_property
    def _roles(self) -> dict[str, frozenset[str]]:
        return {name: frozenset(rules) for name, rules in self.plan.access.roles.items()}

    @cached_property
    def _grants(self) -> dict[Granted, str]:
        return {_granted(g, to): f"grant:{i}" for i, g in enumerate(self.plan.access.grants) for to in g.to}

    @cached_property
    def _by_role(self) -> dict[str, tuple[Granted, ...]]:
        found: dict[str, list[Granted]] = {}
        for granted in self._grants:
            found.setdefault(granted.role, []).append(granted)
        return {role: tuple(grants) for role, grants in found.items()}

    @cached_property
    def _holding(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for role, rules in self._roles.items():
            for rule in rules:
                found.setdefault(rule, []).append(role)
        return found

    def grants_of(self, role: str) -> tuple[Granted, ...]:
        """Who is granted a role."""
        return self._by_role.get(role, ())

    def roles_with(self, rule: str) -> Sequence[str]:
        """The roles that hold a rule, by themselves or by `extends`."""
        return self._holding.get(rule, ())

    def holds(self, fact: Fact) -> bool:
        """Whether a fact of the other side holds on this one."""
        match fact:
            case Offered():
                if fact.live:
                    endpoint = self.plan.endpoints.get(fact.endpoint)
                    return endpoint is not None and fact.capability.partition("/")[0] in endpoint.live
                return fact.capability in self._offered.get(fact.endpoint, ())
            case Covered():
                rule = self.plan.access.rules.get(fact.rule)
                return (
                    rule is not None
                    and fact.capability in self.cells.covered(fact.rule)
                    and (rule.endpoints is None or fact.endpoint in rule.endpoints)
                    and (rule.effect, when_text(rule.when)) == (fact.effect, fact.when)
                )
            case Held():
                return fact.rule in self._roles.get(fact.role, ())
            case Granted():
                return fact in self._grants
            case Called():
                made = self.cells.calls.get(fact.made)
                return made is not None and fact.capability in made.capabilities and made.run_as == fact.run_as
            case Excluded():
                return fact in self.excluded

    def source(self, fact: Fact) -> str:
        """The logical name under which the source map has a fact of this side."""
        match fact:
            case Offered():
                return f"endpoint:{fact.endpoint}" if fact.live else f"offer:{fact.endpoint}:{fact.capability}"
            case Covered():
                return f"rule:{fact.rule}"
            case Held():
                return f"role:{fact.role}"
            case Granted():
                return self._grants[fact]
            case Called():
                return fact.made.partition("/")[0]
            case Excluded():
                return "identity:exclusive"

    def locked(self, capability: str) -> Effect | None:
        """The effect of a capability that this side has locked, offered or not; ``None`` where it is not locked."""
        entry = self.bundle.source_map.get(f"locked:{capability}")
        if entry is not None and entry[3] in ("read", "write", "destructive"):
            return entry[3]
        known = self.plan.capabilities.get(capability)
        return None if known is None else known.effect


def both_sides(before: Bundle, after: Bundle) -> tuple[Side, Side]:
    """Two sides whose terms can be compared: what dates and conditions mean, and who can be, is the same on both."""
    grants = (*before.plan.access.grants, *after.plan.access.grants)
    dates = sorted({grant.expires for grant in grants if grant.expires is not None})
    never = {fact.atoms for fact in _excluded(before.plan)} & {fact.atoms for fact in _excluded(after.plan)}
    implied = Implied(tuple(dates), tuple(sorted(never, key=sorted)))
    return Side(before, implied), Side(after, implied)


def _excluded(plan: Plan) -> Iterator[Excluded]:
    for group in plan.identity.exclusive:
        for one, other in combinations(sorted({tuple(sorted(conjunction)) for conjunction in group}), 2):
            yield Excluded(one, other)


def _granted(grant: Grant, to: tuple[str, ...]) -> Granted:
    return Granted(grant.role, to, grant.expires, grant.delegated)


def when_text(when: JsonValue) -> str:
    """A condition as a fact has it."""
    return jsontext.canonical(when)
