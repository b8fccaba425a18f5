"""SIGKILL under load: the chain verifies, nothing that was executed is missing, and what was cut off is unknown."""

import os
import random
import statistics
import subprocess
import sys
import time
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


DISK = 2.0
"""Seconds that one commit may take on a machine that does much else."""


def executed_until_killed(folder, durability, lines):
    """The trace ids of all calls that the upstream executed, in its order, and how long before the end, in seconds."""
    with subprocess.Popen([sys.executable, SCRIPT, folder, durability], stdout=subprocess.PIPE) as process:
        first = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        killed = time.monotonic()
        rest = process.stdout.read().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in first)
    told = [line.split() for line in (*first, *rest) if line.endswith(b"\n")]
    return [(trace.decode(), killed - float(at)) for trace, at in told]


def summary(durability, rounds, lost):
    """What `make crash` prints."""
    executed, calls = sum(map(len, rounds)), sum(map(len, lost))
    spans = [max(ages, default=0.0) for ages in lost]
    print(
        f"\n{durability}: killed {len(rounds)} times, {executed} calls executed, {calls} not in the ledger, "
        f"in {sum(1 for ages in lost if ages)} rounds; the oldest {max(spans) * 1000:.0f} ms before the end, "
        f"median {statistics.median(spans) * 1000:.0f} ms"
    )


@pytest.mark.timeout(60 + 20 * ROUNDS)
@pytest.mark.parametrize("durability", ["strict", "default"])
def test_a_killed_runtime_leaves_a_chain_that_verifies(tmp_path, capsys, durability):
    rounds = [executed_until_killed(tmp_path, durability, random.randint(1, 400)) for _ in range(ROUNDS)]
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
    for executed, ages in zip(rounds, lost, strict=True):
        # What is missing is the newest: intents are written in the order in which calls leave.
        known = [trace in intended for trace, _ in executed]
        assert known == sorted(known, reverse=True)
        assert max(ages, default=0.0) <= WINDOW + DISK
    assert max(row["epoch"] for row in rows) == ROUNDS + 1
