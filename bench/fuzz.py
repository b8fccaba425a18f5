"""Thousands of broken inputs, in processes with bounded memory: each ends in a plan or in diagnostics, soon and small.

`python bench/fuzz.py [INPUTS] [SEED]`; exit code 1 where one does not. `make fuzz` runs 20,000.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "compiler"))

INPUTS = 20_000
CHUNK = 500
SECONDS = 2.0
MEGABYTES = 300
HANG = 60
HYPOTHESIS = 5
"""One input in so many is text from hypothesis."""


def main() -> int:
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else INPUTS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began = time.monotonic()
    workers = max(1, min(2, os.cpu_count() or 1))
    starts = list(range(0, inputs, CHUNK))
    running: list[subprocess.Popen[str]] = []
    reports: list[dict[str, object]] = []
    while starts or running:
        while starts and len(running) < workers:
            start = starts.pop(0)
            count = min(CHUNK, inputs - start)
            command = [sys.executable, __file__, "--chunk", str(seed * 10_000_000 + start), str(count)]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        done = running.pop(0)
        out, _ = done.communicate()
        reports.append(json.loads(out) if done.returncode == 0 else {"failures": [f"chunk died: {done.args}\n{out}"]})
    return summary(inputs, reports, time.monotonic() - began)


def summary(inputs: int, reports: list[dict[str, object]], took: float) -> int:
    counts: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    for report in reports:
        counts.update(report.get("counts", {}))
        codes.update(report.get("codes", {}))
    failures = [failure for report in reports for failure in report["failures"]]
    slowest = max((report.get("slowest", [0.0, 0]) for report in reports), default=[0.0, 0])
    grown = max((report.get("megabytes", 0.0) for report in reports), default=0.0)
    print(f"inputs      {inputs} in {took:.0f} s: {counts['plan']} plans, {counts['diagnostics']} with diagnostics")
    print(f"slowest     {slowest[0]:.3f} s CPU, seed {slowest[1]} (limit {SECONDS:.0f} s)")
    print(f"memory      {grown:.0f} MB more than before the first input, at most (limit {MEGABYTES} MB)")
    print(f"codes seen  {len(codes)}: {' '.join(code for code, _ in codes.most_common())}")
    print(f"failures    {len(failures)}")
    for failure in failures[:10]:
        print(failure)
    return 1 if failures else 0


def chunk(first: int, count: int) -> dict[str, object]:
    """What a child does: its inputs one after another under a limit of memory."""
    from mutations import Input, make, outcome

    outcome(make(first))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bound_memory()
    counts: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    failures: list[str] = []
    slowest = (0.0, first)

    def judge(given: Input, name: int | str) -> None:
        nonlocal slowest
        began = time.process_time()
        signal.alarm(HANG)
        try:
            planned, found = outcome(given)
            counts["plan" if planned else "diagnostics"] += 1
            codes.update({diagnostic.code for diagnostic in found})
        except BaseException:
            failures.append(f"{name}: {traceback.format_exc()[-3000:]}\n{given.text[:2000]!r}")
        signal.alarm(0)
        took = time.process_time() - began
        slowest = max(slowest, (took, name), key=lambda pair: pair[0])
        if took > SECONDS:
            failures.append(f"{name}: took {took:.2f} s")

    texts = count // HYPOTHESIS
    for seed in range(first, first + count - texts):
        judge(make(seed), seed)
    from_hypothesis(texts, first, lambda text: judge(Input(text, {}, None), f"hypothesis {first}"))
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"counts": counts, "codes": codes, "failures": failures, "slowest": slowest, "megabytes": megabytes}


def from_hypothesis(count: int, number: int, run: object) -> None:
    from hypothesis import HealthCheck, given, seed, settings
    from hypothesis import strategies as st

    whole = st.text(max_size=200)
    keys = st.sampled_from(["mesh: v1\n", "name: a\n", "servers:", "\n  ", "notes: ", "- ", "{", "}", "[", "]", ", "])
    made = whole | st.lists(keys | st.text(max_size=8), max_size=30).map("".join)
    settled = settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    if count:
        seed(number)(settled(given(made)(run)))()


def bound_memory() -> None:
    """So much more than the process has now, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEGABYTES * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--chunk"]:
        print(json.dumps(chunk(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        sys.exit(main())
