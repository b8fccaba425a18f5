"""`make bench-ledger`: CPU per call with and without a ledger in one run, and `mesh usage` over many records.

Calls are measured twice: through `invoke` with an upstream in memory, and over HTTP, 32 at once, through a runtime of its own for each
durability, to one server. What a ledger adds is the median of what it adds within one round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/runtime"))

import invoked
from data_load import load
from data_path import first_list, free_range, serve
from data_peers import BUILD, HERE, free_port, process
from data_peers import over_http as client_of
from data_plan import KEY, plan
from plans import recorded, simple

from meshplan.runtime.ledger.file import LedgerFile
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.plan import Ledger

DURABILITIES = ("off", "default", "strict")
START = datetime(2026, 6, 1, tzinfo=UTC)


async def calls(folder: Path, count: int, durability: str) -> float:
    """Microseconds of CPU a call with a ledger of this durability, or with none."""
    bundle = simple().bundle() if durability == "off" else recorded(simple(), durability=durability)
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


async def over_http(folder: Path, count: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of CPU a call, of all threads of a runtime, by durability and round."""
    found: dict[str, list[float]] = {}
    BUILD.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        base, targets = free_range(2), {}
        argv = (
            sys.executable,
            str(HERE / "data_upstream.py"),
            "--base-port",
            str(base),
            "--servers",
            "1",
            "--tools",
            "10",
        )
        upstream = stack.enter_context(process(*argv, read=True))
        assert upstream.stdout is not None
        upstream.stdout.readline()
        for durability in DURABILITIES:
            plan_file, port = folder / f"plan-{durability}", free_port()
            plan_file.write_text(plan(base, 1, 10, 100, ledger(durability)))
            pid = stack.enter_context(
                process(*serve(plan_file, port, 1), "--root", str(folder / f"http-{durability}"))
            ).pid
            targets[durability] = pid, client_of(f"http://127.0.0.1:{port}/mcp/all", modern=True, key=KEY)
            await first_list(targets[durability][1], 10)
        for number in range(rounds):
            for durability in DURABILITIES[number % 3 :] + DURABILITIES[: number % 3]:
                pid, make = targets[durability]
                one = await load(make, tool="s00_echo", calls=count, concurrency=invoked.CALLERS, pid=pid)
                found.setdefault(durability, []).append(one.cpu * 1000)
    return found


def ledger(durability: str) -> Ledger | None:
    if durability == "off":
        return None
    return Ledger(path="ledger", durability=durability, overflow="block", retention_ms=None, arguments=(), results=())


def show(what: str, found: dict[str, list[float]]) -> None:
    for name, costs in found.items():
        pairs = list(zip(costs, found["off"], strict=True))
        added, times = statistics.median(a - b for a, b in pairs), statistics.median(a / b for a, b in pairs)
        least = f"least {min(costs):.0f}, +{min(costs) - min(found['off']):.0f}"
        print(
            f"{what}, ledger {name:8} {statistics.median(costs):6.0f} us CPU a call  x{times:.2f}  +{added:.0f} us  ({least})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6400)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--records", type=int, default=1_000_000)
    asked = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            for durability in DURABILITIES:
                cost = invoked.run(calls, Path(folder) / f"{number}{durability}", asked.calls, durability)
                found.setdefault(durability, []).append(cost)
        show("invoke", found)
        show("HTTP", asyncio.run(over_http(Path(folder), asked.calls, asked.rounds)))
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
