"""Diagnostics for code scanning: one SARIF 2.1.0 log (OASIS, errata 01) with one run."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from meshplan.compiler.diagnostics import Fix, Span
from meshplan.compiler.render.view import DiagnosticView, PlaceView, visible
from meshplan.compiler.rules import BY_CODE, Rule
from meshplan.compiler.rules.page import anchor, rule_section

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "meshRuleAndPath/v1"
_LEVELS = {"error": "error", "warning": "warning", "advice": "note"}
_LINK = re.compile(r"\[(?=[^\]]*\]\()")


def render_sarif(
    views: Iterable[DiagnosticView], *, version: str, environment: str = "default", folder: str = ""
) -> str:
    """The log. ``folder`` is where the mesh lies below the repository's root, ``environment`` keeps runs apart.

    `automationDetails.id` ends in `/`, so that a scanner takes all of it for the category.
    """
    shown = list(views)
    codes = sorted({view.code for view in shown})
    prints = _fingerprints(shown)
    run = {
        "tool": {"driver": {"name": "mesh", "version": version, "rules": [_rule(BY_CODE[code]) for code in codes]}},
        "automationDetails": {"id": f"mesh/{environment}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": True}],
        "results": [
            _result(view, codes.index(view.code), mark, folder) for view, mark in zip(shown, prints, strict=True)
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    """A rule's metadata. `helpUri` must be absolute and nothing of ours is; the text is here in full instead."""
    return {
        "id": rule.code,
        "name": rule.slug,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.summary}. {rule.why} See: mesh explain {rule.code}", "markdown": rule_section(rule)},
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
        "properties": {"since": rule.since, "docs": f"docs/rules.md#{anchor(rule)}"},
    }


def _result(view: DiagnosticView, index: int, fingerprint: str, folder: str) -> dict[str, Any]:
    text = view.message if view.help is None else f"{view.message}; help: {view.help}"
    result: dict[str, Any] = {
        "ruleId": view.code,
        "ruleIndex": index,
        "level": _LEVELS[view.severity],
        "message": {"text": message_text(text)},
        "locations": [_location(view, folder)],
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }
    if view.related:
        result["relatedLocations"] = [_related(place, number, folder) for number, place in enumerate(view.related, 1)]
    if view.fix:
        result["fixes"] = [_fix(view.fix, view.help, folder)]
    return result


def _location(view: DiagnosticView, folder: str) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": _physical(view.place.span, folder)}
    if view.name:
        location["logicalLocations"] = [{"fullyQualifiedName": visible("/".join(view.name)), "kind": "property"}]
    return location


def _related(place: PlaceView, number: int, folder: str) -> dict[str, Any]:
    return {
        "id": number,
        "physicalLocation": _physical(place.span, folder),
        "message": {"text": message_text(place.text or "related")},
    }


def _physical(span: Span, folder: str) -> dict[str, Any]:
    return {"artifactLocation": artifact(span.file, folder), "region": _region(span)}


def artifact(file: str, folder: str) -> dict[str, Any]:
    """A file of the repository, by URI."""
    return {"uri": quote(f"{folder}/{file}" if folder else file, errors="surrogatepass"), "uriBaseId": "%SRCROOT%"}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fix(fix: Fix, advice: str | None, folder: str) -> dict[str, Any]:
    replacement = {"deletedRegion": _region(fix.span), "insertedContent": {"text": fix.text}}
    change = {"artifactLocation": artifact(fix.span.file, folder), "replacements": [replacement]}
    return {"description": {"text": message_text(advice or "apply the fix")}, "artifactChanges": [change]}


def message_text(text: str) -> str:
    """A message in which nothing reads as an embedded link (SARIF 3.11.6)."""
    return _LINK.sub(r"\\[", visible(text))


def _fingerprints(views: Sequence[DiagnosticView]) -> list[str]:
    """Rule and logical path, never the line; the file and headline where there is no path; twins are numbered."""
    seen: Counter[tuple[str, ...]] = Counter()
    found: list[str] = []
    for view in views:
        key = (view.code, *view.name) if view.name else (view.code, view.place.span.file, view.message)
        seen[key] += 1
        parts = [*key, *([str(seen[key])] if seen[key] > 1 else [])]
        found.append(hashlib.sha256(json.dumps(parts).encode()).hexdigest())
    return found
