"""`make bench-decide`: what one decision costs, warm: the median of single calls, with its target, and as a ratio to a dict lookup.

The lookup is timed the same way in the same run, so that a busy machine disturbs both alike. 500 rules in 60 roles; each
tool has the same number of rules at either size, as rules that name servers and globs have.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import cycle, islice
from typing import Any

from meshplan.compiler.expressions import lower, parse
from meshplan.schemas import plan as p
from meshplan.schemas.decide import Decider, Principal, Verdict

TODAY = date(2026, 11, 22)
RULES, ROLES, SUBJECTS, CALLS, ROUNDS = 500, 60, 40, 5_000, 9
PER_TOOL = 5
"""Rules that speak about one tool, on the average."""
CONDITION = "args.owner == 'acme' && args.count < 10 && args.state in ['open', 'closed']"
ARGUMENTS = {"owner": "acme", "count": 3, "state": "open"}
DIGEST = "sha256:" + "0" * 64
PLAIN_US, CONDITION_US = 5.0, 15.0


def world(tools: int, condition: Any) -> p.Plan:
    """A plan of two endpoints with so many tools; one rule in ten denies."""
    chance = random.Random(7)
    names = [f"s{n % 20}/tool/t{n}" for n in range(tools)]
    share = tools * PER_TOOL // RULES
    rules = {
        f"role{n % ROLES}#r{n}": p.Rule(
            effect="deny" if n % 10 == 9 else "allow",
            covers=tuple(sorted(chance.sample(names, share))),
            live=(),
            endpoints=None if n % 3 else ("desk",),
            when=condition,
        )
        for n in range(RULES)
    }
    roles = {f"role{n}": tuple(sorted(r for r in rules if r.startswith(f"role{n}#"))) for n in range(ROLES)}
    grants = [
        p.Grant(
            role=role,
            to=tuple((f"team:t{chance.randrange(SUBJECTS)}",) for _ in range(2)),
            expires=None,
            delegated="intersection",
        )
        for role in roles
    ]
    offers = tuple(p.Offer(capability=c, name=c.split("/")[2], description=None, set={}, hide=()) for c in names)
    return p.Plan(
        format=1,
        mesh="bench",
        servers={},
        capabilities={
            c: p.Capability(server=c.split("/")[0], kind="tool", name=c.split("/")[2], definition=DIGEST, effect="read", effect_from="declared")
            for c in names
        },
        endpoints={
            name: p.Endpoint(description=None, strategy=p.Passthrough(), offers=offers, live=()) for name in ("desk", "other")
        },
        access=p.Access(rules=rules, roles=roles, grants=tuple(grants)),
        identity=p.Identity(keys={}, local=None),
        runtime=p.Settings(listen="127.0.0.1:0", public_url=None, allowed_origins=(), limits=p.Limits(body_bytes=1, concurrency_per_principal=1)),
    )  # fmt: skip


def median(calls: Iterator[Callable[[], object]]) -> float:
    """Microseconds of one call, the median of ``CALLS``."""
    clock, found = time.perf_counter_ns, []
    for call in islice(calls, CALLS):
        begin = clock()
        call()
        found.append(clock() - begin)
    return statistics.median(found) / 1000


def lookups(plan: p.Plan) -> Iterator[Callable[[], object]]:
    """One lookup in a dict of dicts by endpoint and capability: the least that any decision has to do."""
    index = {name: {offer.capability: name for offer in e.offers} for name, e in plan.endpoints.items()}
    chance = random.Random(1)
    names = chance.choices(list(plan.capabilities), k=500)
    return cycle([lambda c=c: index["desk"].get(c) for c in names])


def decisions(
    plan: p.Plan, decider: Decider, arguments: dict[str, Any] | None, *, whole: bool
) -> Iterator[Callable[[], Verdict]]:
    """Decisions of callers with a few teams; ``whole`` finds out their roles each time, too."""
    chance = random.Random(1)
    found: list[Callable[[], Verdict]] = []
    for capability in chance.choices(list(plan.capabilities), k=500):
        teams = frozenset(f"team:t{n}" for n in chance.sample(range(SUBJECTS), 4))
        who = Principal("corp", "ann", teams | {"user:ann"})
        roles = decider.standing(who, TODAY)
        if whole:
            found.append(
                lambda w=who, c=capability: decider.decide("desk", w, decider.standing(w, TODAY), c, arguments)
            )
        else:
            found.append(lambda w=who, r=roles, c=capability: decider.decide("desk", w, r, c, arguments))
    return cycle(found)


def measured(condition: Any, target: float) -> None:
    """Both sizes in turn, the best of a few rounds of each."""
    name, arguments = ("three terms ", ARGUMENTS) if condition else ("no condition", None)
    plans = {tools: world(tools, condition) for tools in (2_000, 10_000)}
    deciders = {tools: Decider(plan) for tools, plan in plans.items()}
    best: dict[tuple[int, str], float] = {}
    for _ in range(ROUNDS):
        for tools, plan in plans.items():
            taken = {
                "lookup": median(lookups(plan)),
                "decision": median(decisions(plan, deciders[tools], arguments, whole=False)),
                "with roles": median(decisions(plan, deciders[tools], arguments, whole=True)),
            }
            for what, spent in taken.items():
                best[tools, what] = min(spent, best.get((tools, what), spent))
    for tools, plan in plans.items():
        mine, base = best[tools, "decision"], best[tools, "lookup"]
        allowed = sum(call().allowed for call in islice(decisions(plan, deciders[tools], arguments, whole=False), 500))
        print(
            f"{name}  {RULES} rules  {tools:>6,} tools  {mine:5.2f} µs p50"
            f" (target {target:.0f} µs: {'met' if mine <= target else 'MISSED'})  {mine / base:5.1f} times a lookup of {base:.2f} µs"
            f"  with roles {best[tools, 'with roles']:6.2f} µs  {allowed / 5:.0f} % allowed"
        )
    print(f"{name}  10,000 tools take {best[10_000, 'decision'] / best[2_000, 'decision']:.2f} times what 2,000 take")


def main() -> None:
    tree, _ = parse(CONDITION)
    assert tree is not None
    measured(None, PLAIN_US)
    measured(lower(tree), CONDITION_US)


if __name__ == "__main__":
    main()
