"""What callers and operators see of a ledger that cannot be written, and of one that cannot be opened."""

import sqlite3
import subprocess
import sys
from functools import partial

import pytest
from plans import FakeUpstreams, recorded, simple
from sites import site

from meshplan.runtime.active import Active
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.ledger.writer import Writer
from meshplan.schemas.bundle import pack


@pytest.fixture
def held(tmp_path):
    """Holds the ledger's file, as a disk that takes nothing."""
    opened = []

    def hold():
        db = sqlite3.connect(tmp_path / "ledger/writer-0-000001.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        opened.append(db)
        return db

    yield hold
    for db in opened:
        db.close()


async def test_a_full_ledger_is_503_and_shows_in_the_status(tmp_path, held):
    bundle, active = recorded(simple(), overflow="refuse"), Active()
    book = Book(tmp_path, active, lambda *_: None, partial(Writer, capacity=2))
    book.prepare(bundle.plan)
    call = "tools/call", {"name": "get_note", "arguments": {}}
    async with site(bundle, FakeUpstreams(), active=active, book=book) as found:
        assert (await found.modern(*call)).status_code == 200
        await book.pen.written()
        idle = {"failing": None, "waiting": 0, "behind": 0.0, "late": False, "full": False}
        assert found.front.status.report()["ledger"] == idle
        db = held()
        assert (await found.modern(*call)).status_code == 200
        refused = await found.modern(*call)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["error"] == {
            "code": -31004,
            "message": "the ledger cannot be written fast enough",
            "data": {"reason": "ledger_full"},
        }
        told = found.front.status.report()["ledger"]
        assert (told["waiting"], told["full"]) == (2, True)
        assert told["behind"] > 0
        db.execute("ROLLBACK")
        await book.pen.written()
        assert (await found.modern(*call)).status_code == 200
    book.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_ledger_that_cannot_be_opened_refuses_the_start(tmp_path, workers):
    (tmp_path / "plan").write_text(pack(recorded(simple())))
    (tmp_path / "ledger").write_text("a file")
    command = [sys.executable, "-m", "meshplan.runtime", "serve", "--listen", "127.0.0.1:0"]
    command += ["--plan", str(tmp_path / "plan"), "--root", str(tmp_path), "--workers", str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 6
    assert "the plan is refused (ledger): the ledger `" in done.stderr
    assert "Traceback" not in done.stderr
