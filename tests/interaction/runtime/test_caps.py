"""Caps hold over real HTTP: 64 callers at once, one process and four workers, and a runtime that is killed in the middle."""

import os
import signal
from contextlib import suppress
from decimal import Decimal

import anyio
import pytest
from runtimes import runtime
from sites import listening
from spenders import CALLERS, CENT, LOST, USD, Executed, bundle, spend, together


@pytest.mark.parametrize("workers", [1, 4])
async def test_64_callers_never_pass_a_cap(tmp_path, workers):
    server = Executed()

    async def end_one(running):
        """With workers, one of them dies while all callers spend."""
        if workers > 1:
            await server.reached("varied", 60)
            os.kill((await running.status())["workers"][0]["pid"], signal.SIGKILL)

    async with (
        listening(server) as port,
        runtime("--plan", bundle(port, tmp_path, calls=1000), "--workers", workers) as running,
        anyio.create_task_group() as tasks,
    ):
        refusals = await together("fixed", running.base)
        tasks.start_soon(end_one, running)
        refusals += await together("varied", running.base)
        budgets = (await running.status())["budgets"]
    # What a dead worker had under way stays charged with the most that it could have cost.
    lost = 0 if workers == 1 else CALLERS * 5 * CENT
    assert server.calls["fixed"] == 1000
    assert 10 * USD - 5 * CENT - lost < server.billed <= 10 * USD
    assert (budgets["calls"]["used"], budgets["fixed"]["used"]) == (1000, "10.00")
    assert server.billed <= Decimal(budgets["varied"]["used"]) * USD <= min(10 * USD, server.billed + lost)
    assert sum(server.calls.values()) <= budgets["seen"]["used"] <= sum(server.calls.values()) + CALLERS
    for status, headers, error in refusals:
        assert (status, error["code"], error["data"]["reason"]) == (429, -31009, "over_budget")
        assert error["data"]["budget"] in ("calls", "fixed", "varied")
        assert int(headers["retry-after"]) == error["data"]["retry_after"]


async def test_a_killed_runtime_has_spent_at_least_what_was_executed(tmp_path):
    server, cap, kills = Executed(), 120, 3
    async with listening(server) as port:
        plan = bundle(port, tmp_path, calls=cap)
        for number in range(kills):
            async with runtime("--plan", plan) as running, anyio.create_task_group() as tasks:
                assert await used(running) >= server.calls["fixed"]

                async def until_it_dies(base=running.base):
                    with suppress(*LOST):
                        await spend(base, "fixed")

                for _ in range(16):
                    tasks.start_soon(until_it_dies)
                await server.reached("fixed", 20 * (number + 1))
                running.process.send_signal(signal.SIGKILL)
        async with runtime("--plan", plan) as running:
            assert await used(running) >= server.calls["fixed"]
            await spend(running.base, "fixed")
            assert await used(running) == cap
    # A kill costs at most what its 16 callers had under way.
    assert cap - 16 * kills <= server.calls["fixed"] <= cap


async def used(running):
    return (await running.status())["budgets"]["calls"]["used"]
