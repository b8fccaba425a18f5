"""A real Redis and the memory of a process come to the same verdicts and sums on the same calls."""

from itertools import count

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshplan.runtime.budget.embedded import Embedded
from meshplan.runtime.budget.port import Charge, Granted
from meshplan.runtime.budget.redis.counters import RedisCounters
from meshplan.runtime.budget.redis.link import Link

EXAMPLES = count()
WINDOWS = st.sampled_from([("minute", "UTC"), ("hour", "UTC"), ("day", "Europe/Berlin"), ("month", "Asia/Kolkata")])
BUDGETS = st.lists(st.tuples(WINDOWS, st.integers(0, 60), st.booleans(), st.integers(0, 50)), min_size=1, max_size=4)
CALLS = st.lists(
    st.tuples(st.sets(st.integers(0, 3), min_size=1), st.integers(0, 25), st.none() | st.integers(0, 40)), max_size=12
)
"""The budgets that a call is under, the amount of each, and what it comes to, if that is something else."""


def charges_of(example, budgets, chosen, amount):
    for place in sorted(chosen):
        if place < len(budgets):
            (window, zone), limit, binding, warn = budgets[place]
            name = f"{example}.{place} calls {window} {zone} *"
            yield Charge(name, window, zone, limit, amount, binding=binding, warn=warn)


async def verdicts(counters, example, budgets, calls):
    """Without what depends on the second in which one asks."""
    for number, (chosen, amount, actual) in enumerate(calls):
        charges = list(charges_of(example, budgets, chosen, amount))
        if not charges:
            continue
        found = await counters.reserve(f"{example}.{number}", charges)
        sums = [standing.used for standing in found.standings]
        if isinstance(found, Granted):
            yield "granted", sums, found.warned, found.passed
            if actual is not None:
                await counters.settle(f"{example}.{number}", charges, found, [actual] * len(charges))
                yield [standing.used for standing in await counters.read(charges)]
        else:
            yield found.over, [wait is None for wait in found.retry_after], sums


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(BUDGETS, CALLS)
def test_as_in_memory(server, budgets, calls):
    async def both():
        link, example = Link(server.url), next(EXAMPLES)

        async def connect():
            return link

        shared = RedisCounters(connect, "acme", "-", {}, alone=False)
        found = [
            [verdict async for verdict in verdicts(counters, example, budgets, calls)]
            for counters in (shared, Embedded())
        ]
        await shared.close()
        assert found[0] == found[1]

    anyio.run(both)
