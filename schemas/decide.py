"""The verdict: who may reach which capability, decided from the plan alone; no I/O, no clock, no MCP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from meshplan.schemas.plan import Access, Grant, Plan

Code = Literal["allowed", "not_offered", "no_allow", "denied_by_rule"]

USER_SIDE, AGENT_SIDE, BOTH_SIDES = 1, 2, 3
_USER_KINDS = ("user:", "team:")
_AGENT_KINDS = ("agent:", "application:")
ANYONE = "anyone"
"""The subject that every authenticated principal holds."""


@dataclass(frozen=True, slots=True)
class Principal:
    """One caller: who vouches for it (``issuer``), its name there (``sub``), and the subjects that its credential proves."""

    issuer: str
    sub: str
    subjects: frozenset[str]

    @property
    def delegated(self) -> bool:
        """A user who acts through an agent is both, and both must be allowed."""
        return any(s.startswith("user:") for s in self.subjects) and any(
            s.startswith(_AGENT_KINDS) for s in self.subjects
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed or not, why (``code``), and the rule that decided, if one did."""

    allowed: bool
    code: Code
    rule: str | None


@dataclass(frozen=True, slots=True)
class _Terms:
    """The rules that speak about one capability at one endpoint: (rule id, roles that hold it)."""

    allows: tuple[tuple[str, frozenset[str]], ...]
    denies: tuple[tuple[str, frozenset[str]], ...]


_NO_TERMS = _Terms((), ())
NOT_OFFERED = Verdict(allowed=False, code="not_offered", rule=None)
NO_ALLOW = Verdict(allowed=False, code="no_allow", rule=None)


def sides(conjunction: Iterable[str]) -> int:
    """Which side of a delegation a conjunction of subjects speaks for; naming both, or anyone, speaks for both."""
    user = agent = False
    for subject in conjunction:
        user = user or subject.startswith(_USER_KINDS)
        agent = agent or subject.startswith(_AGENT_KINDS)
    if user == agent:
        return BOTH_SIDES
    return USER_SIDE if user else AGENT_SIDE


def grant_sides(grant: Grant, principal: Principal, today: date) -> int:
    """Which sides of the principal this grant gives its role to today: 0 when it does not apply."""
    if grant.expires is not None and today >= date.fromisoformat(grant.expires):
        return 0
    held = 0
    for conjunction in grant.to:
        if all(subject == ANYONE or subject in principal.subjects for subject in conjunction):
            held |= BOTH_SIDES if grant.delegated == "union" else sides(conjunction)
    return held


def standing(access: Access, principal: Principal, today: date) -> dict[str, int]:
    """The roles that a principal holds today, with the sides they are held for."""
    roles: dict[str, int] = {}
    for grant in access.grants:
        held = grant_sides(grant, principal, today)
        if held:
            roles[grant.role] = roles.get(grant.role, 0) | held
    return roles


class Decider:
    """The plan's access, indexed once by (endpoint, capability); decisions agree with the plain definition in the tests."""

    def __init__(self, plan: Plan) -> None:
        self._access = plan.access
        self._terms: dict[str, dict[str, _Terms]] = {
            name: _index(plan.access, name, [offer.capability for offer in endpoint.offers])
            for name, endpoint in plan.endpoints.items()
        }
        self._live = {name: frozenset(endpoint.live) for name, endpoint in plan.endpoints.items()}
        self._live_rules = _live_index(plan)

    def standing(self, principal: Principal, today: date) -> Mapping[str, int]:
        """The roles that a principal holds; compute once a request and hand to the questions below."""
        return standing(self._access, principal, today)

    def decide(self, endpoint: str, principal: Principal, roles: Mapping[str, int], capability: str) -> Verdict:
        """May this principal call this capability through this endpoint? Order of rules never matters."""
        terms = self._terms.get(endpoint, {}).get(capability)
        if terms is None:
            return NOT_OFFERED
        return _judge(terms, principal, roles)

    def visible(self, endpoint: str, principal: Principal, roles: Mapping[str, int]) -> frozenset[str]:
        """The capability ids that this principal may see listed at this endpoint."""
        terms = self._terms.get(endpoint, {})
        return frozenset(c for c, found in terms.items() if _judge(found, principal, roles).allowed)

    def decide_live(
        self, endpoint: str, principal: Principal, roles: Mapping[str, int], server: str, uri: str
    ) -> Verdict:
        """May this principal read a live resource? ``uri`` is the normalised upstream URI."""
        if server not in self._live.get(endpoint, frozenset()):
            return NOT_OFFERED
        found = self._live_rules.get((endpoint, server), ())
        return _judge(
            _Terms(
                tuple((rule, held) for rule, allow, uris, held in found if allow and _matches(uri, uris)),
                tuple((rule, held) for rule, allow, uris, held in found if not allow and _matches(uri, uris)),
            ),
            principal,
            roles,
        )


def _judge(terms: _Terms, principal: Principal, roles: Mapping[str, int]) -> Verdict:
    for rule, held_by in terms.denies:
        if not held_by.isdisjoint(roles):
            return Verdict(allowed=False, code="denied_by_rule", rule=rule)
    wanted = BOTH_SIDES if principal.delegated else 0
    covered, first = 0, None
    for rule, held_by in terms.allows:
        for role in held_by.intersection(roles):
            covered |= roles[role]
            first = first or rule
    if first is None or covered & wanted != wanted:
        return NO_ALLOW
    return Verdict(allowed=True, code="allowed", rule=first)


def _holders(access: Access) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for role, rules in access.roles.items():
        for rule in rules:
            found.setdefault(rule, set()).add(role)
    return {rule: frozenset(roles) for rule, roles in found.items()}


def _index(access: Access, endpoint: str, capabilities: list[str]) -> dict[str, _Terms]:
    offered = set(capabilities)
    allows: dict[str, list[tuple[str, frozenset[str]]]] = {}
    denies: dict[str, list[tuple[str, frozenset[str]]]] = {}
    holders = _holders(access)
    for rule_id, rule in access.rules.items():
        if rule.endpoints is not None and endpoint not in rule.endpoints:
            continue
        into = allows if rule.effect == "allow" else denies
        for capability in rule.covers:
            if capability in offered:
                into.setdefault(capability, []).append((rule_id, holders.get(rule_id, frozenset())))
    return {c: _Terms(tuple(allows.get(c, ())), tuple(denies.get(c, ()))) for c in offered}


_LiveRule = tuple[str, bool, tuple[str, ...], frozenset[str]]


def _live_index(plan: Plan) -> dict[tuple[str, str], tuple[_LiveRule, ...]]:
    holders = _holders(plan.access)
    found: dict[tuple[str, str], list[_LiveRule]] = {}
    for name, endpoint in plan.endpoints.items():
        for rule_id, rule in plan.access.rules.items():
            if rule.endpoints is not None and name not in rule.endpoints:
                continue
            for live in rule.live:
                if live.server in endpoint.live:
                    entry = (rule_id, rule.effect == "allow", live.uris, holders.get(rule_id, frozenset()))
                    found.setdefault((name, live.server), []).append(entry)
    return {key: tuple(rules) for key, rules in found.items()}


def _matches(uri: str, patterns: tuple[str, ...]) -> bool:
    return any(glob_match(pattern, uri) for pattern in patterns)


def glob_match(pattern: str, text: str) -> bool:
    """``*`` matches any run of characters, ``?`` exactly one; linear in practice, no other magic, case counts."""
    p = t = 0
    star, resume = -1, 0
    while t < len(text):
        if p < len(pattern) and pattern[p] == "*":
            star, resume = p, t
            p += 1
        elif p < len(pattern) and pattern[p] in ("?", text[t]):
            p, t = p + 1, t + 1
        elif star >= 0:
            resume += 1
            p, t = star + 1, resume
        else:
            return False
    return all(char == "*" for char in pattern[p:])


def decide(
    plan: Plan, endpoint: str, principal: Principal, capability: str, arguments: Mapping[str, Any] | None, today: date
) -> Verdict:
    """One decision straight from a plan; ``Decider`` gives the same answers faster."""
    del arguments
    decider = Decider(plan)
    return decider.decide(endpoint, principal, decider.standing(principal, today), capability)
