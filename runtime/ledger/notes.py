"""From an attempt to its entries: what is kept, and in which unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from meshplan.runtime.budget.bill import Bill
from meshplan.runtime.call import Call
from meshplan.runtime.record import Attempt
from meshplan.runtime.shapes import members
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.targets import Trace
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.inputs import kept, read_arguments

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST: Final = 256
"""Characters of a name that a caller made up."""

_MICRO: Final = 1_000_000

_Name = str | None
_Said = tuple[str, str, str, _Name, _Name, str, _Name, _Name, _Name, _Name, _Name, str, str, _Name, _Name, _Name]
"""The values of ``Entry`` from ``at`` to ``rule``."""


def size_of(value: object) -> int | None:
    """Bytes of the JSON of a value."""
    return len(value) if isinstance(value, bytes) else len(msgspec.json.encode(value))


def intent_of(attempt: Attempt, call: Call, trace: Trace, inputs: str | None) -> Entry:
    """What is about to be done."""
    entry, bill = Entry("intent", *_said(attempt, call, trace), inputs=inputs), trace.bill
    if bill is None:
        return entry
    return entry._replace(cost_nano=bill.cost_nano, currency=bill.currency, reserved=bill.reserved())


def outcome_of(attempt: Attempt, call: Call | None, trace: Trace | None, inputs: str | None = None) -> Entry:
    """What came of it."""
    total = int(attempt.duration * _MICRO)
    if call is None or trace is None:
        return Entry(
            "outcome",
            attempt.at,
            attempt.decision,
            attempt.call,
            plan=attempt.plan,
            endpoint=_short(attempt.endpoint),
            principal=attempt.principal,
            method=_short(attempt.method) or None,
            outcome=attempt.outcome,
            reason=attempt.reason,
            total_us=total,
        )
    sent, upstream = trace.sent, trace.upstream
    entry = Entry(
        "outcome",
        *_said(attempt, call, trace),
        attempt.outcome,
        attempt.reason,
        attempt.drift,
        total if sent is None else int((sent - trace.started) * _MICRO),
        None if upstream is None else int(upstream * _MICRO),
        total,
        trace.sent_bytes,
        trace.received_bytes,
        inputs=inputs,
    )
    return entry if trace.bill is None else _paid(entry, trace.bill)


def _paid(entry: Entry, bill: Bill) -> Entry:
    tokens = bill.tokens
    return entry._replace(
        input_tokens=None if tokens is None else tokens.input,
        output_tokens=None if tokens is None else tokens.output,
        cost_nano=bill.cost_nano,
        currency=bill.currency,
        reserved=bill.corrected(),
        detail=bill.detail,
    )


def _said(attempt: Attempt, call: Call, trace: Trace) -> _Said:
    """From ``at`` to ``rule``: what is known before a request leaves."""
    return (
        attempt.at,
        attempt.decision,
        attempt.call,
        trace_id(call.params),
        attempt.plan,
        _short(attempt.endpoint),
        attempt.principal,
        *_who(trace.subjects),
        _short(attempt.method),
        call.era,
        attempt.capability,
        trace.server,
        attempt.rule,
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST]


@lru_cache(4096)
def _who(subjects: frozenset[str]) -> tuple[str | None, str | None, str | None, str | None]:
    named: dict[str, list[str]] = {}
    for subject in sorted(subjects):
        kind, _, name = subject.partition(":")
        named.setdefault(kind, []).append(name)
    user, teams, agent, application = (
        ",".join(named.get(kind, ())) or None for kind in ("user", "team", "agent", "application")
    )
    return user, teams, agent, application


def trace_id(params: Mapping[str, Any]) -> str | None:
    """The trace that a request belongs to, where its ``_meta.traceparent`` says so (W3C Trace Context 3.2)."""
    meta = params.get("_meta")
    if meta is None:
        return None
    parent = (members(meta) or {}).get("traceparent")
    found = _TRACEPARENT.fullmatch(parent) if isinstance(parent, str) else None
    return found[1] if found else None


class Inputs:
    """Which arguments the conditions of one plan read, by (endpoint, capability)."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._names: dict[tuple[str, str], frozenset[str] | None] = {}

    def of(self, endpoint: str, trace: Trace) -> str | None:
        """What is kept of the arguments that a verdict rested on, as JSON."""
        if trace.arguments is None or trace.capability is None:
            return None
        key = endpoint, trace.capability
        if key not in self._names:
            self._names[key] = read_arguments(self._conditions(*key))
        names = self._names[key]
        return None if names is not None and not names else kept(trace.arguments, names)

    def _conditions(self, endpoint: str, capability: str) -> list[object]:
        return [
            rule.when
            for rule in self.snapshot.plan.access.rules.values()
            if rule.when is not None
            and (rule.endpoints is None or endpoint in rule.endpoints)
            and (capability in rule.covers or rule.live)
        ]
