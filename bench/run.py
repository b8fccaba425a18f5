"""`make bench`: what the compiler costs on large meshes; each figure with its target, and as a ratio to `yaml.load` in the same run.

`python bench/run.py` takes under a minute on an idle machine; `--full` adds how a plan grows from 1,000 to 20,000 tools.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import mesh
import yaml

from meshplan.compiler import lockread
from meshplan.compiler.diff.compare import Compared, compare
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import FolderReader, MemoryReader
from meshplan.schemas.bundle import pack, unpack

TODAY = date(2026, 11, 22)
ROUNDS = 5
GROWTH = (1_000, 2_500, 5_000, 10_000, 20_000)
PER_SERVER = 20
SIZE = 1_200
"""Bytes of description, which makes definitions of 1.5 KB."""


class Spent(NamedTuple):
    """What a process of its own cost."""

    cpu: float
    wall: float
    mebibytes: float


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """CPU seconds of the best of a few rounds, without cycle collection, as in the commands."""
    found = []
    for _ in range(rounds):
        gc.collect()
        gc.disable()
        begin = time.process_time()
        kept = work()
        found.append(time.process_time() - begin)
        gc.enable()
        del kept
    return min(found)


def process(*words: str, rounds: int = 1) -> Spent:
    """The best of a few processes by CPU; memory is the peak of the resident set."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        child = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {child.returncode}")
        wall = time.perf_counter() - begin
        found.append(Spent(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024))
    return min(found)


def command(folder: Path, *words: str, rounds: int = 1) -> Spent:
    return process("-m", "meshplan.compiler", "-C", str(folder), *words, rounds=rounds)


class Report:
    """Prints figures beside their targets; ``plain`` is `yaml.load` of the mesh that they are about, in seconds."""

    def __init__(self, text: str) -> None:
        self.plain = best(lambda: yaml.load(text, yaml.CSafeLoader))
        lines = text.count("\n")
        print(f"\na mesh of {lines:,} lines; `yaml.load` of them takes {self.plain * 1000:.0f} ms of CPU, 1.0 x below")

    def time(self, what: str, seconds: float, target: float | None = None) -> None:
        wanted = "" if target is None else f"<= {target * 1000:,.0f} ms"
        verdict = "" if target is None or seconds <= target else "  above its target"
        print(f"  {what:<50} {seconds * 1000:>7,.0f} ms  {wanted:<12} {seconds / self.plain:>6.1f} x{verdict}")

    def memory(self, what: str, mebibytes: float, target: float) -> None:
        verdict = "" if mebibytes <= target else "  above its target"
        print(f"  {what:<50} {mebibytes:>7,.0f} MiB <= {target:,.0f} MiB{verdict}")


def typos(text: str, count: int) -> str:
    """The mesh with a slip in every so many lines."""
    wrong = text.replace("timeout: 30s", "timeot: 30s", count // 2)
    return wrong.replace("tools: all", "tool: all", count - count // 2)


def validate(folder: Path) -> None:
    """A mesh of 10,000 lines, of 400 servers, 120 virtual MCPs, 300 bindings and 60 roles."""
    files = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}
    text = files["mesh.yaml"]
    report = Report(text)
    slips = files | {"mesh.yaml": typos(text, 50)}
    report.time("validate, warm", best(lambda: checked(FolderReader(folder))), 0.3)
    clean = best(lambda: checked(MemoryReader(files)))
    report.time("50 typos, on top", best(lambda: checked(MemoryReader(slips))) - clean, 0.02)
    report.time("validate, whole process", command(folder, "validate", rounds=3).cpu, 0.9)
    report.time("  of which importing pydantic, click and yaml", process("-c", IMPORTS, rounds=3).cpu)
    locks(report, files)


IMPORTS = "from pydantic import BaseModel; import click, yaml"


def checked(reader: FolderReader | MemoryReader) -> object:
    return compile_mesh(reader, today=TODAY, check_only=True)


def locks(report: Report, files: dict[str, str]) -> None:
    """The two ways to read a lock, every definition held against its digest in both."""
    texts = [text for path, text in files.items() if path.endswith(".json")]
    size = sum(map(len, texts)) / 1024 / 1024
    quick = best(lambda: [lockread.as_written("x", text) for text in texts], 3)
    slow = best(lambda: [lockread.as_edited("x", text) for text in texts], 2)
    report.time(f"reading its locks ({size:.0f} MiB) as `mesh lock` writes them", quick)
    report.time("reading them as edited by hand", slow)


def plan(folder: Path) -> None:
    """A mesh of 400 servers, 8,000 tools with definitions of 1.5 KB, and 60 roles."""
    report = Report((folder / "mesh.yaml").read_text())
    spent = command(folder, "plan", "--out", str(folder / "p.mesh"), rounds=2)
    report.time("plan of 8,000 tools, whole process", spent.cpu, 2.0)
    report.memory("  its memory", spent.mebibytes, 400)
    locks(report, {path.name: path.read_text() for path in (folder / "mesh.lock").iterdir()})
    one = compile_mesh(FolderReader(folder), today=TODAY)
    text = (folder / "mesh.yaml").read_text()
    text = text.replace("team-7}", "team-8}", 1).replace("tools: [get_*]", "tools: [list_*]", 3)
    (folder / "mesh.yaml").write_text(text)
    other = compile_mesh(FolderReader(folder), today=TODAY)
    if one.bundle is None or other.bundle is None:
        raise SystemExit("the made-up mesh does not compile")
    packed = pack(one.bundle)
    report.time(f"packing it ({len(packed) / 1024 / 1024:.0f} MiB)", best(lambda: pack(other.bundle), 2))
    report.time("verifying it, as the runtime does", best(lambda: unpack(packed), 2))
    sides = Compared("a", one.bundle, one.draft.locks), Compared("b", other.bundle, other.draft.locks)
    seconds = best(lambda: compare(*sides, acknowledged={}, today=TODAY, environment=None), 2)
    report.time("diff of two such plans", seconds, 0.5)


def growth(folder: Path) -> None:
    """Plans of more and more tools, 20 a server: each more costs no more than the ones before, start-up aside."""
    print("\n  tools   servers  whole process       memory   each tool more than the row above   of `yaml.load`")
    before: tuple[int, Spent] | None = None
    for tools in GROWTH:
        made = folder / str(tools)
        numbers = [str(number) for number in (tools // PER_SERVER, PER_SERVER, SIZE)]
        subprocess.run([sys.executable, mesh.__file__, str(made), *numbers], check=True)
        text = (made / "mesh.yaml").read_text()
        plain = best(lambda text=text: yaml.load(text, yaml.CSafeLoader), 3)
        spent = command(made, "plan", "--out", str(made / "p.mesh"), rounds=2)
        each = ""
        if before is not None:
            each = f"{(spent.cpu - before[1].cpu) / (tools - before[0]) * 1e6:,.0f} µs"
        ratio = f"{spent.cpu / plain:.1f} x"
        print(
            f"  {tools:>6,} {tools // PER_SERVER:>8,} {spent.cpu:>9.2f} s CPU {spent.mebibytes:>8,.0f} MiB {each:>30} {ratio:>21}"
        )
        before = (tools, spent)


def main() -> None:
    """Print every figure; nothing here gates."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--full", action="store_true", help="also grow from 1,000 to 20,000 tools")
    full = arguments.parse_args().full
    with tempfile.TemporaryDirectory() as folder:
        if full:
            growth(Path(folder))  # first: a process that is started has at least the memory of the one that starts it
        validate(mesh.write(Path(folder) / "lines"))
        plan(mesh.write(Path(folder) / "tools", tools=PER_SERVER, size=SIZE))
    print()
    subprocess.run([sys.executable, str(Path(__file__).parent / "expr.py")], check=True)


if __name__ == "__main__":
    main()
