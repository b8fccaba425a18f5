"""Invariants against brute force where the mesh makes tools: bindings, workflows, and resources that are not locked.

What calls and what is called have arguments of their own, so every pair of argument sets is tried. `MESH_EXHAUSTIVE=1` as
in `test_brute_force`.
"""

import random
import sys
from itertools import product
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from test_brute_force import CALLS, DAYS, MESHES, PRINCIPALS, SUBJECTS, TODAY, UNLESS, some, world
from test_decide import CAPABILITIES, ENDPOINTS

from meshplan.compiler.assure.cells import Atlas, Spot
from meshplan.compiler.assure.invariants import judge_all
from meshplan.compiler.assure.labels import Label, matches, matches_live
from meshplan.compiler.assure.statement import statement
from meshplan.schemas import plan as p
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import Decider, Principal

BINDING = "binding:b/tool/GET"
WORKFLOW = "workflow:w/tool/w"
MADE = [BINDING, WORKFLOW]
LABELS = {name: Label("read", "declared") for name in (*CAPABILITIES, *MADE)}
PATTERNS = ["*", "a://*", "b://*"]
URIS = {"*": ("a://1", "b://1", "c://1"), "a://*": ("a://1",), "b://*": ("b://1",)}
"""Of each pattern one URI in every part into which the others cut it."""


def made_world(rng):
    """A random mesh some of whose rules are about a binding, a workflow, or resources that are not locked."""
    plan = world(rng)
    mixture = rng.choice([["locked", "made", "made", "live"], ["live"]])
    rules = {name: _about(rng, rng.choice(mixture), rule) for name, rule in plan.access.rules.items()}
    called = rng.sample(CAPABILITIES, 3)
    steps = tuple(_step(f"n{i}", capability) for i, capability in enumerate(called[1:]))
    bound = {"GET": p.Operation(capability=called[0], arguments=None, result=None)}
    endpoints = {name: _more(rng, endpoint) for name, endpoint in plan.endpoints.items()}
    return plan.model_copy(
        update={
            "access": plan.access.model_copy(update={"rules": rules}),
            "bindings": {"b": p.Binding(contract="c/v1", provider="s", operations=bound)},
            "workflows": {"w": p.Workflow(run_as=rng.choice(["caller", "workflow"]), steps=steps, output=["lit", 1])},
            "endpoints": endpoints,
        }
    )


def _about(rng, what, rule):
    if what == "made":
        return rule.model_copy(update={"covers": tuple(sorted({*rule.covers, *some(rng, MADE, 1)}))})
    if what == "live":
        uris = tuple(rng.sample(PATTERNS, rng.choice([1, 1, 2])))
        return rule.model_copy(update={"live": (p.LiveResources(server="s", uris=uris),), "when": None})
    return rule


def _step(name, capability):
    return p.Step(name=name, capability=capability, arguments={}, when=None, on_error="fail", timeout_ms=None)


def _more(rng, endpoint):
    offers = [p.Offer(capability=c, name=c[-2:], description=None, set={}, hide=()) for c in some(rng, MADE)]
    return endpoint.model_copy(update={"offers": (*endpoint.offers, *offers), "live": rng.choice([(), ("s",)])})


def reach(rng):
    kind = rng.choice(["tools", "binding", "workflow", "resources", "resources"])
    tools = [CapabilityKey.of(name).name for name in rng.sample(CAPABILITIES, rng.randint(1, 2))]
    return {kind: {"tools": tools, "binding": "b", "workflow": "w", "resources": "live"}[kind]}


def never(rng):
    who = dict(subject.split(":") for subject in rng.sample(SUBJECTS, rng.choice([0, 1, 1, 2])))
    parts = rng.choice([1, 1, 2])
    found = {"who": who or "anyone", "within": rng.choice(["endpoint", "mesh"])}
    found |= {"reach": reach(rng)} if parts == 1 else {"reach_all": [reach(rng) for _ in range(parts)]}
    unless = rng.choice(UNLESS)
    return found if unless is None else found | {"unless": unless}


class Oracle:
    """Who reaches what, by some call of it that is not excused, called by itself or by what is made of it."""

    def __init__(self, plan):
        self.plan, self.decider = plan, Decider(plan)
        offers = tuple(p.Offer(capability=c, name=c, description=None, set={}, hide=()) for c in (*CAPABILITIES, *MADE))
        everywhere = {name: e.model_copy(update={"offers": offers}) for name, e in plan.endpoints.items()}
        self.anywhere = Decider(plan.model_copy(update={"endpoints": everywhere}))
        self.bound = plan.bindings["b"].operations["GET"].capability
        self.steps = [step.capability for step in plan.workflows["w"].steps]
        self._known = {}

    def spots(self):
        for name, endpoint in self.plan.endpoints.items():
            for offer in endpoint.offers:
                yield Spot(name, offer.capability)
                inner = {BINDING: [self.bound], WORKFLOW: self.steps}.get(offer.capability, [])
                yield from (Spot(name, capability, offer.capability) for capability in inner)
            if endpoint.live:
                live = {u for r in self.plan.access.rules.values() for found in r.live for u in found.uris}
                yield from (Spot(name, f"s/resource/{uri}", live=True) for uri in live)

    def reaches(self, principal, day, spot, excused):
        key = (principal.subjects, day, spot, excused)
        if key not in self._known:
            roles = self.decider.standing(principal, day)
            self._known[key] = (
                self._live(principal, roles, spot)
                if spot.live
                else any(
                    self._called(principal, roles, spot, outer, inner)
                    for outer, inner in product(CALLS, CALLS)
                    if not any((inner if spot.through else outer)[name] == 1 for name in excused)
                )
            )
        return self._known[key]

    def _live(self, principal, roles, spot):
        uris = URIS[CapabilityKey.of(spot.capability).name]
        return any(self.decider.decide_live(spot.endpoint, principal, roles, "s", uri).allowed for uri in uris)

    def _called(self, principal, roles, spot, outer, inner):
        asked = spot.through or spot.capability
        if not self.decider.decide(spot.endpoint, principal, roles, asked, outer).allowed:
            return False
        callee = self.bound if asked == BINDING else spot.capability
        if callee == asked:
            return True
        if asked == WORKFLOW and self.plan.workflows["w"].run_as == "caller":
            return self.anywhere.decide(spot.endpoint, principal, roles, callee, inner).allowed
        return self.decider.denied(spot.endpoint, principal, roles, callee, inner) is None

    def breaks(self, said, principal, day, excused):
        """Whether one principal reaches all parts on one day."""
        parts = [[spot for spot in self.spots() if _meant(part, spot)] for part in said.parts]
        scopes = [[e] for e in ENDPOINTS] if said.within_endpoint or len(said.parts) == 1 else [ENDPOINTS]
        return any(
            all(any(s.endpoint in scope and self.reaches(principal, day, s, excused) for s in part) for part in parts)
            for scope in scopes
        )


def _meant(part, spot):
    if spot.live:
        return matches_live(part, "s")
    return matches(part, CapabilityKey.of(spot.capability), LABELS[spot.capability])


def judged(rng):
    """A random mesh, and each random invariant with its verdict."""
    plan = made_world(rng)
    data = [never(rng) for _ in range(4)]
    said = [statement(f"i{number}", given) for number, given in enumerate(data)]
    verdicts = judge_all(Atlas(plan, TODAY), said, [LABELS], plan.identity.exclusive)
    return plan, list(zip(said, data, verdicts, strict=True))


@pytest.mark.parametrize("seed", range(MESHES))
def test_verdicts_equal_brute_force_where_tools_are_made(seed):
    plan, found = judged(random.Random(seed))
    oracle = Oracle(plan)
    for one, given, verdict in found:
        unless = given.get("unless", [])
        excused = tuple(sorted({text[5] for text in ([unless] if isinstance(unless, str) else unless)}))
        broken = any(
            oracle.breaks(one, principal, day, excused)
            for principal in PRINCIPALS
            if one.who <= principal.subjects
            for day in DAYS
        )
        assert verdict.holds == (not broken), (seed, given, verdict.found)
        for spots, reached in verdict.found:
            witness, day = Principal("i", "s", reached.subjects), reached.on or DAYS[-1]
            assert all(oracle.reaches(witness, day, spot, excused) for spot in spots), (seed, given)


def test_the_random_meshes_reach_what_is_made_in_every_way():
    """By itself, through a binding, through a workflow, live; and neither answer is rare."""
    ways, kept, broken = set(), 0, 0
    for seed in range(150):
        for _, _, verdict in judged(random.Random(seed))[1]:
            kept, broken = kept + verdict.holds, broken + (not verdict.holds)
            ways |= {(s.through or s.capability.split("/")[0], s.live) for spots, _ in verdict.found for s in spots}
    assert ways == {("s", False), ("s", True), ("binding:b", False), ("workflow:w", False), *((m, False) for m in MADE)}
    assert min(kept, broken) > 30
