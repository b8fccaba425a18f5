"""The mesh between two others: the head with some of its edits undone, as a plan that `decide` judges."""

from itertools import chain, combinations

from meshplan.compiler.diff.edits import edit
from meshplan.compiler.diff.provenance import Called, Covered, Excluded, Granted, Held, Offered, when_text
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import Decider
from meshplan.schemas.plan import Offer
from meshplan.schemas.rules import Grant


def facts(side, endpoint):
    """Every fact that access at an endpoint can rest on, read off the plan."""
    plan, access = side.plan, side.plan.access
    for group in plan.identity.exclusive:
        yield from (Excluded(*sorted(pair)) for pair in combinations(group, 2))
    for grant in access.grants:
        yield from (Granted(grant.role, to, grant.expires, grant.delegated) for to in grant.to)
    for role, rules in access.roles.items():
        yield from (Held(role, rule) for rule in rules)
    for name, rule in access.rules.items():
        if rule.endpoints is None or endpoint in rule.endpoints:
            live = [CapabilityKey(of.server, "resource", uri).id for of in rule.live for uri in of.uris]
            for capability in (*rule.covers, *live):
                yield Covered(name, endpoint, capability, rule.effect, when_text(rule.when))
    if endpoint in plan.endpoints:
        yield from (Offered(endpoint, o.capability, False) for o in plan.endpoints[endpoint].offers)
        yield from (
            Offered(endpoint, f.capability, True)
            for f in list(chain(facts_of_live(plan)))
            if f.capability.partition("/")[0] in plan.endpoints[endpoint].live
        )
    for name, binding in plan.bindings.items():
        for operation, made in binding.operations.items():
            yield Called(CapabilityKey(f"binding:{name}", "tool", operation).id, made.capability, "")
    for name, workflow in plan.workflows.items():
        for step in workflow.steps:
            yield Called(CapabilityKey(f"workflow:{name}", "tool", name).id, step.capability, workflow.run_as)


def facts_of_live(plan):
    for rule in plan.access.rules.values():
        for live in rule.live:
            for uri in live.uris:
                yield Offered("", CapabilityKey(live.server, "resource", uri).id, True)


class Hybrid:
    """One endpoint of the head after ``undone`` edits are taken back."""

    def __init__(self, sides, endpoint, undone):
        before, after = sides
        was, now = set(facts(before, endpoint)), set(facts(after, endpoint))
        kept = (was & now) | {fact for fact in was ^ now if (fact in now) != (edit(before, after, fact) in undone)}
        self.calls = {fact for fact in kept if isinstance(fact, Called)}
        self.offered = {(fact.capability, fact.live) for fact in kept if isinstance(fact, Offered)}
        self.endpoint = endpoint
        self.decider = Decider(_plan(sides, endpoint, kept))
        self._standings = {}

    def allowed(self, cell, call, arguments):
        roles = self._standings.get((call.principal, call.day))
        if roles is None:
            roles = self._standings[call.principal, call.day] = self.decider.standing(call.principal, call.day)
        outer = arguments[call.outer]

        def decide(capability, args):
            return self.decider.decide(self.endpoint, call.principal, roles, capability, args).allowed

        def denied(capability):
            return (
                self.decider.denied(self.endpoint, call.principal, roles, capability, call.passed(capability))
                is not None
            )

        first = cell.via or cell.capability
        if (first, False) not in self.offered or not decide(first, outer):
            return False
        if not cell.via:
            return not any(denied(fact.capability) for fact in self.calls if fact.made == first and not fact.run_as)
        runs = {fact.run_as for fact in self.calls if (fact.made, fact.capability) == (first, cell.capability)}
        return not denied(cell.capability) and (
            "workflow" in runs or ("caller" in runs and decide(cell.capability, call.passed(cell.capability)))
        )


def _plan(sides, endpoint, kept):
    """A plan with exactly these facts; everything is offered, for what is not is asked first."""
    before, after = (side.plan for side in sides)
    rules = {rule: [r for p in (before, after) if (r := p.access.rules.get(rule))] for rule in _rules(before, after)}
    made, variants = {}, {}
    for fact in kept:
        if isinstance(fact, Covered):
            like = next(r for r in rules[fact.rule] if (r.effect, when_text(r.when)) == (fact.effect, fact.when))
            name = f"{fact.rule} {fact.effect} {fact.when}"
            variants.setdefault(fact.rule, set()).add(name)
            known = made.get(name)
            covers = (*(known.covers if known else ()), fact.capability)
            made[name] = like.model_copy(update={"covers": covers, "endpoints": None, "live": ()})
    roles = {role: () for plan in (before, after) for role in plan.access.roles}
    for fact in kept:
        if isinstance(fact, Held):
            roles[fact.role] = (*roles[fact.role], *sorted(variants.get(fact.rule, ())))
    grants = tuple(
        Grant(role=f.role, to=(f.to,), expires=f.expires, delegated=f.delegated) for f in kept if isinstance(f, Granted)
    )
    access = after.access.model_copy(update={"rules": made, "roles": roles, "grants": grants})
    capabilities = {*before.capabilities, *after.capabilities}
    known = next(e for p in (after, before) for e in p.endpoints.values())
    offers = tuple(offer_of(c) for c in capabilities)
    endpoints = {endpoint: known.model_copy(update={"offers": offers})}
    return after.model_copy(
        update={
            "access": access,
            "identity": after.identity.model_copy(
                update={"exclusive": tuple((f.one, f.other) for f in kept if isinstance(f, Excluded))}
            ),
            "endpoints": endpoints,
            "capabilities": before.capabilities | after.capabilities,
            "bindings": {},
            "workflows": {},
        }
    )


def offer_of(capability):
    return Offer(capability=capability, name=capability, description=None, set={}, hide=())


def _rules(*plans):
    return {rule for plan in plans for rule in plan.access.rules}
