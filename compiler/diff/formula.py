"""Who is allowed in a cell as one formula over the edits between two sides: for none of them the base, for all the head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import product
from typing import NamedTuple

from meshplan.compiler.diff.cells import LIVE, Cell, conditions, live_id
from meshplan.compiler.diff.edits import edit
from meshplan.compiler.diff.model import Cause
from meshplan.compiler.diff.provenance import Called, Covered, Fact, Granted, Held, Offered, Side, when_text
from meshplan.compiler.diff.terms import ANY_AGENT, ANY_USER, Atoms, is_over
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import AGENT_SIDE, BOTH_SIDES, USER_SIDE, sides
from meshplan.schemas.plan import Rule

Edits = frozenset[Cause]
MAX_CLAUSES = 1_000


class Needs(NamedTuple):
    """What must be so: the edits that must have been made, and those that must not."""

    made: Edits
    unmade: Edits

    def joined(self, other: Needs) -> Needs | None:
        """Both, or ``None`` where that cannot be."""
        made, unmade = self.made | other.made, self.unmade | other.unmade
        return None if made & unmade else Needs(made, unmade)

    def met(self, edits: Edits) -> bool:
        """Whether exactly these edits meet it."""
        return self.made <= edits and self.unmade.isdisjoint(edits)


NOTHING_NEEDED = Needs(frozenset(), frozenset())


class Clause(NamedTuple):
    """One way to be allowed, or one deny: the atoms it takes, and the edits it takes."""

    atoms: Atoms
    needs: Needs

    def absorbs(self, other: Clause) -> bool:
        """Whether this holds wherever the other does."""
        mine, its = self.needs, other.needs
        return self.atoms <= other.atoms and mine.made <= its.made and mine.unmade <= its.unmade


class Formula(NamedTuple):
    """Allowed is who meets one of the ways and none of the denies."""

    ways: tuple[Clause, ...]
    denies: tuple[Clause, ...]
    whole: bool
    """Whether nothing was left out for its size."""

    @property
    def edits(self) -> Edits:
        """All that have a say."""
        return frozenset[Cause]().union(*(c.needs.made | c.needs.unmade for c in (*self.ways, *self.denies)))

    def allows(self, who: Atoms, edits: Edits) -> bool:
        """Whether a principal with exactly these atoms is allowed once these edits are made to the base."""
        return any(w.atoms <= who and w.needs.met(edits) for w in self.ways) and not any(
            d.atoms <= who and d.needs.met(edits) for d in self.denies
        )


class _Spoken(NamedTuple):
    clause: Clause
    sides: int


class _Said(NamedTuple):
    """That a rule speaks about something, under which conditions, and what that needs."""

    rule: str
    conditions: tuple[str, ...]
    needs: Needs


class Shape(NamedTuple):
    """All that a cell's formula is made of; many cells have the same."""

    variants: tuple[tuple[Needs, tuple[tuple[_Said, ...], ...]], ...]
    """What must be so for the cell to be there at all, and its stages; a workflow may run as two things, by side."""
    denies: tuple[_Said, ...]


class Formulas:
    """The formulas of a comparison; what many cells rest on is looked up once."""

    def __init__(self, before: Side, after: Side, *, today: date) -> None:
        self.sides = (before, after)
        self._today = today
        self._known: dict[Fact, Needs] = {}
        self._held: dict[str, tuple[tuple[Granted, Needs], ...]] = {}
        self._spoken: dict[_Said, tuple[_Spoken, ...]] = {}
        self._conditions: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._made: dict[tuple[Shape, bool], Formula] = {}

    def needs(self, fact: Fact) -> Needs:
        """The edit that brings a fact of either side about, or the one that takes it away."""
        found = self._known.get(fact)
        if found is None:
            before, after = self.sides
            was, there = before.holds(fact), after.holds(fact)
            cause = frozenset[Cause]() if was and there else frozenset({edit(before, after, fact)})
            found = self._known[fact] = Needs(frozenset(), cause) if was else Needs(cause, frozenset())
        return found

    def shape(self, cell: Cell) -> Shape:
        """What has a say in a cell on either side."""
        return Shape(tuple(self._variants(cell)), tuple(self._denies(cell)))

    def of(self, shape: Shape, *, delegated: bool) -> Formula:
        """The formula of a shape, for users who act through an agent or for everybody else."""
        key = (shape, delegated)
        if key not in self._made:
            self._made[key] = self._formula(shape, delegated=delegated)
        return self._made[key]

    def _formula(self, shape: Shape, *, delegated: bool) -> Formula:
        ways: list[Clause] = []
        whole = True
        for base, stages in shape.variants:
            spoken = [[s for said in stage for s in self._say(said)] for stage in stages]
            found, complete = _combined(base, list(_slots(spoken, delegated=delegated)))
            ways += found
            whole = whole and complete
        if delegated:
            ways = [Clause(w.atoms | {ANY_USER, ANY_AGENT}, w.needs) for w in ways]
        denies = [spoken.clause for said in shape.denies for spoken in self._say(said)]
        denies += [Clause(fact.atoms, self.needs(fact)) for side in self.sides for fact in side.excluded]
        return Formula(absorbed(ways), absorbed(denies), whole)

    def _variants(self, cell: Cell) -> Iterator[tuple[Needs, tuple[tuple[_Said, ...], ...]]]:
        first = cell.via if cell.via not in ("", LIVE) else cell.capability
        offered = self.needs(Offered(cell.endpoint, first, cell.via == LIVE))
        start = tuple(self._allows(cell, first, ""))
        if cell.via in ("", LIVE):
            yield offered, (start,)
            return
        for run_as in ("caller", "workflow"):
            called = Called(first, cell.capability, run_as)
            there = offered.joined(self.needs(called)) if any(side.holds(called) for side in self.sides) else None
            if there is not None:
                inner = (tuple(self._allows(cell, cell.capability, cell.capability)),) if run_as == "caller" else ()
                yield there, (start, *inner)

    def _allows(self, cell: Cell, capability: str, under: str) -> Iterator[_Said]:
        return self._speaking(cell.endpoint, capability, "allow", under, self._covering(capability))

    def _denies(self, cell: Cell) -> Iterator[_Said]:
        if cell.via == LIVE:
            yield from self._live_denies(cell)
            return
        inner = [(cell.capability, NOTHING_NEEDED)] if cell.via else list(self._bound(cell.capability))
        for capability, under, needs in (
            (cell.via or cell.capability, "", NOTHING_NEEDED),
            *((callee, callee, needs) for callee, needs in inner),
        ):
            for said in self._speaking(cell.endpoint, capability, "deny", under, self._covering(capability)):
                joined = said.needs.joined(needs)
                if joined is not None:
                    yield said._replace(needs=joined)

    def _bound(self, capability: str) -> Iterator[tuple[str, Needs]]:
        """What a binding's operation calls, on either side."""
        made = [s.cells.calls[capability] for s in self.sides if capability in s.cells.calls]
        for callee in sorted({callee for calls in made if not calls.run_as for callee in calls.capabilities}):
            yield callee, self.needs(Called(capability, callee, ""))

    def _live_denies(self, cell: Cell) -> Iterator[_Said]:
        key = CapabilityKey.of(cell.capability)
        found = {pair for side in self.sides for pair in side.cells.live_denies(key.server)}
        for rule_id, uri in sorted(found):
            under = "" if uri in ("*", key.name) else f"{LIVE} {uri}"
            rules = [(side, rule_id) for side in self.sides]
            yield from self._speaking(cell.endpoint, live_id(key.server, uri), "deny", under, rules)

    def _covering(self, capability: str) -> list[tuple[Side, str]]:
        return [(side, rule) for side in self.sides for rule in side.cells.covering(capability)]

    def _speaking(
        self, endpoint: str, capability: str, effect: str, under: str, found: Iterable[tuple[Side, str]]
    ) -> Iterator[_Said]:
        seen: set[Covered] = set()
        for side, rule_id in found:
            rule = side.plan.access.rules.get(rule_id)
            if rule is None or rule.effect != effect or not (rule.endpoints is None or endpoint in rule.endpoints):
                continue
            fact = Covered(rule_id, endpoint, capability, rule.effect, when_text(rule.when))
            if fact not in seen and side.holds(fact):
                seen.add(fact)
                yield _Said(rule_id, self._under(rule, fact.when, under), self.needs(fact))

    def _under(self, rule: Rule, when: str, under: str) -> tuple[str, ...]:
        key = (rule.effect, when, under)
        if key not in self._conditions:
            self._conditions[key] = tuple(conditions(rule, under))
        return self._conditions[key]

    def _say(self, said: _Said) -> tuple[_Spoken, ...]:
        if said not in self._spoken:
            self._spoken[said] = tuple(self._each(said))
        return self._spoken[said]

    def _each(self, said: _Said) -> Iterator[_Spoken]:
        implied = self.sides[0].cells.implied
        for granted, needs in self._holding(said.rule):
            joined = needs.joined(said.needs)
            if joined is not None:
                speaks = BOTH_SIDES if granted.delegated == "union" else sides(granted.to)
                yield _Spoken(Clause(implied.taken(granted.to, said.conditions, granted.expires), joined), speaks)

    def _holding(self, rule: str) -> tuple[tuple[Granted, Needs], ...]:
        """Every grant of a role that holds the rule, either on either side, and the edits that this takes."""
        if rule not in self._held:
            roles = sorted({role for side in self.sides for role in side.roles_with(rule)})
            found: list[tuple[Granted, Needs]] = []
            for role in roles:
                held = self.needs(Held(role, rule))
                for granted in dict.fromkeys(g for side in self.sides for g in side.grants_of(role)):
                    joined = held.joined(self.needs(granted))
                    if joined is not None and not is_over(granted.expires, self._today):
                        found.append((granted, joined))
            self._held[rule] = tuple(found)
        return self._held[rule]


def _slots(stages: list[list[_Spoken]], *, delegated: bool) -> Iterator[list[Clause]]:
    """What must be met at once: an allow of each stage, for a delegated principal one for each of its sides."""
    for stage in stages:
        for wanted in (USER_SIDE, AGENT_SIDE) if delegated else (BOTH_SIDES,):
            yield [spoken.clause for spoken in stage if spoken.sides & wanted]


def _combined(base: Needs, slots: list[list[Clause]]) -> tuple[list[Clause], bool]:
    found = [Clause(frozenset(), base)]
    whole = True
    for slot in slots:
        wide = (_both(one, other) for one, other in product(found, absorbed(slot)))
        found = list(absorbed(clause for clause in wide if clause is not None))
        whole = whole and len(found) <= MAX_CLAUSES
        found = found[:MAX_CLAUSES]
    return found, whole


def _both(one: Clause, other: Clause) -> Clause | None:
    needs = one.needs.joined(other.needs)
    return None if needs is None else Clause(one.atoms | other.atoms, needs)


def absorbed(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """The clauses that no other one makes superfluous, smallest first."""
    kept: list[Clause] = []
    for clause in sorted(set(clauses), key=_size):
        if not any(other.absorbs(clause) for other in kept):
            kept.append(clause)
    return tuple(kept)


def _size(clause: Clause) -> int:
    return len(clause.atoms) + len(clause.needs.made) + len(clause.needs.unmade)
