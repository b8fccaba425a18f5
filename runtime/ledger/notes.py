"""From an attempt to its entries: what is kept, and in which unit."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from typing import Final

import msgspec

from meshplan.runtime.budget.bill import Bill
from meshplan.runtime.call import Call
from meshplan.runtime.record import Attempt
from meshplan.runtime.shapes import members
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.targets import Trace
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.inputs import kept, read_arguments

_LONGEST: Final = 256
"""Characters of a name that a caller made up."""

_MICRO: Final = 1_000_000


def size_of(value: object) -> int | None:
    """Bytes of the JSON of a value."""
    return len(value) if isinstance(value, bytes) else len(msgspec.json.encode(value))


def answered(result: object) -> object:
    """The part of a result that fields are looked for in: the structured content of a tool's, any other as a whole."""
    if isinstance(result, bytes):
        try:
            result = msgspec.json.decode(result)
        except msgspec.DecodeError:
            return None
    tree = members(result)
    return result if tree is None or "content" not in tree else tree.get("structuredContent")


def intent_of(at: str, plan: str, call: Call, trace: Trace, inputs: str | None) -> Entry:
    """What is about to be done."""
    trace.said = _said(at, plan, call, trace)
    entry = copy(trace.said)
    entry.kind, entry.inputs = "intent", inputs
    if (bill := trace.bill) is not None:
        entry.cost_nano, entry.currency, entry.reserved = bill.cost_nano, bill.currency, bill.reserved()
    return entry


def outcome_of(attempt: Attempt, call: Call | None, trace: Trace | None, inputs: str | None = None) -> Entry:
    """What came of it."""
    total = int(attempt.duration * _MICRO)
    if call is None or trace is None:
        return Entry(
            "outcome",
            attempt.at,
            decision=attempt.decision,
            call=attempt.call,
            plan=attempt.plan,
            endpoint=_short(attempt.endpoint),
            principal=attempt.principal,
            method=_short(attempt.method) or None,
            trace=attempt.trace,
            outcome=attempt.outcome,
            reason=attempt.reason,
            total_us=total,
        )
    entry = (
        _ended(trace.said, attempt, trace) if trace.said is not None else _said(attempt.at, attempt.plan, call, trace)
    )
    sent, upstream = trace.sent, trace.upstream
    entry.outcome, entry.reason, entry.drift, entry.inputs = attempt.outcome, attempt.reason, attempt.drift, inputs
    entry.total_us = total
    entry.queue_us = total if sent is None else int((sent - trace.started) * _MICRO)
    entry.upstream_us = None if upstream is None else int(upstream * _MICRO)
    entry.sent_bytes, entry.received_bytes = trace.sent_bytes, trace.received_bytes
    if trace.bill is not None:
        _pay(entry, trace.bill)
    if attempt.budget is not None:
        entry.detail = msgspec.json.encode({"budget": attempt.budget}).decode()
    return entry


def _ended(said: Entry, attempt: Attempt, trace: Trace) -> Entry:
    """What was said before, with what may have changed since."""
    said.at, said.plan, said.call, said.rule = attempt.at, attempt.plan, attempt.call, attempt.rule
    said.capability, said.upstream = attempt.capability, trace.server
    return said


def _pay(entry: Entry, bill: Bill) -> None:
    if bill.tokens is not None:
        entry.input_tokens, entry.output_tokens = bill.tokens.input, bill.tokens.output
    entry.cost_nano, entry.currency = bill.cost_nano, bill.currency
    entry.reserved, entry.detail = bill.corrected(), bill.detail


def _said(at: str, plan: str | None, call: Call, trace: Trace) -> Entry:
    """What is known before a request leaves."""
    user, teams, agent, application = _who(trace.subjects)
    return Entry(
        "outcome",
        at,
        decision=trace.decision,
        call=trace.call or call.id,
        parent=call.parent,
        trace=trace.trace_id,
        plan=plan,
        endpoint=_short(call.endpoint),
        principal=":".join(call.caller.owner),
        user=user,
        teams=teams,
        agent=agent,
        application=application,
        method=_short(call.method),
        era=call.era,
        capability=trace.capability,
        upstream=trace.server,
        rule=trace.rule,
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
