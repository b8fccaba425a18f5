"""The verdict: who may reach which capability, decided from the plan alone; no I/O, no clock, no MCP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.expr import Program, allow_matches, deny_matches, load
from meshplan.schemas.globs import glob_match

if TYPE_CHECKING:
    from meshplan.schemas.plan import Access, Grant, Plan, Rule

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
        user = agent = False
        for subject in self.subjects:
            user = user or subject.startswith("user:")
            agent = agent or subject.startswith(_AGENT_KINDS)
        return user and agent


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allowed or not, why (``code``), and the rule that decided, if one did."""

    allowed: bool
    code: Code
    rule: str | None


class _Term(NamedTuple):
    """One rule that speaks about a capability: the roles that hold it, its condition, and the verdict that it gives."""

    held_by: frozenset[str]
    when: Program | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Terms:
    """The rules that speak about one capability at one endpoint."""

    allows: tuple[_Term, ...]
    denies: tuple[_Term, ...]


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
        self._exclusive = [[frozenset(conjunction) for conjunction in group] for group in plan.identity.exclusive]
        inner = _inner(plan)
        rules = _Rules(plan.access)
        self._offered = {
            name: frozenset(offer.capability for offer in endpoint.offers) for name, endpoint in plan.endpoints.items()
        }
        self._terms = {
            name: rules.index(name, {under for c in offered for under in (c, *inner.get(c, ()))})
            for name, offered in self._offered.items()
        }
        self._conditional = {
            (name, capability)
            for name, found in self._terms.items()
            for capability, terms in found.items()
            if any(t.when is not None and "args" in t.when.variables for t in (*terms.allows, *terms.denies))
        }
        self._live = {name: frozenset(endpoint.live) for name, endpoint in plan.endpoints.items()}
        self._live_rules = _live_index(plan, rules)

    def standing(self, principal: Principal, today: date) -> Mapping[str, int]:
        """The roles that a principal holds; compute once a request and hand to the questions below.

        Whoever holds two of what excludes each other holds none: invariants rely on there being nobody such.
        """
        for group in self._exclusive:
            if sum(conjunction <= principal.subjects for conjunction in group) > 1:
                return {}
        return standing(self._access, principal, today)

    def decide(
        self,
        endpoint: str,
        principal: Principal,
        roles: Mapping[str, int],
        capability: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """May this principal call this capability through this endpoint, with these arguments? Order never matters.

        ``arguments`` are the upstream's, as they will be sent; ``None`` asks whether there are any that are allowed.
        An error in a condition never allows.
        """
        if capability not in self._offered.get(endpoint, frozenset()):
            return NOT_OFFERED
        return _judge(self._terms[endpoint][capability], principal, roles, arguments)

    def denied(
        self,
        endpoint: str,
        principal: Principal,
        roles: Mapping[str, int],
        capability: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> Verdict | None:
        """The deny that meets a capability which is reached by way of a binding or a workflow, if one does."""
        terms = self._terms.get(endpoint, {}).get(capability, _NO_TERMS)
        return _deny(terms, roles, _Env(principal, arguments or {}))

    def conditional(self, endpoint: str, capability: str) -> bool:
        """Whether any rule judges the arguments of this capability here: then only declared arguments are taken."""
        return (endpoint, capability) in self._conditional

    def visible(self, endpoint: str, principal: Principal, roles: Mapping[str, int]) -> frozenset[str]:
        """The capability ids that this principal may see listed: what some arguments may be allowed for is listed."""
        terms = self._terms.get(endpoint, {})
        return frozenset(c for c in self._offered.get(endpoint, ()) if _judge(terms[c], principal, roles, None).allowed)

    def decide_live(
        self, endpoint: str, principal: Principal, roles: Mapping[str, int], server: str, uri: str
    ) -> Verdict:
        """May this principal read a live resource? ``uri`` is the normalised upstream URI."""
        if server not in self._live.get(endpoint, frozenset()):
            return NOT_OFFERED
        found = [
            (allow, term) for allow, uris, term in self._live_rules.get((endpoint, server), ()) if _matches(uri, uris)
        ]
        terms = _Terms(tuple(t for allow, t in found if allow), tuple(t for allow, t in found if not allow))
        return _judge(terms, principal, roles, {"uri": uri})


class _Env:
    """What conditions see; each part is built at most once a decision. ``arguments`` ``None``: not known yet."""

    __slots__ = ("_principal", "_values", "arguments")

    def __init__(self, principal: Principal, arguments: Mapping[str, Any] | None) -> None:
        self._principal = principal
        self.arguments = arguments
        self._values: dict[str, Any] = {"args": arguments or {}}

    def values(self, when: Program) -> dict[str, Any]:
        """What this condition reads, and maybe more."""
        if "principal" in when.variables and "principal" not in self._values:
            self._values["principal"] = principal_value(self._principal)
        return self._values

    def open(self, when: Program) -> bool:
        """Whether the condition waits for arguments that are not known yet."""
        return self.arguments is None and "args" in when.variables


def principal_value(principal: Principal) -> dict[str, Any]:
    """What `principal` is in an expression."""
    named: dict[str, list[str]] = {"user": [], "team": [], "agent": [], "application": []}
    for subject in sorted(principal.subjects):
        kind, _, name = subject.partition(":")
        named.setdefault(kind, []).append(name)
    return {
        "issuer": principal.issuer,
        "sub": principal.sub,
        "user": named["user"][0] if named["user"] else None,
        "teams": named["team"],
        "agents": named["agent"],
        "applications": named["application"],
    }


def _judge(
    terms: _Terms, principal: Principal, roles: Mapping[str, int], arguments: Mapping[str, Any] | None
) -> Verdict:
    env = _Env(principal, arguments)
    denied = _deny(terms, roles, env)
    if denied is not None:
        return denied
    for term in terms.allows:
        if not term.held_by.isdisjoint(roles) and _lets(term, env):
            both = not principal.delegated or _covered(terms, roles, env) == BOTH_SIDES
            return term.verdict if both else NO_ALLOW
    return NO_ALLOW


def _lets(term: _Term, env: _Env) -> bool:
    when = term.when
    return when is None or env.open(when) or allow_matches(when, env.values(when))


def _covered(terms: _Terms, roles: Mapping[str, int], env: _Env) -> int:
    """The sides for which some allow speaks."""
    covered = 0
    for term in terms.allows:
        held = term.held_by.intersection(roles)
        if held and _lets(term, env):
            for role in held:
                covered |= roles[role]
    return covered


def _deny(terms: _Terms, roles: Mapping[str, int], env: _Env) -> Verdict | None:
    for term in terms.denies:
        if not term.held_by.isdisjoint(roles):
            when = term.when
            if when is None or (not env.open(when) and deny_matches(when, env.values(when))):
                return term.verdict
    return None


def _inner(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What a tool that the mesh makes calls: capability id to the ids of what is behind it."""
    found: dict[str, tuple[str, ...]] = {}
    for name, binding in plan.bindings.items():
        for operation, made in binding.operations.items():
            found[CapabilityKey(f"binding:{name}", "tool", operation).id] = (made.capability,)
    for name, workflow in plan.workflows.items():
        found[CapabilityKey(f"workflow:{name}", "tool", name).id] = tuple(step.capability for step in workflow.steps)
    return found


class _Rules:
    """Every rule as a term, its condition loaded once."""

    def __init__(self, access: Access) -> None:
        held: dict[str, set[str]] = {}
        for role, rules in access.roles.items():
            for rule in rules:
                held.setdefault(rule, set()).add(role)
        self._rules = access.rules
        self.terms = {
            rule_id: _Term(
                frozenset(held.get(rule_id, ())),
                None if rule.when is None else load(rule.when),
                _verdict(rule_id, rule),
            )
            for rule_id, rule in access.rules.items()
        }

    def at(self, endpoint: str) -> Iterator[tuple[str, Rule]]:
        """The rules that speak at an endpoint."""
        for rule_id, rule in self._rules.items():
            if rule.endpoints is None or endpoint in rule.endpoints:
                yield rule_id, rule

    def index(self, endpoint: str, capabilities: set[str]) -> dict[str, _Terms]:
        allows: dict[str, list[_Term]] = {}
        denies: dict[str, list[_Term]] = {}
        for rule_id, rule in self.at(endpoint):
            into = allows if rule.effect == "allow" else denies
            for capability in rule.covers:
                if capability in capabilities:
                    into.setdefault(capability, []).append(self.terms[rule_id])
        return {c: _Terms(tuple(allows.get(c, ())), tuple(denies.get(c, ()))) for c in capabilities}


def _verdict(rule_id: str, rule: Rule) -> Verdict:
    """What is said where this rule decides."""
    allowed = rule.effect == "allow"
    return Verdict(allowed=allowed, code="allowed" if allowed else "denied_by_rule", rule=rule_id)


_LiveRule = tuple[bool, tuple[str, ...], _Term]


def _live_index(plan: Plan, rules: _Rules) -> dict[tuple[str, str], tuple[_LiveRule, ...]]:
    found: dict[tuple[str, str], list[_LiveRule]] = {}
    for name, endpoint in plan.endpoints.items():
        for rule_id, rule in rules.at(name):
            for live in rule.live:
                if live.server in endpoint.live:
                    entry = (rule.effect == "allow", live.uris, rules.terms[rule_id])
                    found.setdefault((name, live.server), []).append(entry)
    return {key: tuple(entries) for key, entries in found.items()}


def _matches(uri: str, patterns: tuple[str, ...]) -> bool:
    return any(glob_match(pattern, uri) for pattern in patterns)


def decide(
    plan: Plan, endpoint: str, principal: Principal, capability: str, arguments: Mapping[str, Any] | None, today: date
) -> Verdict:
    """One decision straight from a plan; ``Decider`` gives the same answers faster."""
    decider = Decider(plan)
    return decider.decide(endpoint, principal, decider.standing(principal, today), capability, arguments or {})
