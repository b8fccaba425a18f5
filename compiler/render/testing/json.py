"""A test run as JSON, format `mesh.dev/test/v1`."""

from __future__ import annotations

import json
from typing import Any

from meshplan.compiler.diff.model import Place
from meshplan.compiler.testing.coverage import Part
from meshplan.compiler.testing.model import Called, Check, Listing, ReadLive, Result, Suite
from meshplan.compiler.testing.mutation import Mutation, Survivor
from meshplan.compiler.testing.report import Report

FORMAT = "mesh.dev/test/v1"


def render_json(report: Report) -> str:
    """One object; the same keys whatever came of the run."""
    found = report.mutation
    shown = {
        "format": FORMAT,
        "summary": {"checks": report.count, "failed": len(report.failed), "skipped_files": list(report.skipped)},
        "checks": [_check(tests, result) for tests, results in report.results for result in results],
        "coverage": {
            "percent": round(report.coverage.percent, 1),
            "rules": report.coverage.rules,
            "grants": report.coverage.grants,
            "idle": [_part(part) for part in report.coverage.idle],
        },
        "mutation": None if found is None else _mutation(found),
    }
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def _check(tests: Suite, result: Result) -> dict[str, Any]:
    check = result.check
    return {
        "file": check.file,
        "line": check.span.line,
        "column": check.span.column,
        "environment": tests.environment,
        "test": check.test,
        "endpoint": check.endpoint,
        "as": check.caller.text,
        **_asked(check),
        "passed": result.got is None,
        "got": result.got,
    }


def _asked(check: Check) -> dict[str, Any]:
    match check.asked:
        case Called() as what:
            call: dict[str, Any] = {"call": what.name, "capability": what.capability, "arguments": what.arguments}
            return {**call, "expected": what.expected.word, "rule": what.expected.rule}
        case ReadLive() as what:
            read = {"read": {"server": what.server, "uri": what.uri}}
            return {**read, "expected": what.expected.word, "rule": what.expected.rule}
        case Listing() as what:
            return {"list": what.kind, "expected": list(what.names)}


def _mutation(found: Mutation) -> dict[str, Any]:
    return {
        "made": found.made,
        "killed": found.killed,
        "same": found.same,
        "survivors": [_survivor(survivor) for survivor in found.survivors],
    }


def _survivor(survivor: Survivor) -> dict[str, Any]:
    killer = survivor.killer
    test = (
        None
        if killer is None
        else {
            "endpoint": killer.endpoint,
            "as": killer.caller,
            "call": killer.call,
            "arguments": killer.arguments,
            "expect": killer.expect,
            "certain": killer.certain,
            "now": killer.now,
        }
    )
    return {**_part(survivor.mutant.part), "change": survivor.mutant.change, "test": test}


def _part(part: Part) -> dict[str, Any]:
    return {"name": part.name, "what": part.text, "place": place(part.place)}


def place(where: Place | None) -> dict[str, Any] | None:
    """File, line and column, or nothing."""
    return None if where is None else {"file": where.file, "line": where.line, "column": where.column}
