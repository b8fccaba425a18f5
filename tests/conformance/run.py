"""`make conformance`: the official suite against the fixture and against the mesh before it; what passes must be equal."""

import argparse
import sys
import time
from collections import Counter

import clients
import suite
import yaml
from stand import HERE, KINDS, fixture, mesh

VERSIONS = ("2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26")
SCORED = ("2026-07-28", "2025-11-25")
LEAST = {"2026-07-28": 152, "2025-11-25": 84, "2025-06-18": 56, "2025-03-26": 3}
"""Checks that the suite has for each revision and that the fixture passes: fewer mean that something did not run."""


def owed():
    """What is known not to pass yet, by kind and revision: each entry is a promise that is not kept."""
    found = yaml.safe_load((HERE / "owed.yaml").read_text()) or {}
    # YAML reads a revision as a date.
    return {kind: {str(version): checks for version, checks in by.items()} for kind, by in found.items()}


def shortfalls(outcome, direct):
    """Everything that is worse than without the mesh, as `scenario:check`; `scenario:fewer` where checks went missing."""
    found = dict(outcome.blemishes)
    blemished = {check.partition(":")[0] for check in found}
    for scenario, counts in direct.by_scenario.items():
        passed = outcome.by_scenario.get(scenario, Counter())["SUCCESS"]
        if passed < counts["SUCCESS"] and scenario not in blemished:
            found[f"{scenario}:fewer"] = f"{passed} checks passed, {counts['SUCCESS']} without the mesh"
    return found


def complaints(outcome, direct, known):
    """Why a run of the suite is not good enough, and what is owed no longer."""
    wrong = shortfalls(outcome, direct)
    found = [f"{check}: {why[:200]}" for check, why in wrong.items() if check not in known]
    found += [f"{check} passes now: take it out of owed.yaml" for check in sorted(known - wrong.keys())]
    if outcome.code and not known:
        found.append(f"the suite's exit code is {outcome.code}")
    if not known and outcome.passed != direct.passed:
        found.append(f"{outcome.passed} checks passed, {direct.passed} without the mesh")
    return found


def words(url, version, *, scored):
    which = ["--requirements", version] if scored else ["--suite", "all", "--spec-version", version]
    return ["server", "--url", url, *which]


def measure_direct(plans):
    """The fixture alone: by (version, scored)."""
    found = {}
    with fixture(suite.OUTPUT) as port:
        for version, scored in plans:
            outcome = suite.run(
                label("direct", version, scored), *words(f"http://localhost:{port}/mcp", version, scored=scored)
            )
            print(outcome.line(), flush=True)
            if outcome.code or outcome.blemishes or (not scored and outcome.passed < LEAST[version]):
                raise SystemExit(f"the fixture itself is not conformant: {outcome.blemishes}")
            found[version, scored] = outcome
    return found


def label(kind, version, scored):
    return f"{kind} {'requirements ' if scored else ''}{version}"


def measure_mesh(kind, plans, direct):
    """The mesh in front, as one kind of stand; returns what is wrong."""
    known, wrong = owed().get(kind.name) or {}, []
    with mesh(suite.OUTPUT / f"stand-{kind.name}", kind) as port:
        for version, scored in plans:
            name = label(kind.name, version, scored)
            outcome = suite.run(name, *words(f"http://localhost:{port}/mcp/all", version, scored=scored))
            print(outcome.line(), flush=True)
            found = complaints(outcome, direct[version, scored], set(known.get(version) or ()))
            wrong += [f"{name}: {text}" for text in found]
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="only the scored sets, only one stand on each side: for CI"
    )
    parser.add_argument("--side", choices=("server", "client"), help="only the suite's scenarios for this side")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this stand; may be repeated")
    found = parser.parse_args()
    began = time.monotonic()
    suite.install()
    suite.OUTPUT.mkdir(parents=True, exist_ok=True)
    scored = [(version, True) for version in SCORED]
    plans = scored if found.short else [*scored, *((version, False) for version in VERSIONS)]
    kinds = found.kind or (["plain"] if found.short else sorted(KINDS))
    wrong = clients.measure(short=found.short) if found.side != "server" else []
    direct = measure_direct(plans) if found.side != "client" else {}
    for name in kinds if direct else ():
        wrong += measure_mesh(KINDS[name], plans, direct)
    print(f"{time.monotonic() - began:.0f} s")
    for line in wrong:
        print(f"  {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
