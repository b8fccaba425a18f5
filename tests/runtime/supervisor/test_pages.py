"""A worker's entries: when they are on the keeper's disk, and what a worker knows of a disk that is slow."""

import sqlite3
from contextlib import closing

import anyio
import pytest
from plans import recorded, simple

from meshplan.runtime.active import Active
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.supervisor.pages import Pages, take
from meshplan.schemas.ledger.book import open_chains
from meshplan.schemas.ledger.entry import Entry

AT = "2026-05-01T00:00:00.000+00:00"


class Keeper:
    """Writes what it is told, as the keeper does."""

    def __init__(self, folder):
        self.book = Book(folder, Active(), lambda *_: None)
        self.book.prepare(recorded(simple()).plan)

    async def call(self, name, message):
        assert name == "ledger"
        return await take(self.book, message)


def kinds(folder):
    with open_chains(folder / "ledger") as [chain]:
        return [entry.kind for entry in chain.entries()]


@pytest.fixture
def held(tmp_path):
    """A keeper whose disk takes nothing until it is let go, and a worker's pages, at work."""
    keeper = Keeper(tmp_path)
    pages = Pages(keeper, lambda *_: None)
    pages.follow(recorded(simple(), window_ms=40).plan.runtime.ledger)
    with closing(sqlite3.connect(tmp_path / "ledger/writer-0-000001.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield pages, db
    keeper.book.close()


async def late(pages):
    with anyio.fail_after(20):
        while not pages.late:
            await anyio.lowlevel.checkpoint()


async def test_a_worker_knows_when_the_disk_of_its_keeper_is_late(tmp_path, held):
    pages, disk = held
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pages.run)
        pages.put(Entry("intent", AT, decision="a"))
        await late(pages)
        assert pages.waiting == 1
        disk.execute("ROLLBACK")
        await pages.written(Entry("outcome", AT, decision="a", outcome="ok"))
        assert (pages.waiting, pages.behind, pages.late) == (0, 0.0, False)
        assert kinds(tmp_path) == ["opened", "intent", "outcome"]
        tasks.cancel_scope.cancel()


async def test_a_worker_that_ends_waits_for_what_it_has_handed_over(tmp_path, held):
    pages, disk = held
    drained = anyio.Event()

    async def end():
        await pages.drain()
        drained.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pages.run)
        pages.put(Entry("intent", AT, decision="a"))
        await late(pages)
        tasks.start_soon(end)
        await anyio.wait_all_tasks_blocked()
        assert not drained.is_set()
        disk.execute("ROLLBACK")
        await drained.wait()
        assert kinds(tmp_path) == ["opened", "intent"]
        tasks.cancel_scope.cancel()
