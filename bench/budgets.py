"""`make bench-budgets`: CPU per call without and with prices and budgets, in one run; and reserving and settling alone."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/runtime"))

import invoked
from plans import budget, price, recorded, simple, spending

from meshplan.runtime.budget.embedded import Embedded
from meshplan.runtime.budget.port import Charge, Granted
from meshplan.schemas.spending import Rate

PLENTY = 10**15
TEXT = b'{"content":[{"type":"text","text":"%b"}],"resultType":"complete"}' % (b"some words of an answer " * 40)
RATED = price(output=Rate(nano=1, per=1), max_nano=10)
CASES = {
    "none": ({}, None),
    "a rate limit": ({"burst": budget(PLENTY, each="user", window="minute")}, None),
    "three rate limits": (
        {name: budget(PLENTY, each="user", window="minute", counted_as=name) for name in "abc"},
        None,
    ),
    "a cap of money, fixed price": ({"month": budget(PLENTY, "money")}, price(5)),
    "a cap of money, tokens counted": ({"month": budget(PLENTY, "money")}, RATED),
}


async def calls(folder: Path, count: int, case: str) -> float:
    """Microseconds of CPU a call under the budgets and prices of a case."""
    budgets, priced = CASES[case]
    draft = simple()
    prices = dict.fromkeys(draft.capabilities, priced) if priced else {}
    return await invoked.calls(folder, count, spending(recorded(draft), budgets, prices), TEXT)


def counting(count: int, charges: int) -> float:
    """Microseconds of CPU for a reservation of so many charges, and its settling."""
    counters = Embedded()
    wanted = [
        Charge(f"b{number} usd month UTC *", "month", "UTC", PLENTY, 5, binding=True) for number in range(charges)
    ]
    actual = [4] * charges
    began = time.process_time()
    for number in range(count):
        found = counters.reserve_now(str(number), wanted)
        if isinstance(found, Granted):
            counters.settle_now(str(number), wanted, found, actual)
    return (time.process_time() - began) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=3200)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    for charges in (1, 3):
        print(f"reserve and settle, {charges} budgets: {counting(50_000, charges):.1f} us CPU")
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.rounds):
            for place, case in enumerate(CASES):
                cost = invoked.run(calls, Path(folder) / f"{number}-{place}", asked.calls, case)
                found.setdefault(case, []).append(cost)
    plain = statistics.median(found["none"])
    for case, costs in found.items():
        cost = statistics.median(costs)
        print(f"{case:32} {cost:7.1f} us CPU a call   x{cost / plain:.2f}   +{cost - plain:.1f} us")


if __name__ == "__main__":
    main()
