"""One plan as the runtime judges it: a call's arguments as they will be sent, the verdict, and what is listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from meshplan.schemas import jsontext
from meshplan.schemas.capability import Kind
from meshplan.schemas.decide import Decider, Principal, Verdict
from meshplan.schemas.expr import ExprError, evaluate, load
from meshplan.schemas.plan import Offer, Operation, Plan
from meshplan.schemas.surface import ArgumentRefusedError, declared_arguments, upstream_arguments


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a caller meets: the verdict's code (or `invalid_arguments`), the rule that decided, and why arguments were refused."""

    allowed: bool
    code: str
    rule: str | None
    why: str | None = None
    sent: Mapping[str, Any] | None = None
    """The arguments as they would go upstream, where some were given."""


class Judge:
    """A plan with its index; ``definitions`` are the bundle's blobs."""

    def __init__(self, plan: Plan, definitions: Mapping[str, str], today: date) -> None:
        self.plan, self.today = plan, today
        self.decider = Decider(plan)
        self._definitions = definitions
        self._offers = {name: {o.capability: o for o in e.offers} for name, e in plan.endpoints.items()}
        self._bound = {
            f"binding:{name}/tool/{operation}": made
            for name, binding in plan.bindings.items()
            for operation, made in binding.operations.items()
        }

    def call(
        self,
        endpoint: str,
        principal: Principal,
        capability: str,
        arguments: Mapping[str, Any] | None,
        *,
        as_sent: bool = False,
    ) -> Ruling:
        """Call or read a capability; ``arguments`` are the caller's, ``None`` asks whether any are allowed.

        ``as_sent``: they are taken as what goes upstream.
        """
        roles = self.decider.standing(principal, self.today)
        verdict = self.decider.decide(endpoint, principal, roles, capability)
        sent: Mapping[str, Any] | None = None
        if verdict.allowed and arguments is not None:
            judged = self.decider.conditional(endpoint, capability)
            try:
                sent = arguments if as_sent else self._sent(endpoint, capability, arguments, judged=judged)
            except ArgumentRefusedError as error:
                return Ruling(allowed=False, code="invalid_arguments", rule=None, why=str(error))
            verdict = self.decider.decide(endpoint, principal, roles, capability, sent)
        if verdict.allowed and capability in self._bound:
            verdict = self._behind(endpoint, principal, roles, self._bound[capability], sent) or verdict
        return Ruling(verdict.allowed, verdict.code, verdict.rule, sent=sent)

    def read(self, endpoint: str, principal: Principal, server: str, uri: str) -> Ruling:
        """Read a live resource of a server, by its upstream URI."""
        roles = self.decider.standing(principal, self.today)
        verdict = self.decider.decide_live(endpoint, principal, roles, server, uri)
        return Ruling(verdict.allowed, verdict.code, verdict.rule)

    def listed(self, endpoint: str, principal: Principal, kind: Kind) -> tuple[str, ...]:
        """The capability ids of a kind that the caller is shown, in the endpoint's order."""
        seen = self.decider.visible(endpoint, principal, self.decider.standing(principal, self.today))
        return tuple(
            offer.capability
            for offer in self.plan.endpoints[endpoint].offers
            if offer.capability in seen and self.plan.capabilities[offer.capability].kind == kind
        )

    def _sent(self, endpoint: str, capability: str, arguments: Mapping[str, Any], *, judged: bool) -> dict[str, Any]:
        offer: Offer = self._offers[endpoint][capability]
        known = self.plan.capabilities[capability]
        if known.kind != "tool":
            return dict(arguments)
        return upstream_arguments(offer, _declared(self._definitions[known.definition]), arguments, judged=judged)

    def _behind(
        self,
        endpoint: str,
        principal: Principal,
        roles: Mapping[str, int],
        made: Operation,
        sent: Mapping[str, Any] | None,
    ) -> Verdict | None:
        """The deny that meets the tool behind a binding's operation; what waits for arguments meets nobody yet."""
        if sent is None and self.decider.conditional(endpoint, made.capability):
            return None
        return self.decider.denied(endpoint, principal, roles, made.capability, _mapped(made, sent or {}))


@lru_cache(maxsize=4096)
def _declared(definition: str) -> frozenset[str] | None:
    return declared_arguments(jsontext.parse(definition))


def _mapped(made: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the tool behind an operation is sent; what reads something absent is left out."""
    if made.arguments is None:
        return dict(arguments)
    found: dict[str, Any] = {}
    for name, ir in made.arguments.items():
        try:
            found[name] = evaluate(load(ir), {"args": dict(arguments)})
        except ExprError:
            continue
    return found
