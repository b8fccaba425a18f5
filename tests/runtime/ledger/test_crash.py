"""SIGKILL under load: the chain verifies, nothing that was executed is missing, and what was cut off is unknown."""

import os
import random
import select
import sqlite3
import statistics
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from plans import recorded, simple

from meshplan.compiler.cli import run
from meshplan.runtime.active import Active
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.ledger.writer import WINDOW
from meshplan.schemas.ledger.book import open_chains

ROUNDS = int(os.environ.get("MESH_CRASHES", "5"))
SCRIPT = Path(__file__).with_name("crashing.py")


def executed_until_killed(folder, durability, lines, *, stalled):
    """The trace ids of all calls that the upstream executed, in its order, and how long before the last one, in seconds."""
    with subprocess.Popen([sys.executable, SCRIPT, folder, durability], stdout=subprocess.PIPE) as process:
        output, told = process.stdout.fileno(), b""
        while told.count(b"\n") < lines:
            told += os.read(output, 65536)
            assert process.poll() is None
        with closing(sqlite3.connect(folder / "ledger/writer-0-000001.db", isolation_level=None)) as held:
            if stalled:
                held.execute("BEGIN IMMEDIATE")
                told += until_quiet(output)
            process.kill()
            told += b"".join(iter(lambda: os.read(output, 65536), b""))
    found = [line.split() for line in told.splitlines(keepends=True) if line.endswith(b"\n")]
    return [(trace.decode(), float(found[-1][1]) - float(at)) for trace, at in found]


def until_quiet(output):
    """What comes until nothing does any more, as nothing is let through while the disk takes nothing."""
    told = b""
    while select.select([output], [], [], 3 * WINDOW)[0]:
        told += os.read(output, 65536)
    return told


def summary(durability, rounds, lost):
    """What `make crash` prints."""
    executed, calls = sum(map(len, rounds)), sum(map(len, lost))
    spans = [max(ages, default=0.0) for ages in lost]
    print(
        f"\n{durability}: killed {len(rounds)} times, {executed} calls executed, {calls} not in the ledger, "
        f"in {sum(1 for ages in lost if ages)} rounds; they were executed within {max(spans) * 1000:.0f} ms of the last, "
        f"median {statistics.median(spans) * 1000:.0f} ms"
    )


@pytest.mark.timeout(60 + 20 * ROUNDS)
@pytest.mark.parametrize("durability", ["strict", "default"])
def test_a_killed_runtime_leaves_a_chain_that_verifies(tmp_path, capsys, durability):
    rounds = [
        executed_until_killed(tmp_path, durability, random.randint(1, 1500), stalled=number % 2 == 1)
        for number in range(ROUNDS)
    ]
    book = Book(tmp_path, Active(), lambda *_: None)
    book.prepare(recorded(simple(), durability=durability).plan)
    book.close()
    assert run(["ledger", "verify", "--ledger", str(tmp_path / "ledger")]) == 0, capsys.readouterr().out
    with open_chains(tmp_path / "ledger") as [chain]:
        rows = list(chain.rows())
        assert chain.segments[-1].folded().open == ()
    intended = {row["trace"] for row in rows if row["kind"] == "intent"}
    ended = [row["trace"] for row in rows if row["kind"] == "outcome"]
    assert len(ended) == len(set(ended))
    assert set(ended) == intended
    lost = [[age for trace, age in executed if trace not in intended] for executed in rounds]
    summary(durability, rounds, lost)
    if durability == "strict":
        assert not any(lost)
    # However slow the disk: while entries wait for it, no further call leaves.
    assert max(max(ages, default=0.0) for ages in lost) <= WINDOW
    assert max(row["epoch"] for row in rows) == ROUNDS + 1
