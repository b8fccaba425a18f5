"""Counters in a real Redis: a limit holds for several runtimes, whatever is lost, and nothing is guessed."""

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count

import anyio
import pytest

from meshplan.runtime.budget.port import Charge, CountersUnavailableError, Exceeded, Granted
from meshplan.runtime.budget.redis import counters as module
from meshplan.runtime.budget.redis.counters import RedisCounters, open_counters
from meshplan.runtime.budget.redis.link import Link
from meshplan.runtime.budget.redis.watch import Watch
from meshplan.schemas.windows import bucket

DAY = Charge("month-cap calls day UTC *", "day", "UTC", 1000, 1, binding=True)
MINUTE = Charge("burst calls minute UTC *", "minute", "UTC", 10, 1, binding=True)


def runtime(url, chain="-", told=None, *, alone=False):
    async def connect():
        return Link(url)

    return RedisCounters(connect, "acme", chain, told or {}, alone=alone)


@asynccontextmanager
async def runtimes(*urls, **settings):
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_counters(runtime(url, **settings))) for url in urls]


async def until(reached):
    with anyio.fail_after(20):
        while not await reached():
            await anyio.lowlevel.checkpoint()


async def used(counters, charge=DAY):
    """The sum, once it can be told."""
    with anyio.fail_after(20):
        while True:
            with suppress(CountersUnavailableError):
                return (await counters.read([charge]))[0].used


class Load:
    """Callers that reserve until they are refused; ``granted`` is what they had."""

    def __init__(self, charge=DAY):
        self.charge, self.granted, self.refused, self.numbers = charge, 0, 0, count()

    async def caller(self, counters):
        while True:
            decision = f"d{next(self.numbers)}"
            try:
                found = await counters.reserve(decision, [self.charge])
            except CountersUnavailableError:
                self.refused += 1
                continue
            if isinstance(found, Exceeded):
                return
            self.granted += 1

    async def run(self, those, callers=64, meanwhile=None):
        async with anyio.create_task_group() as tasks:
            for number in range(callers):
                tasks.start_soon(self.caller, those[number % len(those)])
            if meanwhile is not None:
                await meanwhile(self)


async def test_all_charges_of_a_call_or_none(server):
    small = DAY._replace(counter="small calls day UTC *", limit=2)
    warns = DAY._replace(counter="warns calls day UTC *", limit=1, binding=False)
    async with runtimes(server.url) as (mesh,):
        for number in range(2):
            assert isinstance(await mesh.reserve(f"d{number}", [DAY, small, warns]), Granted)
        found = await mesh.reserve("d2", [DAY, small, warns])
        assert isinstance(found, Exceeded)
        assert found.over == (1,)
        assert [standing.used for standing in found.standings] == [2, 2, 2]
        assert [standing.used for standing in await mesh.read([DAY, small, warns])] == [2, 2, 2]


async def test_when_to_come_back(server):
    async with runtimes(server.url) as (mesh,):
        for number in range(10):
            assert isinstance(await mesh.reserve(f"d{number}", [MINUTE]), Granted)
        refused = await mesh.reserve("d", [MINUTE])
        assert refused.over == (0,)
        assert 55 <= refused.retry_after[0] <= 61
        assert (await mesh.reserve("e", [MINUTE._replace(amount=11)])).retry_after == (None,)
        day = await mesh.reserve("f", [DAY._replace(amount=1000)])
        assert isinstance(day, Granted)
        refused, now = await mesh.reserve("g", [DAY]), server.client.time()[0]
        assert abs(refused.retry_after[0] - (bucket("day", "UTC", now).end - now)) <= 1


async def test_what_is_settled_is_settled_once(server):
    charge = DAY._replace(amount=100)
    async with runtimes(server.url) as (mesh,):
        granted = await mesh.reserve("d", [charge])
        for _ in range(3):
            await mesh.settle("d", [charge], granted, [30])
        assert await used(mesh) == 30
        over = await mesh.reserve("e", [charge])
        await mesh.settle("e", [charge], over, [2000])
        assert await used(mesh) == 2030


async def test_two_runtimes_share_one_limit(server):
    async with runtimes(server.url, server.url) as both:
        load = Load()
        await load.run(both)
        assert load.granted == DAY.limit
        assert await used(both[0]) == DAY.limit


async def test_meshes_share_a_server_and_no_counter(server):
    async def connect():
        return Link(server.url)

    async with (
        runtimes(server.url) as (mesh,),
        open_counters(RedisCounters(connect, "b", "-", {}, alone=False)) as other,
    ):
        await mesh.reserve("d", [DAY])
        assert await used(other) == 0


@pytest.mark.parametrize("lost", ["FLUSHALL", "restart"])
async def test_what_the_server_loses_is_said_again(server, lost):
    async def lose(load):
        for granted in (300, 600):

            async def reached(wanted=granted):
                return load.granted >= wanted

            await until(reached)
            if lost == "FLUSHALL":
                server.client.flushall()
            else:
                await anyio.to_thread.run_sync(server.restart)

    async with runtimes(server.url, server.url) as both:
        # Both must have heard of each other, as those that are alive are waited for.
        async def acquainted():
            return all(len(mesh._alive) == 2 for mesh in both)

        await until(acquainted)
        load = Load()
        await load.run(both, callers=16, meanwhile=lose)
        assert load.granted == DAY.limit
        assert await used(both[1]) == DAY.limit


async def test_an_older_state_of_the_server_is_noticed(server):
    """Redis comes back with what it had saved a while ago."""
    async with runtimes(server.url) as (mesh,):
        await mesh.reserve("d", [DAY._replace(amount=100)])
        server.client.save()
        await mesh.reserve("e", [DAY._replace(amount=500)])
        server.restart()
        assert await used(mesh) == 600


async def test_answers_that_never_come_leave_nothing_over_the_limit(server, relay):
    async with runtimes(relay.url, server.url) as (half_deaf, other):
        assert isinstance(await half_deaf.reserve("a", [DAY]), Granted)
        relay.deaf = True
        with pytest.raises(CountersUnavailableError):
            await half_deaf.reserve("b", [DAY])
        assert await used(other) == 2, "it was carried out, and nobody heard of it"
        relay.deaf = False
        assert await used(half_deaf) == 1, "the next join says what is so"
        load = Load()
        await load.run([half_deaf, other], callers=8)
        assert load.granted == DAY.limit - 1


async def test_a_settlement_that_nobody_heard_of_is_not_made_twice(server, relay):
    charge = DAY._replace(amount=100)
    async with runtimes(relay.url) as (mesh,):
        granted = await mesh.reserve("a", [charge])
        relay.deaf = True
        await mesh.settle("a", [charge], granted, [40])
        relay.deaf = False
        await mesh.settle("a", [charge], granted, [40])
        assert await used(mesh) == 40


async def test_a_server_that_forgets_under_pressure_is_refused(server):
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    mesh = runtime(server.url)
    with pytest.raises(CountersUnavailableError, match="noeviction"):
        await mesh.reserve("a", [DAY])
    assert mesh.state == "down"


async def test_closed_without_the_server(server):
    async with runtimes(server.url) as (mesh,):
        await mesh.reserve("a", [DAY])
        server.kill()
        with pytest.raises(CountersUnavailableError):
            await mesh.reserve("b", [DAY])
        assert mesh.state == "down"
        server.start()
        assert await used(mesh) == 1
        assert mesh.state == "ok"


async def test_local_is_a_part_of_the_limit_each_and_is_counted_afterwards(server):
    async with runtimes(server.url, server.url, alone=True) as both:

        async def acquainted():
            return all(len(mesh._alive) == 2 for mesh in both)

        await until(acquainted)
        await both[0].reserve("a", [DAY._replace(amount=600)])
        server.kill()
        assert isinstance(await both[0].reserve("b", [DAY]), Exceeded), "it has had more than its half"
        mine = Load()
        await mine.run([both[1]], callers=4)
        assert mine.granted == 500
        server.start()
        assert [await used(mesh) for mesh in both] == [1100, 1100]


async def test_what_a_ledger_tells_counts_at_least(server):
    start = bucket("day", "UTC", server.client.time()[0]).start
    told = {"one": {DAY.counter: {start: 300}}, "two": {DAY.counter: {start: 50}}}
    async with runtimes(server.url, chain="one", told=told) as (mesh,):
        assert await used(mesh) == 350
        await mesh.reserve("a", [DAY._replace(amount=20)])
    # The next run reads its ledger, which knows of these 20, too.
    told["one"][DAY.counter][start] = 320
    async with runtimes(server.url, chain="one", told=told) as (mesh,):
        assert await used(mesh) == 370
    # And a ledger that came to more than anybody said in time.
    told["one"][DAY.counter][start] = 325
    async with runtimes(server.url, chain="one", told=told) as (mesh,):
        assert await used(mesh) == 375
        server.client.flushall()
        assert await used(mesh) == 375


async def test_one_that_died_is_waited_for_only_so_long(server, monkeypatch):
    monkeypatch.setattr(module, "ALIVE", 1)
    monkeypatch.setattr(module, "WAIT", 2)
    async with runtimes(server.url) as (mesh,):
        async with anyio.create_task_group() as tasks:
            link = Link(server.url)

            async def connect():
                return link

            dead = RedisCounters(connect, "acme", "-", {}, alone=False)
            tasks.start_soon(dead.run)

            async def acquainted():
                return len(mesh._alive) == 2

            await until(acquainted)
            await dead.reserve("a", [DAY._replace(amount=400)])
            await mesh.reserve("b", [DAY._replace(amount=100)])
            tasks.cancel_scope.cancel()
        await link.close()
        server.client.flushall()
        assert await used(mesh) == 500, "what it was seen to have spent still counts"


async def test_what_is_nearly_used_up_is_told_once_whoever_asks(server):
    soft = Charge("soft tokens hour UTC *", "hour", "UTC", 10, 3, binding=False, warn=5)
    async with runtimes(server.url, server.url) as [first, second]:
        found = [await mesh.reserve(f"d{number}", [DAY, soft]) for number, mesh in enumerate([first, second] * 3)]
    assert [one.warned for one in found] == [(), (1,), (), (), (), ()]
    assert [one.passed for one in found] == [(), (), (), (1,), (), ()]


async def test_what_the_server_holds_is_seen_by_every_runtime_and_stays_when_it_is_down(server):
    strange = Charge("odd calls day Nowhere/Else *", "minute", "UTC", 10, 1, binding=False)
    async with runtimes(server.url, server.url) as [first, second]:
        granted = await first.reserve("a", [DAY._replace(amount=5), MINUTE, strange])
        await first.settle("a", [DAY._replace(amount=5), MINUTE, strange], granted, [2, 1, 1])
        clock = [100.0]
        watch = Watch(second, lambda: clock[0])
        assert (watch.newest(), watch.age) == ({}, None)

        async def looked():
            await anyio.lowlevel.checkpoint()
            return watch.age is not None

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run)
            await until(looked)
            tasks.cancel_scope.cancel()
        seen = {(counter.budget, counter.window): used for counter, used in watch.newest().items()}
        assert seen == {("month-cap", "day"): 2, ("burst", "minute"): 1}
        server.kill()
        clock[0] += 42
        with pytest.raises(CountersUnavailableError):
            await watch.look()
        assert (watch.age, {counter.budget for counter in watch.newest()}) == (42.0, {"month-cap", "burst"})


async def test_counters_that_are_gone_are_not_looked_for_again(server):
    async with runtimes(server.url) as [one]:
        await one.reserve("a", [DAY, MINUTE])
        server.client.delete("{meshplan:acme}:c:" + MINUTE.counter)
        assert await one.names(10) == [DAY.counter]
        assert server.client.smembers("{meshplan:acme}:touched") == {DAY.counter.encode()}
        await one.reserve("b", [MINUTE])
        assert sorted(await one.names(10)) == sorted([DAY.counter, MINUTE.counter])
