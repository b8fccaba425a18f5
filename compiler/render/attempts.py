"""Attempts as text: one as a line, and a chain of them as a tree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final


def line(row: Mapping[str, Any]) -> str:
    """Time, who, where, what, how it was decided and how it ended; control characters are shown as `?`."""
    who = ", ".join(str(row[name]) for name in ("user", "teams", "agent", "application") if row[name] is not None)
    parts = [
        str(row["at"]),
        str(row["outcome"] or row["kind"]),
        str(row["capability"] or row["method"] or "-"),
        f"at {row['endpoint']}" if row["endpoint"] else "",
        f"by {row['principal']}" + (f" ({who})" if who else "") if row["principal"] else "",
        f"because {row['reason']}{_budget(row['detail'])}" if row["reason"] else "",
        f"rule {row['rule']}" if row["rule"] else "",
        _durations(row),
        f"[{row['decision']}]" if row["decision"] else "",
    ]
    text = "  ".join(part for part in parts if part)
    return _printable(text)


def _budget(detail: str | None) -> str:
    """Which one had no room."""
    noted: dict[str, Any] = {} if detail is None else json.loads(detail)
    return f" of budget {noted['budget']}" if "budget" in noted else ""


def _durations(row: Mapping[str, Any]) -> str:
    if row["total_us"] is None:
        return ""
    upstream = "" if row["upstream_us"] is None else f" (upstream {row['upstream_us'] / 1000:.1f})"
    return f"{row['total_us'] / 1000:.1f} ms{upstream}"


GOOD: Final = frozenset({"ok", "input_required"})
"""Outcomes of attempts that did not fail."""

_DETAILS: Final = {"inputs": "read", "arguments": "sent", "results": "returned", "detail": "noted"}


def tree(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each attempt with what is recorded of its arguments and results, below the one that made it, in the order of time."""
    attempts = _attempts(rows)
    below: dict[str, list[str]] = {}
    for decision, row in attempts.items():
        parent = row["parent"] if row["parent"] in attempts else ""
        below.setdefault(parent, []).append(decision)
    pending = [(decision, 0) for decision in reversed(below.get("", []))]
    while pending:
        decision, depth = pending.pop()
        row, space = attempts[decision], "    " * depth
        yield f"{space}{line(row)}"
        for name, said in _DETAILS.items():
            if row[name] is not None:
                yield f"{space}    {said}: {_printable(row[name])}"
        pending += [(inner, depth + 1) for inner in reversed(below.get(decision, []))]
    failed = [row for row in attempts.values() if row["outcome"] is not None and row["outcome"] not in GOOD]
    first = f"; first: {line(min(failed, key=lambda row: row['ended']))}" if failed and len(attempts) > 1 else ""
    counted = "1 attempt" if len(attempts) == 1 else f"{len(attempts)} attempts"
    yield f"{counted}, {len(failed)} failed{first}"


def _attempts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """One row an attempt, by decision, as it began: its outcome with what the intent alone says; without one, the intent."""
    found: dict[str, Mapping[str, Any]] = {}
    for decision, entries in groupby(sorted(rows, key=lambda row: str(row["decision"])), lambda row: row["decision"]):
        steps = {row["kind"]: row for row in entries}
        intent, outcome = steps.get("intent"), steps.get("outcome")
        begun = intent or outcome
        if begun is not None:
            kept = {name: (intent or {}).get(name) or begun[name] for name in ("at", "inputs", "arguments")}
            found[str(decision)] = {**(outcome or begun), **kept, "ended": (outcome or begun)["at"]}
    return dict(sorted(found.items(), key=lambda item: (item[1]["at"], item[0])))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
