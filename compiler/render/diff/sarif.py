"""A diff for code scanning: one SARIF 2.1.0 result for each change that breaks or widens, at the line that causes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from meshplan.compiler.diff.model import AccessChange, Change, Diff, LockChange, Place
from meshplan.compiler.render.diff.access import access_items
from meshplan.compiler.render.diff.json import laid_out
from meshplan.compiler.render.diff.order import by_danger, definitions, resources
from meshplan.compiler.render.diff.phrase import Phrase, marked, plain
from meshplan.compiler.render.diff.sections import definition_headline
from meshplan.compiler.render.sarif import SCHEMA, artifact, message_text
from meshplan.compiler.render.view import visible

FINGERPRINT = "meshChange/v1"
MOST = 5_000
"""Results of one run that GitHub shows; the most dangerous are kept."""
_LEVELS = ("error", "warning", "note")
_RULES: tuple[tuple[str, str, str], ...] = (
    ("breaking", "A change takes something away", "Whoever worked with this before may stop working."),
    ("widening", "A change lets somebody do more", "Somebody can reach, call or spend more than before."),
)


@dataclass(frozen=True, slots=True)
class _Finding:
    """One result before its rule is chosen."""

    text: str
    places: tuple[tuple[Place, str], ...]
    file: str
    """Where it is shown when no line is known."""
    breaking: bool
    widening: bool
    severe: bool
    fingerprint: str
    acknowledged: str | None


def render_sarif(diffs: Sequence[Diff], *, version: str, folder: str = "", entry: str = "mesh.yaml") -> str:
    """The log: a run for each group of environments. ``folder`` is where the mesh lies below the repository's root.

    A change that breaks and widens has two results. An acknowledged one is a note, suppressed with its reason.
    """
    runs = [_run(diff, version, folder, entry) for diff in diffs]
    return laid_out({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}) + "\n"


def _run(diff: Diff, version: str, folder: str, entry: str) -> dict[str, Any]:
    results = [
        _result(finding, index, folder)
        for finding in _findings(diff, entry)
        for index, applies in enumerate((finding.breaking, finding.widening))
        if applies
    ]
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if len(results) > MOST:
        left = f"{len(results) - MOST} more results are not shown here: run `mesh diff`"
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": left}}]
    return {
        "tool": {"driver": {"name": "mesh", "version": version, "rules": [_rule(*rule) for rule in _RULES]}},
        "automationDetails": {"id": f"mesh-diff/{message_text(','.join(diff.environments)) or 'default'}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": results[:MOST],
    }


def _rule(name: str, summary: str, why: str) -> dict[str, Any]:
    return {
        "id": f"diff/{name}",
        "name": name,
        "shortDescription": {"text": summary},
        "fullDescription": {"text": why},
        "defaultConfiguration": {"level": "warning"},
    }


def _findings(diff: Diff, entry: str) -> list[_Finding]:
    """The gravest first."""
    return sorted(_found(diff, entry), key=lambda finding: _LEVELS.index(_level(finding)))


def _level(finding: _Finding) -> str:
    return "note" if finding.acknowledged is not None else "error" if finding.severe else "warning"


def _found(diff: Diff, entry: str) -> Iterator[_Finding]:
    yield from (_access(change, entry) for change in by_danger(diff.access))
    yield from (_change(change, entry) for change in resources(diff.changes))
    yield from (_definition(change) for change in definitions(diff.lock))


def _access(change: AccessChange, entry: str) -> _Finding:
    (item,) = access_items([change])
    causes = [(cause.place, plain(marked(cause.text))) for found in change.causes for cause in found]
    return _Finding(
        _text(item.headline, *item.also),
        tuple(dict.fromkeys((place, text) for place, text in causes if place is not None)),
        entry,
        change.breaking,
        change.widening,
        change.effect == "destructive" and change.widening,
        change.fingerprint,
        change.acknowledged,
    )


def _change(change: Change, entry: str) -> _Finding:
    return _Finding(
        _text(marked(change.summary or f"`{change.subject}` {change.verb}")),
        ((change.place, "here"),) if change.place else (),
        entry,
        change.breaking,
        change.widening,
        change.verb == "redirected",
        change.fingerprint,
        change.acknowledged,
    )


def _definition(change: LockChange) -> _Finding:
    return _Finding(
        _text(definition_headline(change)),
        ((change.place, "here"),) if change.place else (),
        f"mesh.lock/{change.server}.json",
        change.breaking,
        change.widening,
        severe=False,
        fingerprint=change.fingerprint,
        acknowledged=change.acknowledged,
    )


def _text(*sentences: Phrase) -> str:
    return message_text("; ".join(map(plain, sentences)))


def _result(finding: _Finding, index: int, folder: str) -> dict[str, Any]:
    name = _RULES[index][0]
    first = finding.places[0][0] if finding.places else Place(finding.file, 1, 1)
    result: dict[str, Any] = {
        "ruleId": f"diff/{name}",
        "ruleIndex": index,
        "level": _level(finding),
        "message": {"text": f"{name.upper()}: {finding.text}"},
        "locations": [{"physicalLocation": _physical(first, folder)}],
        "partialFingerprints": {FINGERPRINT: visible(f"{finding.fingerprint}/{name}")},
    }
    if finding.places[1:]:
        result["relatedLocations"] = [
            {"id": number, "physicalLocation": _physical(place, folder), "message": {"text": message_text(text)}}
            for number, (place, text) in enumerate(finding.places[1:], 1)
        ]
    if finding.acknowledged is not None:
        why = message_text(finding.acknowledged)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return result


def _physical(place: Place, folder: str) -> dict[str, Any]:
    region = {"startLine": place.line, "startColumn": place.column}
    return {"artifactLocation": artifact(place.file, folder), "region": region}
