"""`make bench`: what the compiler costs on a large mesh, each figure also as a ratio to something measured in the same run."""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import mesh
import yaml

from meshplan.compiler.diff.compare import Compared, compare
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import FolderReader, MemoryReader

TODAY = date(2026, 11, 22)
ROUNDS = 5


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


def process(*words: str) -> tuple[float, float, int]:
    """CPU seconds, wall seconds, and peak memory in MiB of a process of its own."""
    before, begin = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=False, capture_output=True)
    after = getrusage(RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - begin, after.ru_maxrss // 1024


def line(what: str, seconds: float, target: str, base: float, against: str) -> None:
    print(f"{what:<58} {seconds * 1000:>8.0f} ms   target {target:<18} {seconds / base:>6.1f} x {against}")


def typos(text: str, count: int) -> str:
    """The mesh with a slip in every so many lines."""
    wrong = text.replace("timeout: 30s", "timeot: 30s", count // 2)
    return wrong.replace("tools: all", "tool: all", count - count // 2)


def validate(folder: Path) -> None:
    text = (folder / "mesh.yaml").read_text()
    files = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()}
    plain = best(lambda: yaml.load(text, yaml.CSafeLoader))
    print(f"a mesh of {text.count(chr(10)):,} lines, {len(files) - 1} locked servers; yaml.load: {plain * 1000:.0f} ms")
    warm = best(lambda: compile_mesh(FolderReader(folder), today=TODAY, check_only=True))
    line("validate, warm, CPU", warm, "<= 300 ms", plain, "yaml.load of the same text")
    clean = best(lambda: compile_mesh(MemoryReader(files), today=TODAY, check_only=True))
    slips = files | {"mesh.yaml": typos(text, 50)}
    line(
        "50 typos on top, CPU",
        best(lambda: compile_mesh(MemoryReader(slips), today=TODAY, check_only=True)) - clean,
        "<= 20 ms",
        plain,
        "yaml.load of the same text",
    )
    empty, _, _ = process("-c", "import pydantic, click, yaml")
    cpu, wall, memory = process("-m", "meshplan.compiler", "-C", str(folder), "validate", "--format", "concise")
    line("validate, whole process, CPU", cpu, "<= 900 ms", empty, "importing pydantic, click, yaml")
    print(f"    wall {wall * 1000:.0f} ms, {memory} MiB")


def plan(folder: Path) -> None:
    empty, _, _ = process("-c", "import pydantic, click, yaml")
    cpu, wall, memory = process("-m", "meshplan.compiler", "-C", str(folder), "plan", "--out", str(folder / "p.mesh"))
    line(
        "plan, whole process, CPU (target: 8,000 tools of 1.5 KB)",
        cpu,
        "<= 2 s, <= 400 MB",
        empty,
        "importing pydantic, click, yaml",
    )
    print(f"    wall {wall * 1000:.0f} ms, {memory} MiB")
    one = compile_mesh(FolderReader(folder), today=TODAY)
    text = (
        (folder / "mesh.yaml")
        .read_text()
        .replace("team-7}", "team-8}", 1)
        .replace("tools: [get_*]", "tools: [list_*]", 3)
    )
    (folder / "mesh.yaml").write_text(text)
    other = compile_mesh(FolderReader(folder), today=TODAY)
    if one.bundle is None or other.bundle is None:
        raise SystemExit("the made-up mesh does not compile")
    sides = Compared("a", one.bundle, one.draft.locks), Compared("b", other.bundle, other.draft.locks)
    seconds = best(lambda: compare(*sides, acknowledged={}, today=TODAY, environment=None), 2)
    line("diff of two such plans, CPU", seconds, "<= 500 ms", empty, "importing pydantic, click, yaml")


def main() -> None:
    """Print every figure; nothing here gates."""
    tools = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        validate(mesh.write(Path(folder) / "lines"))
        plan(mesh.write(Path(folder) / "tools", tools=tools, size=1200))
    subprocess.run([sys.executable, str(Path(__file__).parent / "expr.py")], check=True)


if __name__ == "__main__":
    main()
