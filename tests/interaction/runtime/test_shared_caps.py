"""Caps hold for two runtimes that count in one real Redis, whatever happens to it."""

from contextlib import AsyncExitStack

import anyio
import anyio.to_thread
import pytest
from redis_servers import one_redis
from runtimes import runtime
from sites import listening
from spenders import CENT, USD, Executed, bundle, connection, spend, together

from meshplan.schemas.plan import Literally


@pytest.fixture
def redis():
    with one_redis() as found:
        yield found


async def started(stack, server_port, tmp_path, redis, name, workers=1):
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    plan = bundle(server_port, folder, calls=1000, redis=Literally(value=redis.url))
    return await stack.enter_async_context(runtime("--plan", plan, "--workers", workers))


async def acquainted(redis, members):
    """Both have been heard of, and have heard of each other: a sign of life after the last one came."""

    def known():
        (key,) = redis.client.keys("*:members") or [b"nobody"]
        return redis.client.hgetall(key)

    with anyio.fail_after(20):
        while len(before := known()) < members:
            await anyio.lowlevel.checkpoint()
        while any(known().get(name) == seen for name, seen in before.items()):
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("trouble", ["nothing", "FLUSHALL", "restart"])
async def test_two_runtimes_never_pass_a_cap(tmp_path, redis, trouble):
    server = Executed()

    async def make_trouble():
        for calls in (300, 600):
            await server.reached("fixed", calls)
            if trouble == "FLUSHALL":
                redis.client.flushall()
            elif trouble == "restart":
                await anyio.to_thread.run_sync(redis.restart)

    async with listening(server) as port, AsyncExitStack() as stack:
        # One of them has workers, which all count through the process that they share.
        both = [await started(stack, port, tmp_path, redis, name, workers) for name, workers in (("a", 1), ("b", 2))]
        bases = [running.base for running in both]
        await acquainted(redis, 2)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make_trouble)
            await together("fixed", *bases)
        await together("varied", *bases)
        assert server.calls["fixed"] == 1000
        assert 10 * USD - 5 * CENT < server.billed <= 10 * USD
        for running in both:
            assert (await running.status())["counters"]["state"] == "ok"


async def test_a_runtime_that_is_started_again_counts_what_its_ledger_says(tmp_path, redis):
    server = Executed()
    async with listening(server) as port:
        async with AsyncExitStack() as stack:
            running = await started(stack, port, tmp_path, redis, "a")
            await together("fixed", running.base)
        redis.client.flushall()
        async with AsyncExitStack() as stack:
            running = await started(stack, port, tmp_path, redis, "a")
            status, _, error = await spend(running.base, "fixed")
    assert (status, error["data"]["reason"]) == (429, "over_budget")
    assert server.calls["fixed"] == 1000


async def test_each_runtime_shows_what_all_have_spent_also_while_the_server_is_away(tmp_path, redis):
    server = Executed()
    async with listening(server) as port, AsyncExitStack() as stack:
        first, second = [
            await started(stack, port, tmp_path, redis, name, workers) for name, workers in (("a", 1), ("b", 2))
        ]
        await acquainted(redis, 2)
        async with connection(first.base) as caller:
            assert [(await caller.call("fixed"))[0] for _ in range(3)] == [200] * 3

        async def shown(reached):
            with anyio.fail_after(20):
                while not reached(found := await second.status()):
                    await anyio.lowlevel.checkpoint()
            return found

        await shown(lambda found: found["budgets"]["calls"]["used"] == 3)
        redis.kill()
        gone = await shown(lambda found: found["counters"]["state"] == "down" and found["counters"]["age"] > 0)
        assert (gone["budgets"]["calls"]["used"], gone["budgets"]["fixed"]["used"]) == (3, "0.03")
