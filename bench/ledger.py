"""`make bench-ledger`: CPU per call with and without a ledger in one run, and `mesh usage` over many records."""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/runtime"))

import anyio
import invoked
from plans import recorded, simple

from meshplan.runtime.ledger.file import LedgerFile
from meshplan.schemas.ledger.entry import Entry

START = datetime(2026, 6, 1, tzinfo=UTC)


async def calls(folder: Path, count: int, durability: str | None) -> float:
    """Microseconds of CPU a call with a ledger of this durability, or with none."""
    bundle = simple().bundle() if durability is None else recorded(simple(), durability=durability)
    return await invoked.calls(folder, count, bundle, {"content": [], "resultType": "complete"})


def fill(folder: Path, records: int, start: datetime = START) -> None:
    """Outcomes over 30 days, of 200 users and 50 capabilities, each with each, so that hardly any two share an hour."""
    made, chance = 0, random.Random(7)
    file = LedgerFile(folder, lambda: start.isoformat(timespec="milliseconds"))
    while made < records:
        batch = []
        for number in range(made, min(made + 20_000, records)):
            at = (start + timedelta(days=30) * (number / records)).isoformat(timespec="milliseconds")
            who, what = chance.randrange(200), chance.randrange(50)
            batch.append(
                Entry(
                    "outcome",
                    at,
                    decision=f"{number:012x}{chance.randbytes(8).hex()}",
                    call=f"{number:012x}{chance.randbytes(8).hex()}",
                    trace=chance.randbytes(16).hex(),
                    plan="sha256:1",
                    endpoint="dev",
                    principal=f"key:{who}",
                    user=f"user{who}",
                    teams=f"team{who % 5}",
                    method="tools/call",
                    era="modern",
                    capability=f"server{what % 5}.tool{what}",
                    upstream=f"server{what % 5}",
                    rule="r1",
                    outcome="ok" if number % 20 else "denied",
                    total_us=number % 5000,
                )
            )
        file.append(batch)
        file.fold()
        made += len(batch)
    file.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=1_000_000)
    asked = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            for durability in (None, "default", "strict"):
                cost = anyio.run(calls, Path(folder) / f"{number}{durability}", asked.calls, durability)
                found.setdefault(durability or "off", []).append(cost)
        off = statistics.median(found["off"])
        for name, costs in found.items():
            cost = statistics.median(costs)
            print(f"ledger {name:8} {cost:7.1f} us CPU a call   x{cost / off:.2f}   +{cost - off:.1f} us")
        big = Path(folder) / "big"
        began = time.process_time()
        fill(big, asked.records)
        print(f"written: {(time.process_time() - began) / asked.records * 1e6:.1f} us CPU an entry")
        for by in (["capability"], ["user", "team", "outcome"], ["day", "capability"]):
            words = [word for name in by for word in ("--by", name)]
            window = ["--since", "2026-06-01T00:30", "--until", "2026-07-01", "--format", "csv"]
            command = [sys.executable, "-m", "meshplan.compiler", "usage", "--ledger", str(big), *words, *window]
            began = time.monotonic()
            rows = subprocess.run(command, capture_output=True, check=True).stdout.count(b"\n") - 1
            print(
                f"mesh usage by {', '.join(by)}: {time.monotonic() - began:.2f} s, {asked.records} records, {rows} rows"
            )


if __name__ == "__main__":
    main()
