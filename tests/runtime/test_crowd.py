"""Turns at servers: never more than may run, first come first served, and nobody's turn is lost."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.runtime import crowd
from meshplan.runtime.crowd import Crowd, Line
from meshplan.runtime.errors import OVERLOADED, RpcError


async def in_turn(line, limit, release, log, name, seconds=60.0):
    if not line.enter(limit):
        await line.wait(seconds)
    try:
        log.append(name)
        await release[name].wait()
    finally:
        line.leave()


@settings(deadline=None, max_examples=50)
@given(limit=st.integers(1, 3), leave=st.permutations(range(6)), cancelled=st.sets(st.integers(0, 5)))
async def test_no_more_run_than_may_and_whoever_waits_longest_is_next(limit, leave, cancelled):
    line, release, log = Line("s"), [anyio.Event() for _ in range(6)], []
    scopes = [anyio.CancelScope() for _ in range(6)]
    expected = list(range(min(limit, 6)))
    waiting = list(range(limit, min(2 * limit, 6)))

    async def one(name):
        with scopes[name]:
            await in_turn(line, limit, release, log, name)

    async with anyio.create_task_group() as group:
        for name in range(min(2 * limit, 6)):
            group.start_soon(one, name)
        await anyio.wait_all_tasks_blocked()
        assert log == expected
        for name in leave:
            if name in waiting and name in cancelled:
                scopes[name].cancel()
                waiting.remove(name)
            elif name in log and not release[name].is_set():
                release[name].set()
                expected += [waiting.pop(0)] if waiting else []
            await anyio.wait_all_tasks_blocked()
            assert log == expected
        for event in release:
            event.set()
    assert line.turns.total(line.who) == line.waits.total(line.who) == 0
    assert line.enter(limit)


async def test_too_many_in_line_are_told_at_once_and_those_who_wait_too_long_after_a_while(monkeypatch):
    monkeypatch.setattr(crowd, "QUEUE_SECONDS", 0.01)
    line = Crowd().line("s")
    assert line.enter(1)
    async with anyio.create_task_group() as group:

        async def waits():
            with pytest.raises(RpcError) as caught:
                await line.wait(9)
            assert (caught.value.code, caught.value.data["reason"]) == (OVERLOADED, "upstream_overloaded")

        group.start_soon(waits)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RpcError, match="server `s` has 1 calls under way"):
            await line.wait(9)
    line.leave()
    assert (line.turns.total(line.who), line.enter(1)) == (0, True)
