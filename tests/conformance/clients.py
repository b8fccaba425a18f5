"""The suite's client scenarios through the mesh: the suite's own server behind it, a small client before it."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import suite
import yaml
from stand import HERE

VERSIONS = ("2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26")
SHORT = ("2026-07-28", "2025-11-25")
KINDS = ("plain", "governed")
AT_ONCE = 2
SHORT_AUTH = ("auth/scope-step-up", "auth/token-endpoint-auth-post")
"""Of the many sign-ins, those that go furthest: registration, challenge, consent, more consent, a call."""
PER_REQUEST = "auth/"
"""Scenarios where each request that reaches the suite's server is a check, so that there is no exact number of them."""
_LISTED = re.compile(r"^ +- (\S+) \[")


@dataclass(frozen=True)
class Expected:
    """What the suite has for clients: checks that pass, by revision and scenario, scenarios that are no gateway's, and skips."""

    passed: dict
    elsewhere: dict
    skipped: dict

    def missing(self, version):
        """Scenarios of this revision that nobody has decided about."""
        known = self.passed[version].keys() | self.elsewhere.keys()
        return [
            f"{name}: the suite has it for {version}, and clients.yaml does not" for name in listed(version) - known
        ]


def expected():
    found = yaml.safe_load((HERE / "clients.yaml").read_text())
    reasons = {name: why for why, names in found["elsewhere"].items() for name in names}
    skipped = {name: number for by in found["skipped"].values() for name, number in by.items()}
    # YAML reads a revision as a date.
    return Expected({str(version): by for version, by in found["passed"].items()}, reasons, skipped)


def listed(version):
    """The names of the client scenarios that the suite has for a revision."""
    command = [suite.NODE, suite.PROGRAM, "list", "--client", "--spec-version", version]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {found[1] for line in out.splitlines() if (found := _LISTED.match(line))}


def run(kind, version, scenario):
    """One scenario with the mesh in the middle."""
    command = f"{sys.executable} {HERE / 'sandwich.py'} {kind}"
    words = ["client", "--command", command, "--scenario", scenario, "--spec-version", version, "--force"]
    return suite.run(f"client {kind} {version} {scenario}", *words, "--timeout", "180000")


def complaints(outcome, wanted, skipped, *, exactly):
    """Why one scenario's outcome is not good enough."""
    found = [f"{check}: {why[:200]}" for check, why in outcome.blemishes.items() if not why.startswith("SKIPPED")]
    if outcome.code:
        found.append(f"the suite's exit code is {outcome.code}")
    if outcome.passed < wanted or (exactly and outcome.passed > wanted):
        found.append(f"{outcome.passed} checks passed, not {wanted}")
    if outcome.counts["SKIPPED"] != skipped:
        found.append(f"{outcome.counts['SKIPPED']} checks were skipped, not {skipped}")
    return [f"{outcome.name}: {text}" for text in found]


def measure(*, short):
    """Run what is wanted; returns what is wrong."""
    known = expected()
    versions = SHORT if short else VERSIONS
    wrong = [line for version in versions for line in known.missing(version)]
    kinds = KINDS[1:] if short else KINDS
    wanted = [
        (kind, version, name)
        for kind in kinds
        for version in versions
        for name in known.passed[version]
        if not short or not name.startswith(PER_REQUEST) or name in SHORT_AUTH
    ]
    others = (
        [] if short else [(KINDS[0], v, name) for v in versions for name in sorted(listed(v) & known.elsewhere.keys())]
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for (_, version, name), outcome in zip(wanted, pool.map(lambda one: run(*one), wanted), strict=True):
            print(outcome.line(), flush=True)
            number, skipped = known.passed[version][name], known.skipped.get(name, 0)
            wrong += complaints(outcome, number, skipped, exactly=not name.startswith(PER_REQUEST))
        for (_, _, name), outcome in zip(others, pool.map(lambda one: run(*one), others), strict=True):
            print(outcome.line(), flush=True)
            if not outcome.code:
                wrong.append(f"{outcome.name} passes now: take `{name}` out of clients.yaml")
    return wrong
