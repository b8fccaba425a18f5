"""What one process sees of its calls: those under way, the last that have ended, and counts of all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import Struct

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.record import Attempt
from meshplan.runtime.targets import Trace
from meshplan.runtime.telemetry.asked import Asked
from meshplan.runtime.telemetry.context import trace_id
from meshplan.runtime.telemetry.meter import OTHER, Labels, Meter
from meshplan.runtime.telemetry.methods import METHODS
from meshplan.runtime.telemetry.port import Tracer

RECENT: Final = 200
"""Calls that are remembered after their end."""
SHOWN: Final = 100
"""Calls under way that are told of at a time, the oldest ones."""

Row = dict[str, Any]
"""One call to look at, JSON: who (``principal``, ``subjects``), what, and how it went; durations in seconds."""


class _Ended(Struct):
    attempt: Attempt
    subjects: frozenset[str]
    server: str | None
    upstream: float | None


@dataclass(slots=True)
class Telemetry:
    """Told of every attempt twice; ``gauges`` are numbers to be asked for when somebody looks, ``tracer`` is there where spans are collected."""

    active: Active
    gauges: dict[str, Callable[[], int]] = field(default_factory=dict[str, Callable[[], int]])
    tracer: Tracer | None = None
    meter: Meter = field(init=False)
    _running: dict[str, tuple[Call, Trace]] = field(default_factory=dict[str, tuple[Call, Trace]])
    _recent: deque[_Ended] = field(default_factory=lambda: deque[_Ended](maxlen=RECENT))

    def __post_init__(self) -> None:
        """The plan that is served says which names are known."""
        self.meter = Meter(self._bound)

    def began(self, call: Call, trace: Trace) -> None:
        """A call has begun: which trace it belongs to is known from now on."""
        if self.tracer is None:
            trace.trace_id = trace_id(call.params)
        else:
            outer = self._running.get(call.parent) if call.parent is not None else None
            trace.span = self.tracer.began(call, None if outer is None else outer[1].span)
            trace.trace_id = trace.span.trace_id
        self._running[trace.decision] = call, trace

    def turned_away(self, attempt: Attempt, asked: Asked, code: int | None) -> None:
        """It never became a call; ``code`` is that of the JSON-RPC error, where there is one."""
        if self.tracer is not None:
            attempt.trace = self.tracer.turned_away(attempt, asked, code)
        elif attempt.principal is not None:
            attempt.trace = trace_id(asked.params)
        self.meter.ended(attempt)
        self._recent.append(_Ended(attempt, frozenset(), None, None))

    def answered(self, asked: Asked) -> None:
        """It needed no call."""
        if self.tracer is not None:
            self.tracer.answered(asked)

    def ended(self, attempt: Attempt, trace: Trace) -> None:
        """It has ended."""
        self._running.pop(attempt.decision, None)
        if trace.span is not None:
            trace.span.ended(attempt, trace)
        self.meter.ended(attempt, trace.server, trace.upstream)
        self._recent.append(_Ended(attempt, trace.subjects, trace.server, trace.upstream))

    def drain(self) -> dict[str, Any]:
        """What is to be told since the last time; JSON."""
        recent = [_row_of(ended) for ended in self._recent]
        self._recent.clear()
        now = time.monotonic()
        oldest = list(self._running.values())[:SHOWN]
        return {
            "meter": self.meter.drain(),
            "recent": recent,
            "running": [_row_of_running(call, trace, now) for call, trace in oldest],
            "gauges": {"calls_running": len(self._running), **{name: ask() for name, ask in self.gauges.items()}},
        }

    def _bound(self, labels: Labels) -> Labels:
        snapshot = self.active.snapshot
        if snapshot is None:
            return labels._replace(endpoint=OTHER, capability="", method=known_method(labels.method))
        known = labels.capability in snapshot.plan.capabilities or labels.capability.startswith("strategy:")
        return labels._replace(
            endpoint=labels.endpoint if labels.endpoint in snapshot.endpoints else OTHER,
            capability=labels.capability if known or not labels.capability else OTHER,
            method=known_method(labels.method),
        )


def known_method(method: str) -> str:
    """A method's name, where it is one that leads somewhere."""
    return method if method in METHODS or not method else OTHER


def _row_of(ended: _Ended) -> Row:
    attempt = ended.attempt
    return {
        "at": attempt.at,
        "decision": attempt.decision,
        "call": attempt.call,
        "parent": attempt.parent,
        "trace": attempt.trace,
        "principal": attempt.principal,
        "subjects": sorted(ended.subjects),
        "endpoint": attempt.endpoint,
        "method": attempt.method,
        "capability": attempt.capability,
        "server": ended.server,
        "outcome": attempt.outcome,
        "reason": attempt.reason,
        "seconds": attempt.duration,
        "upstream": ended.upstream,
    }


def _row_of_running(call: Call, trace: Trace, now: float) -> Row:
    return {
        "decision": trace.decision,
        "call": trace.call or call.id,
        "parent": call.parent,
        "trace": trace.trace_id,
        "principal": ":".join(call.caller.owner),
        "subjects": sorted(trace.subjects),
        "endpoint": call.endpoint,
        "method": call.method,
        "capability": trace.capability,
        "server": trace.server if trace.sent is not None else None,
        "seconds": now - trace.started,
    }
