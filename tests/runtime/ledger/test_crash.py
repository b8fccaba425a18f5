"""SIGKILL under load: the chain verifies, nothing that was executed is missing, and what was cut off is unknown."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from plans import recorded, simple

from meshplan.compiler.cli import run
from meshplan.runtime.active import Active
from meshplan.runtime.ledger.book import Book
from meshplan.schemas.ledger.book import open_chains

ROUNDS = int(os.environ.get("MESH_CRASHES", "5"))
SCRIPT = Path(__file__).with_name("crashing.py")


def executed_until_killed(folder, durability, lines):
    """The trace ids of all calls that the upstream executed, in its order."""
    with subprocess.Popen([sys.executable, SCRIPT, folder, durability], stdout=subprocess.PIPE) as process:
        first = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        rest = process.stdout.read().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in first)
    return [line.strip().decode() for line in (*first, *rest) if line.endswith(b"\n")]


@pytest.mark.timeout(60 + 20 * ROUNDS)
@pytest.mark.parametrize("durability", ["strict", "default"])
def test_a_killed_runtime_leaves_a_chain_that_verifies(tmp_path, capsys, durability):
    rounds = [executed_until_killed(tmp_path, durability, random.randint(1, 400)) for _ in range(ROUNDS)]
    book = Book(tmp_path, Active(), lambda *_: None)
    book.prepare(recorded(simple(), durability=durability).plan)
    book.close()
    assert run(["ledger", "verify", "--ledger", str(tmp_path / "ledger")]) == 0, capsys.readouterr().out
    with open_chains(tmp_path / "ledger") as chains:
        (chain,) = chains
        rows = list(chain.rows())
        assert chain.segments[-1].folded().open == ()
    intended = {row["trace"] for row in rows if row["kind"] == "intent"}
    ended = [row["trace"] for row in rows if row["kind"] == "outcome"]
    assert len(ended) == len(set(ended))
    assert set(ended) == intended
    for executed in rounds:
        known = [trace in intended for trace in executed]
        if durability == "strict":
            assert all(known)
        else:  # what is missing is the newest: intents are written in the order in which calls leave
            assert known == sorted(known, reverse=True)
    assert max(row["epoch"] for row in rows) == ROUNDS + 1
