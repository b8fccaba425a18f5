"""`mesh usage`, `mesh tail`, `mesh trace` and `mesh ledger export`, as their users see them."""

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from meshplan.compiler.cli import run
from meshplan.runtime.ledger.file import Keeping, LedgerFile
from meshplan.schemas.ledger.entry import Entry

START = datetime(2026, 5, 1, 10, tzinfo=UTC)


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def attempt(second, decision, outcome="ok", seconds=1, **more):
    fields = {"decision": decision, "call": f"call-{decision}", "capability": "notes.get", "endpoint": "dev"}
    arguments = {"arguments": more.pop("arguments")} if "arguments" in more else {}
    results = {"results": more.pop("results")} if "results" in more else {}
    yield Entry("intent", at(second), **(fields | more | arguments))
    if outcome is not None:
        reason = None if outcome == "ok" else "upstream_timeout"
        yield Entry(
            "outcome", at(second + seconds), outcome=outcome, reason=reason, total_us=1500, **(fields | more | results)
        )


@pytest.fixture
def file(tmp_path):
    """A strategy's call with three inner calls, one of which made another, and an attempt of somebody else."""
    opened = LedgerFile(tmp_path / "ledger", lambda: at(0), Keeping(largest=4))
    opened.append([*attempt(0, "other", user="bob", teams="a,b")])
    inner = {"parent": "outer", "user": "ann"}
    steps = [
        *attempt(1, "outer", "tool_error", 8, user="ann", capability="desk.run"),
        *attempt(2, "first", **inner, arguments='{"id":{"value":1}}', results='{"n":{"value":"\\u001b[31m"}}'),
        *attempt(4, "second", "timeout", **inner),
        *attempt(5, "deep", parent="second"),
        *attempt(6, "third", None, **inner),
    ]
    opened.append(sorted(steps, key=lambda entry: entry.at))
    opened.fold()
    yield opened
    opened.close()


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_trace_shows_the_whole_chain_from_any_of_its_ids(file, tmp_path, capsys, snapshot):
    told = set()
    for wanted in ("outer", "call-outer", "second", "call-deep", "third"):
        assert run(["trace", wanted, "--ledger", str(tmp_path / "ledger")]) == 0
        told.add(capsys.readouterr().out)
    assert len(told) == 1
    assert told.pop() == snapshot


def test_trace_as_json_has_every_entry(file, tmp_path, capsys):
    assert run(["trace", "deep", "--ledger", str(tmp_path / "ledger"), "--format", "json"]) == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert len(entries) == 9
    assert {entry["decision"] for entry in entries} == {"outer", "first", "second", "deep", "third"}


def test_tail_shows_the_newest_that_match(file, tmp_path, capsys):
    folder = ["--ledger", str(tmp_path / "ledger"), "--no-follow", "--format", "jsonl"]
    assert run(["tail", *folder, "-n", "2"]) == 0
    assert [json.loads(line)["decision"] for line in lines(capsys)] == ["deep", "outer"]
    for only, found in (("outcome=t*", ["second", "outer"]), ("team=b", ["other"]), ("user=", ["deep"])):
        assert run(["tail", *folder, "--only", only]) == 0
        assert [json.loads(line)["decision"] for line in lines(capsys)] == found
    assert run(["tail", *folder, "-n", "0"]) == 0
    assert lines(capsys) == []
    assert run(["tail", *folder, "--only", "colour=red"]) == 64
    assert "`colour=red` is not DIMENSION=GLOB" in capsys.readouterr().err


def test_tail_follows_into_new_segments(file, tmp_path):
    command = [sys.executable, "-m", "meshplan.compiler", "tail", "--ledger", str(tmp_path / "ledger")]
    command += ["-n", "1", "--format", "jsonl", "--only", "user=ann"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        overdue = threading.Timer(60, process.kill)
        overdue.start()
        try:
            told = [json.loads(process.stdout.readline())["decision"]]
            for number in range(3):
                list(file.tend())
                file.append([*attempt(10 + number, f"new{number}", user="ann"), *attempt(10, f"else{number}")])
                told.append(json.loads(process.stdout.readline())["decision"])
        finally:
            overdue.cancel()
            process.kill()
    assert told == ["outer", "new0", "new1", "new2"]
    assert len(list((tmp_path / "ledger").glob("*.db"))) == 4
