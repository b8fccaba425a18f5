"""Old entries are let go of, a segment at a time; what remains verifies, and what was taken out by somebody else is found."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from meshplan.compiler.cli import run
from meshplan.runtime.ledger.file import Keeping, LedgerFile
from meshplan.schemas.ledger.book import open_chains
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.traces import traced
from meshplan.schemas.ledger.verify import Checked, verify

START = datetime(2026, 5, 1, tzinfo=UTC)
RETENTION = timedelta(days=8)


class Days:
    """A ledger that gets one attempt a day, and is looked after each day."""

    def __init__(self, folder, **keeping):
        self.folder, self.day, self.removed, self.closed = folder, 0, [], False
        self.file = LedgerFile(folder, self.now, Keeping(RETENTION, **keeping))

    def now(self):
        return (START + timedelta(days=self.day)).isoformat(timespec="milliseconds")

    def attempt(self, *, ends=True):
        fields = {"decision": f"d{self.day}", "call": f"c{self.day}", "user": "ann"}
        entries = [Entry("intent", self.now(), **fields), Entry("outcome", self.now(), outcome="ok", **fields)]
        self.file.append(entries if ends else entries[:1])

    def pass_days(self, count):
        for _ in range(count):
            self.day += 1
            self.attempt()
            self.tend()

    def tend(self):
        self.removed += [head["seq"] for head in self.file.tend() if head.get("removed")]

    def close(self):
        if not self.closed:
            self.file.close()
        self.closed = True


@pytest.fixture
def days(tmp_path):
    opened = []

    def make(folder=tmp_path / "ledger", **keeping):
        opened.append(Days(folder, **keeping))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def files(folder):
    return sorted(path.name for path in folder.glob("*.db"))


def verified(folder, capsys):
    code = run(["-C", str(folder.parent), "ledger", "verify", "--ledger", str(folder), "--format", "json"])
    said = json.loads(capsys.readouterr().out)
    return code, [(one["code"], one["seq"]) for one in said["findings"]], said["chains"]


def test_what_is_kept_is_bounded_and_verifies(days, capsys):
    one = days()
    one.attempt()
    one.pass_days(40)
    segments = files(one.folder)
    assert len(segments) <= 11
    assert "writer-0-000001.db" not in segments
    with open_chains(one.folder) as [chain]:
        first = next(chain.entries())
        assert timedelta(days=7) <= START + timedelta(days=40) - datetime.fromisoformat(first.at) <= timedelta(days=10)
        assert chain.span()[0] == one.removed[-1] + 1
        assert traced([chain], "d1") == []
        assert [row["kind"] for row in traced([chain], "d39")] == ["intent", "outcome"]
    code, found, chains = verified(one.folder, capsys)
    assert (code, found) == (0, [])
    assert chains["writer-0"]["removed"] == one.removed[-1]
    assert run(["usage", "--ledger", str(one.folder), "--since", "2026-05-01", "--format", "csv"]) == 0
    assert 7 <= int(capsys.readouterr().out.splitlines()[1].split(",")[2]) <= 11


def test_a_new_start_goes_on_in_the_newest_segment(days, capsys):
    one = days()
    one.attempt()
    one.pass_days(20)
    before = one.file._seq
    one.close()
    two = days()
    two.day = 20
    assert two.file._epoch == 2
    assert two.file._seq == before + 1
    two.close()
    assert verified(one.folder, capsys)[:2] == (0, [])


def test_a_segment_that_somebody_took_out_is_found(days, capsys, tmp_path):
    one = days()
    one.attempt()
    one.pass_days(21)
    one.close()
    whole = shutil.copytree(one.folder, tmp_path / "whole")
    oldest, second, *_, newest = files(one.folder)
    (one.folder / oldest).unlink()
    code, found, _ = verified(one.folder, capsys)
    assert (code, found) == (6, [("gap", 1)])
    shutil.copy(whole / oldest, one.folder / oldest)
    (one.folder / second).unlink()
    assert {what for what, _ in verified(one.folder, capsys)[1]} == {"gap"}
    shutil.copy(whole / second, one.folder / second)
    (one.folder / newest).unlink()
    assert {what for what, _ in verified(one.folder, capsys)[1]} == {"truncated"}


def test_an_intent_that_is_open_keeps_its_segment(days, capsys):
    one = days()
    one.attempt(ends=False)
    one.pass_days(30)
    assert one.removed == []
    assert files(one.folder)[0] == "writer-0-000001.db"
    one.file.append([Entry("outcome", one.now(), decision="d0", outcome="ok")])
    one.pass_days(1)
    assert one.removed != []
    assert verified(one.folder, capsys)[:2] == (0, [])


def test_what_a_crash_left_open_is_ended_after_rotation(days, capsys):
    one = days(largest=1)
    one.attempt(ends=False)
    one.tend()
    one.pass_days(2)
    one.close()
    assert len(files(one.folder)) == 4
    days(one.folder).close()
    with open_chains(one.folder) as [chain]:
        rows = traced([chain], "d0")
    assert [(row["kind"], row["outcome"], row["user"]) for row in rows] == [
        ("intent", None, "ann"),
        ("outcome", "unknown", "ann"),
    ]
    assert verified(one.folder, capsys)[:2] == (0, [])


def test_a_chain_that_nobody_writes_any_more_goes_as_a_whole(days, capsys):
    one = days()
    two = days()
    assert files(one.folder) == ["writer-0-000001.db", "writer-1-000001.db"]
    two.attempt()
    two.tend()
    one.pass_days(9)
    assert "writer-1-000001.db" in files(one.folder)
    two.close()
    one.pass_days(1)
    assert [name for name in files(one.folder) if name.startswith("writer-1")] == []
    assert verified(one.folder, capsys)[:2] == (0, [])


def test_without_retention_segments_are_bounded_by_their_entries(tmp_path):
    file = LedgerFile(tmp_path, lambda: START.isoformat(timespec="milliseconds"), Keeping(largest=4))
    for number in range(9):
        file.append([Entry("outcome", START.isoformat(timespec="milliseconds"), decision=f"d{number}", outcome="ok")])
        list(file.tend())
    file.close()
    assert len(files(tmp_path)) == 3
    with open_chains(tmp_path) as [chain]:
        assert [entry.seq for entry in chain.entries()] == list(range(1, 11))
        assert [entry.seq for entry in chain.entries(6)] == [6, 7, 8, 9, 10]
        assert verify(chain, [], Checked()) == []
