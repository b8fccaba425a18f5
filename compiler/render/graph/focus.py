"""What of a plan is drawn: everything, or what touches one principal, server, endpoint or capability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

from meshplan.compiler.suggest import did_you_mean
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import ANYONE
from meshplan.schemas.plan import Plan

FocusKind = Literal["principal", "server", "endpoint", "capability"]
_SUBJECTS = ("user", "team", "agent", "application")


class FocusError(ValueError):
    """A focus on something that the plan does not have; the text is a message for the user."""


@dataclass(frozen=True, slots=True)
class Focus:
    """One thing to look at; ``name`` is a server's, an endpoint's, a capability id, or subjects joined by commas."""

    kind: FocusKind
    name: str

    @property
    def subjects(self) -> frozenset[str]:
        """What the principal proves."""
        return frozenset(self.name.split(",")) if self.kind == "principal" else frozenset()


@dataclass(frozen=True, slots=True)
class Scope:
    """The parts that are drawn; ``rules`` by role."""

    capabilities: frozenset[str]
    endpoints: frozenset[str]
    rules: dict[str, tuple[str, ...]]
    subjects: frozenset[str] | None = None
    """Of a principal: only conjunctions that it proves are drawn. ``None``: all are."""

    def grants(self, conjunction: Iterable[str]) -> bool:
        """Whether a conjunction of subjects is drawn."""
        return self.subjects is None or all(s == ANYONE or s in self.subjects for s in conjunction)


def parse_focus(text: str, plan: Plan) -> Focus:
    """Read `KIND:NAME`; raises ``FocusError`` for what the plan does not have."""
    kind, _, name = text.partition(":")
    if kind not in get_args(FocusKind) or not name:
        raise FocusError("a focus is `principal:team:NAME`, `server:NAME`, `endpoint:NAME` or `capability:ID`")
    focus = Focus(cast("FocusKind", kind), name)
    if kind == "principal":
        for subject in sorted(focus.subjects):
            _known_subject(subject, plan)
        return focus
    makers = {capability.server for capability in plan.capabilities.values()} | set(plan.servers)
    known = {"server": makers, "endpoint": set(plan.endpoints), "capability": set(plan.capabilities)}[kind]
    if name not in known:
        raise FocusError(_missing(f"the plan has no {kind} `{name}`", name, known))
    return focus


def _known_subject(subject: str, plan: Plan) -> None:
    kind, _, name = subject.partition(":")
    if kind not in _SUBJECTS or not name:
        raise FocusError(f"`{subject}` is not a subject such as `team:NAME`; several are joined by commas")
    known = {s for grant in plan.access.grants for conjunction in grant.to for s in conjunction}
    known |= {claim.subject for claim in plan.identity.claims} | set(plan.identity.local or ())
    known |= {s for key in plan.identity.keys.values() for s in key.subjects}
    if kind != "user" and subject not in known:
        raise FocusError(_missing(f"nothing proves `{subject}` and nothing is granted to it", subject, known))


def _missing(message: str, name: str, known: Iterable[str]) -> str:
    advice = did_you_mean(name, known)
    return f"{message}; {advice}" if advice else message


def calls(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What each tool that the mesh makes calls, by capability id."""
    found: dict[str, tuple[str, ...]] = {}
    for name, binding in plan.bindings.items():
        for operation, made in binding.operations.items():
            found[CapabilityKey(f"binding:{name}", "tool", operation).id] = (made.capability,)
    for name, workflow in plan.workflows.items():
        behind = dict.fromkeys(step.capability for step in workflow.steps)
        found[CapabilityKey(f"workflow:{name}", "tool", name).id] = tuple(behind)
    return {caller: behind for caller, behind in found.items() if caller in plan.capabilities}


def scope(plan: Plan, focus: Focus | None) -> Scope:
    """What is drawn of the plan."""
    if focus is None:
        return Scope(frozenset(plan.capabilities), frozenset(plan.endpoints), dict(plan.access.roles))
    if focus.kind == "principal":
        return _of_principal(plan, focus.subjects)
    at = focus.name if focus.kind == "endpoint" else None
    capabilities = _capabilities(plan, focus)
    endpoints = frozenset({at}) if at else _offering(plan, capabilities, focus.name)
    live = focus.name if focus.kind == "server" else None
    return Scope(capabilities, endpoints, _rules(plan, capabilities, at, live))


def _capabilities(plan: Plan, focus: Focus) -> frozenset[str]:
    match focus.kind:
        case "server":
            chosen = {name for name, capability in plan.capabilities.items() if capability.server == focus.name}
        case "endpoint":
            chosen = {offer.capability for offer in plan.endpoints[focus.name].offers}
        case _:
            chosen = {focus.name}
    behind = calls(plan)
    above = {caller for caller, inner in behind.items() if focus.kind != "endpoint" and not chosen.isdisjoint(inner)}
    return frozenset(chosen | above | {inner for caller in chosen for inner in behind.get(caller, ())})


def _offering(plan: Plan, capabilities: frozenset[str], server: str) -> frozenset[str]:
    return frozenset(
        name
        for name, endpoint in plan.endpoints.items()
        if server in endpoint.live or any(offer.capability in capabilities for offer in endpoint.offers)
    )


def _rules(plan: Plan, capabilities: frozenset[str], at: str | None, live: str | None) -> dict[str, tuple[str, ...]]:
    """The rules of each role that speak of something drawn, at the endpoint where one is looked at."""
    wanted = {
        rule_id
        for rule_id, rule in plan.access.rules.items()
        if (at is None or rule.endpoints is None or at in rule.endpoints)
        and (
            not capabilities.isdisjoint(rule.covers)
            or any(live == found.server or (at and found.server in plan.endpoints[at].live) for found in rule.live)
        )
    }
    kept = {role: tuple(r for r in rules if r in wanted) for role, rules in plan.access.roles.items()}
    return {role: rules for role, rules in kept.items() if rules}


def _of_principal(plan: Plan, subjects: frozenset[str]) -> Scope:
    held = {
        grant.role
        for grant in plan.access.grants
        if any(all(s == ANYONE or s in subjects for s in conjunction) for conjunction in grant.to)
    }
    rules = {role: found for role, found in plan.access.roles.items() if role in held}
    covered = {name for found in rules.values() for r in found for name in plan.access.rules[r].covers}
    offered = {offer.capability for endpoint in plan.endpoints.values() for offer in endpoint.offers}
    capabilities = frozenset(covered & offered)
    servers = {live.server for found in rules.values() for r in found for live in plan.access.rules[r].live}
    endpoints = {
        name
        for name, endpoint in plan.endpoints.items()
        if not servers.isdisjoint(endpoint.live) or any(o.capability in capabilities for o in endpoint.offers)
    }
    return Scope(capabilities, frozenset(endpoints), rules, subjects)
