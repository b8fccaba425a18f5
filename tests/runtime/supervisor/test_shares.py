"""Sessions and parked calls of one principal in two workers: bounded together, and the one that has the most lets go."""

import itertools
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest

from meshplan.runtime import parked
from meshplan.runtime.errors import RpcError
from meshplan.runtime.front import sessions as sessions_module
from meshplan.runtime.front.session import Session
from meshplan.runtime.front.sessions import Sessions
from meshplan.runtime.parked import ParkedError, Questions, open_lot
from meshplan.runtime.supervisor.board import Board
from meshplan.runtime.supervisor.shares import Shares
from meshplan.runtime.supervisor.standings import Standings

ANN, BOB = ("key", "ann"), ("key", "bob")


class Keeper:
    """Tells all workers what one tells it."""

    def __init__(self):
        self.lost, self.workers = anyio.Event(), []

    def tell(self, name, arguments):
        assert name == "room"
        for shares in self.workers:
            shares.make_room(arguments[0], tuple(arguments[1]))


@pytest.fixture
def workers(tmp_path: Path):
    keeper = Keeper()
    setup = SimpleNamespace(board=Board(2), standings=Standings(tmp_path / "lock"))
    keeper.workers = [Shares(setup, column, keeper) for column in range(2)]
    return keeper.workers


def test_a_principal_with_too_many_sessions_loses_one_in_the_worker_that_has_the_most(workers, monkeypatch):
    monkeypatch.setattr(sessions_module, "MAX_PER_PRINCIPAL", 3)
    found = [Sessions(lambda: 10.0, counts=shares.sessions) for shares in workers]
    for shares, sessions in zip(workers, found, strict=True):
        shares.give_up["sessions"] = sessions.let_go
    numbers = itertools.count(1)

    def opened(at, owner=ANN):
        number = next(numbers)
        session = Session("dev", owner, "2025-11-25", {}, None, float(number), id=f"s{number}")
        found[at].add(session)
        return session

    def there(at, session):
        return found[at].find(session.id, session.owner, "dev") is not None

    first, second, third = [opened(0) for _ in range(3)]
    other = opened(0, BOB)
    assert there(1, opened(1))
    assert [there(0, session) for session in (first, second, third, other)] == [False, True, True, True]
    opened(1)
    assert [len(sessions) for sessions in found] == [3, 1]  # it has one here that is idle
    assert workers[0].sessions.total(ANN) == 3


async def asks(on_ask, _on_notify):
    return await on_ask("roots/list", {})


@asynccontextmanager
async def lots(workers):
    async with open_lot(workers[0].parked) as first, open_lot(workers[1].parked) as second:
        for shares, lot in zip(workers, (first, second), strict=True):
            shares.give_up["parked"] = lot.give_up
        yield first, second


async def waits(lot, questions, owner=ANN):
    try:
        result = await lot.resume((questions.parked, questions.round), owner, {"q1": {"roots": []}}, None)
    except ParkedError:
        return False
    assert result == {"roots": []}
    return True


@pytest.mark.parametrize("at", [0, 1])
async def test_a_principals_parked_calls_are_bounded_in_both_workers_together(workers, at, monkeypatch):
    monkeypatch.setattr(parked, "MAX_PARKED_PER_PRINCIPAL", 3)
    with anyio.fail_after(20):
        async with lots(workers) as both:
            first, second, third = [await both[0].begin(ANN, asks, None) for _ in range(3)]
            other = await both[1].begin(BOB, asks, None)
            newest = await both[at].begin(ANN, asks, None)
            assert isinstance(newest, Questions)
            assert [await waits(both[0], questions) for questions in (first, second, third)] == [False, True, True]
            assert await waits(both[at], newest)
            assert await waits(both[1], other, BOB)
            assert [shares.parked.total(ANN) for shares in workers] == [0, 0]


async def test_all_parked_calls_are_bounded_and_nobody_loses_one_to_somebody_else(workers, monkeypatch):
    monkeypatch.setattr(parked, "MAX_PARKED", 2)
    with anyio.fail_after(20):
        async with lots(workers) as both:
            kept = [await both[at].begin(BOB, asks, None) for at in (0, 1)]
            with pytest.raises(RpcError):
                await both[0].begin(ANN, asks, None)
            assert [await waits(lot, questions, BOB) for lot, questions in zip(both, kept, strict=True)] == [True] * 2
            assert isinstance(await both[0].begin(ANN, asks, None), Questions)
