"""Where each attempt is written down: one line in the log, and its entries in the ledger where there is one."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.errors import (
    OUTCOME_BY_CODE,
    OVER_BUDGET,
    RATE_LIMITED,
    Outcome,
    RefusedError,
    RelayedError,
    RpcError,
)
from meshplan.runtime.ledger.port import Ledger
from meshplan.runtime.principal import Caller
from meshplan.runtime.record import Attempt, Recorder, reason_of
from meshplan.runtime.shapes import members, text
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.targets import Target, Trace
from meshplan.runtime.telemetry.asked import Asked
from meshplan.runtime.telemetry.telemetry import Telemetry

MAX_METHOD = 100
"""How much of a method's name is recorded of a request that never became a call."""


class Journal:
    """Writes attempts as they begin and end."""

    def __init__(
        self, active: Active, record: Recorder, ledger: Ledger | None = None, telemetry: Telemetry | None = None
    ) -> None:
        self._active, self._record, self._ledger = active, record, ledger
        self._telemetry = telemetry or Telemetry(active)

    def began(self, call: Call, trace: Trace) -> None:
        """It has come."""
        self._telemetry.began(call, trace)

    def admit(self) -> Awaitable[None] | None:
        """Before anything else: what to await until there is room for one more; the wait raises ``RpcError`` for no."""
        return None if self._ledger is None else self._ledger.admit()

    def intend(self, snapshot: Snapshot, call: Call, trace: Trace, target: Target) -> Awaitable[None] | None:
        """Before the request leaves; what to await until it may."""
        trace.server = target.server or None
        if self._ledger is None:
            return None
        return self._ledger.intent(self._now, snapshot.digest, call, trace, target)

    def ended(self, snapshot: Snapshot | None, call: Call, trace: Trace, outcome: Outcome, duration: float) -> None:
        """How it ended, after so many seconds."""
        attempt = self._attempt(snapshot, call, trace, outcome, duration)
        self._telemetry.ended(attempt, trace)
        self._record(attempt)
        if self._ledger is not None:
            self._ledger.outcome(attempt, call, trace)

    def answered(self, asked: Asked) -> None:
        """A request that needs no call, and no entry: the mesh has answered it itself."""
        self._telemetry.answered(asked)

    def turned_away(self, asked: Asked, why: str, outcome: Outcome, caller: Caller | None, code: int | None) -> None:
        """A request that never became a call."""
        snapshot = self._active.snapshot
        digest = snapshot.digest if snapshot else None
        who = ":".join(caller.owner) if caller else None
        method = asked.method[:MAX_METHOD]
        attempt = Attempt(self._now(), digest, asked.endpoint, who, method, outcome, 0.0, reason=why)
        self._telemetry.turned_away(attempt, asked, code)
        self._record(attempt)
        if self._ledger is not None:
            self._ledger.outcome(attempt)

    def _now(self) -> str:
        """The time in UTC to the millisecond."""
        return self._active.clock().astimezone(UTC).isoformat(timespec="milliseconds")

    def _attempt(
        self, snapshot: Snapshot | None, call: Call, trace: Trace, outcome: Outcome, duration: float
    ) -> Attempt:
        return Attempt(
            at=self._now(),
            plan=snapshot.digest if snapshot else None,
            endpoint=call.endpoint,
            principal=":".join(call.caller.owner),
            method=call.method,
            outcome=outcome,
            duration=round(duration, 6),
            capability=trace.capability,
            reason=trace.reason,
            rule=trace.rule,
            drift=trace.drift,
            call=trace.call or call.id,
            decision=trace.decision,
            parent=call.parent,
            trace=trace.trace_id,
            budget=trace.budget,
        )


def failed(error: RpcError) -> Outcome:
    """The outcome of an attempt that ended in this error."""
    if isinstance(error, RefusedError):
        return "denied"
    if isinstance(error, RelayedError):
        return "upstream_error"
    return OUTCOME_BY_CODE.get(error.code, "invalid")


def note_failure(trace: Trace, error: RpcError) -> Outcome:
    """Put down why it failed, unless an upstream said it; the outcome."""
    trace.code = error.code
    trace.reason = trace.reason if isinstance(error, RelayedError) else reason_of(error)
    if error.code in (RATE_LIMITED, OVER_BUDGET) and not isinstance(error, RelayedError):
        trace.budget = text((members(error.data) or {}).get("budget"))
    return failed(error)
