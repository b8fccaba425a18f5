"""Invariants against brute force: every principal over a few subjects, every day, every call, by the runtime's `decide`.

`MESH_EXHAUSTIVE=1` judges 500 random meshes (`make exhaustive`), otherwise a few.
"""

import os
import random
import sys
from datetime import date, timedelta
from itertools import chain, combinations, product
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "schemas"))

from test_decide import CAPABILITIES, ENDPOINTS, make_plan

from meshplan.compiler.assure.cells import Atlas
from meshplan.compiler.assure.invariants import judge_all
from meshplan.compiler.assure.labels import Label, matches
from meshplan.compiler.assure.statement import statement
from meshplan.compiler.expressions import lower, parse
from meshplan.schemas import plan as p
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import Decider, Principal

MESHES = 500 if os.environ.get("MESH_EXHAUSTIVE") else 60
TODAY = date(2026, 11, 22)
SUBJECTS = ["user:u", "user:v", "team:a", "team:b", "agent:g", "application:p"]
PRINCIPALS = [
    Principal("i", "s", frozenset(held))
    for held in chain.from_iterable(combinations(SUBJECTS, size) for size in range(len(SUBJECTS) + 1))
    if sum(subject.startswith("user:") for subject in held) < 2
]
DAYS = [TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=2), TODAY + timedelta(days=400)]
CALLS = [{"a": a, "b": b, "c": c} for a, b, c in product((1, 2), repeat=3)]
ALLOWS_IF = [None, None, "args.a == 1", "args.b == 1", "args.a == 1 && args.b == 1"]
DENIES_IF = [None, None, "args.a != 1", "args.c == 1", "!(args.a == 1)"]
UNLESS = [None, "args.a == 1", ["args.b == 1", "args.a == 1"]]


def ir(text):
    return None if text is None else lower(parse(text)[0])


def some(rng, values, least=0):
    return tuple(sorted(rng.sample(values, rng.randint(least, len(values)))))


def few(rng, values):
    return tuple(sorted(rng.sample(values, rng.randint(1, min(2, len(values))))))


def world(rng):
    rules = {}
    for number in range(rng.randint(2, 6)):
        effect = rng.choice(["allow", "allow", "allow", "deny"])
        rules[f"r{number}"] = p.Rule(
            effect=effect,
            covers=some(rng, CAPABILITIES, 1),
            live=(),
            endpoints=rng.choice([None, None, few(rng, ENDPOINTS)]),
            when=ir(rng.choice(ALLOWS_IF if effect == "allow" else DENIES_IF)),
        )
    roles = {name: some(rng, sorted(rules)) for name in ("x", "y", "z")}
    grants = [
        p.Grant(
            role=rng.choice(sorted(roles)),
            to=tuple(few(rng, [*SUBJECTS, "anyone"]) for _ in range(rng.randint(1, 2))),
            expires=rng.choice([None, *(day.isoformat() for day in DAYS[:3])]),
            delegated=rng.choice(["intersection", "intersection", "union"]),
        )
        for _ in range(rng.randint(2, 6))
    ]
    plan = make_plan(rules, roles, grants, {name: some(rng, CAPABILITIES) for name in ENDPOINTS})
    groups = [tuple((subject,) for subject in rng.sample(SUBJECTS, 2)) for _ in range(rng.choice([0, 1, 2, 4]))]
    return plan.model_copy(update={"identity": plan.identity.model_copy(update={"exclusive": tuple(groups)})})


def reach(rng):
    return {"tools": [CapabilityKey.of(name).name for name in rng.sample(CAPABILITIES, rng.randint(1, 2))]}


def never(rng):
    who = {}
    for subject in rng.sample(SUBJECTS, rng.choice([0, 1, 1, 2])):
        kind, _, name = subject.partition(":")
        who[kind] = name
    parts = rng.choice([1, 1, 2, 3])
    found = {"who": who or "anyone", "within": rng.choice(["endpoint", "mesh"])}
    found |= {"reach": reach(rng)} if parts == 1 else {"reach_all": [reach(rng) for _ in range(parts)]}
    unless = rng.choice(UNLESS)
    return found if unless is None else found | {"unless": unless}


class Oracle:
    """Who reaches which capability through which endpoint, on which day, by some call that is not excused."""

    def __init__(self, plan, labels):
        self.decider, self.labels, self.offers = Decider(plan), labels, plan.endpoints
        self._known = {}

    def reaches(self, principal, day, endpoint, capability, excused):
        key = (principal.subjects, day, endpoint, capability, excused)
        if key not in self._known:
            roles = self.decider.standing(principal, day)
            self._known[key] = any(
                self.decider.decide(endpoint, principal, roles, capability, call).allowed
                for call in CALLS
                if not any(call[name] == 1 for name in excused)
            )
        return self._known[key]

    def breaks(self, said, principal, day, excused):
        """Whether one principal reaches all parts on one day."""
        spots = [
            [
                (endpoint, offer.capability)
                for endpoint in ENDPOINTS
                for offer in self.offers[endpoint].offers
                if matches(part, CapabilityKey.of(offer.capability), self.labels[offer.capability])
            ]
            for part in said.parts
        ]
        scopes = [[e] for e in ENDPOINTS] if said.within_endpoint or len(said.parts) == 1 else [ENDPOINTS]
        return any(
            all(any(e in scope and self.reaches(principal, day, e, c, excused) for e, c in part) for part in spots)
            for scope in scopes
        )


@pytest.mark.parametrize("seed", range(MESHES))
def test_verdicts_equal_brute_force(seed):
    rng = random.Random(seed)
    plan = world(rng)
    data = [never(rng) for _ in range(4)]
    said = [statement(f"i{number}", given) for number, given in enumerate(data)]
    labels = {name: Label("read", "declared") for name in CAPABILITIES}
    oracle = Oracle(plan, labels)
    for one, given, verdict in zip(
        said, data, judge_all(Atlas(plan, TODAY), said, [labels], plan.identity.exclusive), strict=True
    ):
        unless = given.get("unless", [])
        excused = tuple(sorted({text[5] for text in ([unless] if isinstance(unless, str) else unless)}))
        broken = any(
            oracle.breaks(one, principal, day, excused)
            for principal in PRINCIPALS
            if one.who <= principal.subjects
            for day in DAYS
        )
        assert verdict.holds == (not broken), (seed, given)
        for spots, reached in verdict.found:
            witness, day = Principal("i", "s", reached.subjects), reached.on or DAYS[-1]
            assert one.who <= reached.subjects
            assert all(oracle.reaches(witness, day, s.endpoint, s.capability, excused) for s in spots), (seed, given)


def test_the_random_meshes_break_and_keep_invariants():
    """Neither answer is so rare that the comparison above would say nothing."""
    kept = broken = 0
    for seed in range(60):
        rng = random.Random(seed)
        plan = world(rng)
        said = [statement("i", never(rng)) for _ in range(4)]
        labels = {name: Label("read", "declared") for name in CAPABILITIES}
        for verdict in judge_all(Atlas(plan, TODAY), said, [labels], plan.identity.exclusive):
            kept, broken = kept + verdict.holds, broken + (not verdict.holds)
    assert kept > 60
    assert broken > 60
