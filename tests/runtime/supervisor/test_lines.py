"""The line at a server that several workers share: turns that one leaves are taken by another, and nobody is overtaken for ever."""

import anyio
import pytest

from meshplan.runtime import crowd
from meshplan.runtime.errors import RpcError
from meshplan.runtime.supervisor.board import Board, Shared
from meshplan.runtime.supervisor.lines import CommonLine


@pytest.fixture
def board():
    return Board(2)


def line(board, column):
    turns, waits = (Shared(board, column, kind, lambda *_: None) for kind in ("turns", "waits"))
    return CommonLine("s", turns, waits)


def counted(*lines):
    return [(found.turns.total(found.who), found.waits.total(found.who)) for found in lines]


async def test_a_turn_that_one_worker_leaves_is_taken_by_who_waits_in_another(board):
    one, two = line(board, 0), line(board, 1)
    assert one.enter(2)
    assert one.enter(2)
    assert not two.enter(2)
    async with anyio.create_task_group() as group:
        group.start_soon(two.wait, 9)
        await anyio.wait_all_tasks_blocked()
        assert counted(one, two) == [(2, 1)] * 2
        one.leave()
        assert not one.enter(2)  # it is for who waits
    assert counted(one, two) == [(2, 0)] * 2
    one.leave()
    two.leave()
    assert counted(one, two) == [(0, 0)] * 2


async def test_the_turns_of_a_worker_that_dies_are_taken(board):
    one, two = line(board, 0), line(board, 1)
    assert one.enter(1)
    assert not two.enter(1)
    async with anyio.create_task_group() as group:
        group.start_soon(two.wait, 9)
        await anyio.wait_all_tasks_blocked()
        board.clear(0)
    assert counted(two) == [(1, 0)]


async def test_as_many_wait_as_may_run_in_all_workers_together(board):
    one, two = line(board, 0), line(board, 1)
    assert one.enter(1)
    assert not one.enter(1)
    async with anyio.create_task_group() as group:
        group.start_soon(one.wait, 9)
        await anyio.wait_all_tasks_blocked()
        assert not two.enter(1)
        with pytest.raises(RpcError, match="server `s` has 1 calls under way"):
            await two.wait(9)
        one.leave()


async def test_whoever_waits_in_vain_or_leaves_is_counted_no_more(board, monkeypatch):
    monkeypatch.setattr(crowd, "QUEUE_SECONDS", 0.01)
    one, two = line(board, 0), line(board, 1)
    assert one.enter(1)
    assert not two.enter(1)
    with pytest.raises(RpcError):
        await two.wait(9)
    assert not two.enter(1)
    with anyio.move_on_after(0.001):
        await two.wait(9)
    assert counted(one, two) == [(1, 0)] * 2


@pytest.mark.parametrize("limit", [1, 3])
async def test_everybody_has_a_turn_whichever_worker_they_wait_in(board, limit):
    lines, running, most, ended = [line(board, 0), line(board, 1)], 0, 0, 0

    async def call(at):
        nonlocal running, most, ended
        for _ in range(10):
            if not at.enter(limit):
                await at.wait(9)
            running += 1
            most = max(most, running)
            await anyio.lowlevel.checkpoint()
            running -= 1
            at.leave()
            ended += 1

    async with anyio.create_task_group() as group:
        for number in range(2 * limit):
            group.start_soon(call, lines[number % 2])
    assert (most, ended) == (limit, 20 * limit)
    assert counted(*lines) == [(0, 0)] * 2
