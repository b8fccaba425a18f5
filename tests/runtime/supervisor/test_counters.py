"""Workers spend of the keeper's counters: also when a worker never hears that it was granted something."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import anyio
import pytest

from meshplan.runtime.budget.embedded import Embedded
from meshplan.runtime.budget.port import Charge, CountersUnavailableError, Exceeded, Granted
from meshplan.runtime.supervisor.counters import KeeperCounters, Till
from meshplan.runtime.supervisor.peer import LinkLostError, RefusalError

CHARGES = [Charge("cap usd month UTC *", "month", "UTC", 10, 6, binding=True)]


class Wire:
    """A worker's side of the link: what it says arrives at once, in order, unless it is slow."""

    def __init__(self, till):
        self.till, self.lost, self.answering = till, anyio.Event(), anyio.Event()
        self.answering.set()
        self.slow = anyio.Event()

    async def call(self, name, arguments):
        found = await self.till.answer(name, arguments)
        self.slow.set()
        await self.answering.wait()
        return {member: list(value) for member, value in found.items()} if isinstance(found, dict) else found

    def tell(self, name, arguments):
        self.till.hear(name, arguments)


@asynccontextmanager
async def keeper():
    counters = Embedded(lambda: 1_000_000.0)
    till = Till(counters)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(till.background.run)
        yield till, Wire(till), counters
        tasks.cancel_scope.cancel()


async def used(counters):
    await anyio.wait_all_tasks_blocked()
    return sum(counters.counting().values())


async def test_what_one_worker_reserves_another_cannot():
    async with keeper() as (till, wire, counters):
        first, second = KeeperCounters(wire), KeeperCounters(Wire(till))
        granted = await first.reserve("1", CHARGES)
        assert isinstance(granted, Granted)
        refused = await second.reserve("2", CHARGES)
        assert isinstance(refused, Exceeded)
        assert (refused.over, refused.standings[0].used) == ((0,), 6)
        await first.settle("1", CHARGES, granted, [4])
        assert await used(counters) == 4
        assert isinstance(await second.reserve("2", CHARGES), Granted)
        assert [standing.used for standing in await first.read(CHARGES)] == [10]


async def test_what_is_nearly_used_up_is_told_to_one_worker():
    async with keeper() as (till, wire, _):
        soft = [Charge("soft calls day UTC *", "day", "UTC", 2, 2, binding=False, warn=1)]
        found = [
            await worker.reserve(str(number), soft)
            for number, worker in enumerate([KeeperCounters(wire), KeeperCounters(Wire(till))] * 2)
        ]
        assert [(one.warned, one.passed) for one in found] == [((0,), ()), ((), (0,)), ((), ()), ((), ())]


async def test_a_grant_that_nobody_heard_is_taken_back():
    async with keeper() as (_, wire, counters):
        wire.answering = anyio.Event()
        # As our HTTP server ends the task of a client that leaves.
        leaving = asyncio.create_task(KeeperCounters(wire).reserve("1", CHARGES))
        await wire.slow.wait()
        assert await used(counters) == 6
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert await used(counters) == 0


async def test_also_where_that_is_heard_before_the_reservation():
    async with keeper() as (till, wire, counters):
        till.hear("unreserve", "1")
        await KeeperCounters(wire).reserve("1", CHARGES)
        assert await used(counters) == 0


@pytest.mark.parametrize("failure", [LinkLostError(), RefusalError({"reason": "no"})])
async def test_without_the_keeper_nothing_is_granted(failure):
    class Gone:
        lost = anyio.Event()

        async def call(self, *_):
            raise failure

        def tell(self, *_):
            self.lost.set()

    with pytest.raises(CountersUnavailableError):
        await KeeperCounters(Gone()).reserve("1", CHARGES)
