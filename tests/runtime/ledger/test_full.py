"""What callers and operators see of a ledger that cannot be written, and of one that cannot be opened."""

import json
import resource
import sqlite3
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from plans import FakeUpstreams, recorded, simple
from sites import site

from meshplan.compiler.cli import run
from meshplan.runtime.active import Active
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.ledger.exported import Exported
from meshplan.runtime.ledger.writer import Writer
from meshplan.schemas.bundle import pack
from meshplan.schemas.ledger.book import open_chains


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


def test_on_a_full_disk_calls_are_refused_and_all_of_them_are_written_when_there_is_room_again(tmp_path):
    script = Path(__file__).with_name("filling.py")
    done = subprocess.run([sys.executable, script, tmp_path, "150000"], capture_output=True, timeout=100, check=True)
    told = json.loads(done.stdout)
    assert (told["failing"], told["then"]) == ("disk I/O error", None)
    assert told["ledger_full"] == told["refused"] >= 8
    assert run(["ledger", "verify", "--ledger", str(tmp_path / "ledger")]) == 0
    with open_chains(tmp_path / "ledger") as [chain]:
        entries = list(chain.entries())
    ended = Counter(entry.outcome for entry in entries if entry.kind == "outcome")
    assert ended == {"ok": told["executed"], "overloaded": told["refused"]}
    assert not [entry for entry in entries if entry.kind == "gap"]


def test_a_head_is_exported_as_a_whole_or_not_at_all(tmp_path):
    heads = tmp_path / "heads.jsonl"
    heads.write_bytes(b"one\n" + b"cut off")
    exported, unlimited = Exported(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    exported.append(b"two")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, unlimited[1]))
        with pytest.raises(OSError, match="No space left"):
            exported.append(b"three")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    exported.append(b"four")
    exported.close()
    assert heads.read_bytes() == b"one\ntwo\nfour\n"
