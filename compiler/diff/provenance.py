"""What each term of access rests on: facts that hold on one side of a diff and can be looked up on the other."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import JsonValue

from meshplan.compiler.diff.terms import Term, access_terms
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import Effect
from meshplan.schemas.plan import Grant


class Offered(NamedTuple):
    """The endpoint offers the capability."""

    endpoint: str
    capability: str


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


Fact = Offered | Covered | Held | Granted


class Side:
    """One side of a diff: its terms, its facts, and where each fact is written."""

    def __init__(self, bundle: Bundle) -> None:
        plan = bundle.plan
        self.bundle, self.plan = bundle, plan
        self.terms = access_terms(plan)
        self._offered = {name: {o.capability for o in e.offers} for name, e in plan.endpoints.items()}
        self._covers = {name: frozenset(rule.covers) for name, rule in plan.access.rules.items()}
        self._roles = {name: frozenset(rules) for name, rules in plan.access.roles.items()}
        self._grants = {_granted(g, to): f"grant:{i}" for i, g in enumerate(plan.access.grants) for to in g.to}

    def behind(self, endpoint: str, capability: str, term: Term) -> frozenset[Fact]:
        """The facts that a term rests on: without any one of them it is not there."""
        access = self.plan.access
        grant, rule = access.grants[term.grant], access.rules[term.rule]
        return frozenset(
            (
                Offered(endpoint, capability),
                Covered(term.rule, endpoint, capability, rule.effect, _text(rule.when)),
                Held(grant.role, term.rule),
                _granted(grant, term.given),
            )
        )

    def holds(self, fact: Fact) -> bool:
        """Whether a fact of the other side holds on this one."""
        match fact:
            case Offered():
                return fact.capability in self._offered.get(fact.endpoint, ())
            case Covered():
                rule = self.plan.access.rules.get(fact.rule)
                return (
                    rule is not None
                    and fact.capability in self._covers[fact.rule]
                    and (rule.endpoints is None or fact.endpoint in rule.endpoints)
                    and (rule.effect, _text(rule.when)) == (fact.effect, fact.when)
                )
            case Held():
                return fact.rule in self._roles.get(fact.role, ())
            case Granted():
                return fact in self._grants

    def source(self, fact: Fact) -> str:
        """The logical name under which the source map has a fact of this side."""
        match fact:
            case Offered():
                return f"offer:{fact.endpoint}:{fact.capability}"
            case Covered():
                return f"rule:{fact.rule}"
            case Held():
                return f"role:{fact.role}"
            case Granted():
                return self._grants[fact]

    def locked(self, capability: str) -> Effect | None:
        """The effect of a capability that this side has locked, offered or not; ``None`` where it is not locked."""
        entry = self.bundle.source_map.get(f"locked:{capability}")
        if entry is not None and entry[3] in ("read", "write", "destructive"):
            return entry[3]
        known = self.plan.capabilities.get(capability)
        return None if known is None else known.effect


def _granted(grant: Grant, to: tuple[str, ...]) -> Granted:
    return Granted(grant.role, to, grant.expires, grant.delegated)


def _text(when: JsonValue) -> str:
    return jsontext.canonical(when)
