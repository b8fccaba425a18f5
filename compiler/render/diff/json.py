"""A diff for programs: a versioned JSON document, additive within its major version (docs/diff-json.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from meshplan.compiler.diff.model import (
    AccessChange,
    Cause,
    Change,
    Detail,
    Diff,
    Gate,
    LockChange,
    Place,
    Ref,
    TokenCost,
    Who,
)
from meshplan.compiler.render.diff.order import by_danger, definitions, resources
from meshplan.compiler.render.diff.phrase import phrase, plain
from meshplan.compiler.render.diff.summary import summary
from meshplan.compiler.render.diff.who import CONDITIONS, circumstances, condition_text, who_phrase

FORMAT = "mesh.dev/diff/v1"
_ENTRIES = 4
"""How deep the entries of a list of changes lie: document, diffs, one diff, its list."""
_ODD = re.compile(r"[^\n\x20-\x7e]")


def render_json(diffs: Sequence[Diff]) -> str:
    r"""The document (schemas/diff.schema.json); strings are exact, and what cannot be seen is a `\u` escape."""
    document = {"format": FORMAT, "summary": summary(diffs), "diffs": [_diff(diff) for diff in diffs]}
    return _ODD.sub(_escape, laid_out(document)) + "\n"


def laid_out(value: Any, depth: int = 0) -> str:
    """JSON with one change a line: what is above a change is indented, what is in it is not."""
    if depth == _ENTRIES or not value or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    inner = "\n" + "  " * (depth + 1)
    outer = "\n" + "  " * depth
    if isinstance(value, dict):
        named = cast("dict[str, Any]", value).items()
        return (
            "{"
            + inner
            + ("," + inner).join(f"{json.dumps(n)}: {laid_out(v, depth + 1)}" for n, v in named)
            + outer
            + "}"
        )
    items = cast("list[Any]", value)
    return "[" + inner + ("," + inner).join(laid_out(item, depth + 1) for item in items) + outer + "]"


def _escape(match: re.Match[str]) -> str:
    """Outside of strings JSON is ASCII, so whatever is not stands in one."""
    char = match.group()
    return char if char.isprintable() else json.dumps(char)[1:-1] if ord(char) != 0x7F else "\\u007f"


def _diff(diff: Diff) -> dict[str, Any]:
    return {
        "before": _ref(diff.before),
        "after": _ref(diff.after),
        "environments": list(diff.environments),
        "empty": diff.empty,
        "summary": summary([diff]),
        "access": [_access(change) for change in by_danger(diff.access)],
        "changes": [_change(change) for change in resources(diff.changes)],
        "lock": [_lock(change) for change in definitions(diff.lock)],
        "tokens": [_tokens(cost) for cost in diff.tokens],
        "stale_acknowledgements": list(diff.stale_acknowledgements),
        "gates": [_gate(gate) for gate in diff.gates],
    }


def _gate(gate: Gate) -> dict[str, Any]:
    kind, _, name = gate.name.partition(" ")
    return {"kind": kind, "name": name, "holds": gate.holds, "open": gate.open, "text": gate.text}


def _ref(ref: Ref) -> dict[str, Any]:
    return {"label": ref.label, "digest": ref.digest}


def _access(change: AccessChange) -> dict[str, Any]:
    return {
        "endpoint": change.endpoint,
        "capability": change.capability,
        "via": change.via or None,
        "kind": change.kind,
        "name": change.name,
        "effect": change.effect,
        "gained": [_who(who) for who in change.gained],
        "lost": [_who(who) for who in change.lost],
        "causes": [[_cause(cause) for cause in causes] for causes in change.causes],
        "more_causes": change.more_causes,
        **_judged(change),
    }


def _judged(change: AccessChange | Change | LockChange) -> dict[str, Any]:
    return {
        "breaking": change.breaking,
        "widening": change.widening,
        "fingerprint": change.fingerprint,
        "acknowledged": change.acknowledged,
    }


def _who(who: Who) -> dict[str, Any]:
    return {
        "text": plain(phrase(who_phrase(who), circumstances(who))),
        "atoms": [_atom(atom) for atom in who.atoms],
        "unless": [[_atom(atom) for atom in atoms] for atoms in who.unless],
        "delegated": who.delegated,
    }


def _atom(atom: str) -> dict[str, str]:
    if not atom.startswith(CONDITIONS):
        return {"kind": "subject", "value": atom}
    kind, _, text = atom.partition(":")
    return {"kind": kind, "value": text if kind == "before" else condition_text(text)}


def _cause(cause: Cause) -> dict[str, Any]:
    return {"kind": cause.kind, "text": cause.text, "place": _place(cause.place)}


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"file": place.file, "line": place.line, "column": place.column}


def _detail(detail: Detail) -> dict[str, Any]:
    return {"path": detail.path, "before": detail.before, "after": detail.after}


def _change(change: Change) -> dict[str, Any]:
    return {
        "subject": change.subject,
        "verb": change.verb,
        "summary": change.summary,
        "details": [_detail(detail) for detail in change.details],
        "place": _place(change.place),
        **_judged(change),
    }


def _lock(change: LockChange) -> dict[str, Any]:
    return {
        "server": change.server,
        "capability": change.capability,
        "classes": list(change.classes),
        "details": [_detail(detail) for detail in change.details],
        "renamed_from": change.renamed_from,
        "score": change.score,
        "place": _place(change.place),
        **_judged(change),
    }


def _tokens(cost: TokenCost) -> dict[str, Any]:
    return {
        "endpoint": cost.endpoint,
        "role": cost.role,
        "before": cost.before,
        "after": cost.after,
        "limit": cost.limit,
    }
