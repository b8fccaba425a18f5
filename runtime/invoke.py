"""The one way in: who calls, what it leads to, may they, forward it, record it; every transport and era ends here."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC
from functools import partial
from typing import Any

from anyio import get_cancelled_exc_class

from meshplan.runtime import lists, passed
from meshplan.runtime.active import Active, Upstreams
from meshplan.runtime.call import Call
from meshplan.runtime.crowd import Crowd
from meshplan.runtime.drift import DriftWatch
from meshplan.runtime.errors import (
    INVALID_PARAMS,
    OUTCOME_BY_CODE,
    RESOURCE_NOT_FOUND_LEGACY,
    Outcome,
    RefusedError,
    RelayedError,
    RpcError,
    method_not_found,
    not_ready,
    quarantined,
    timed_out,
    unauthenticated,
    unavailable,
    unknown,
)
from meshplan.runtime.ledger.notes import size_of
from meshplan.runtime.ledger.port import Ledger
from meshplan.runtime.parked import Waiting
from meshplan.runtime.principal import Caller
from meshplan.runtime.record import Attempt, Recorder, reason_of
from meshplan.runtime.results import for_era, outward_uris
from meshplan.runtime.rounds import Rounds, client_name
from meshplan.runtime.seal import Sealer
from meshplan.runtime.shapes import members
from meshplan.runtime.snapshot import Snapshot, View
from meshplan.runtime.targets import RESOLVERS, SUBSCRIBE, Target, Trace
from meshplan.runtime.tasks import METHODS as TASK_METHODS
from meshplan.runtime.tasks import RELAY, Tasks
from meshplan.runtime.upstream.port import (
    UpstreamFailure,
    UpstreamRefusal,
    UpstreamRequest,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from meshplan.runtime.used import Once
from meshplan.schemas.plan import Retry

Result = dict[str, Any] | bytes
"""A result object, or one that is serialised already."""

MAX_METHOD = 100
"""How much of a method's name is recorded of a request that never became a call."""

NO_COMPLETION: dict[str, Any] = {"completion": {"values": [], "total": 0, "hasMore": False}}


class Invoker:
    """Takes calls one by one against the newest snapshot; holds only how many each principal has under way."""

    def __init__(
        self,
        active: Active,
        upstreams: Upstreams,
        record: Recorder,
        *,
        sealer: Sealer | None = None,
        lot: Waiting | None = None,
        drift: DriftWatch | None = None,
        ledger: Ledger | None = None,
        used: Once | None = None,
    ) -> None:
        self._active, self._upstreams, self._record = active, upstreams, record
        sealer = sealer or Sealer()
        self._drift, self._tasks, self._ledger = drift, Tasks(sealer), ledger
        self._rounds = Rounds(self._again, sealer, lot, used=used)
        self._crowd = Crowd()

    async def invoke(self, call: Call) -> Result:
        """Answer one request; raises ``RpcError``. Whatever happens, one attempt is recorded."""
        snapshot, trace, started = self._active.snapshot, Trace(), time.monotonic()
        outcome: Outcome = "unknown"
        trace.started = started
        try:
            if self._ledger is not None and (room := self._ledger.admit()) is not None:
                await room
            result, outcome = await self._run(snapshot, call, trace)
        except RpcError as error:
            outcome = _failed(error)
            trace.reason = trace.reason if isinstance(error, RelayedError) else reason_of(error)
            raise
        except get_cancelled_exc_class():
            outcome = "cancelled"
            raise
        finally:
            attempt = self._attempt(snapshot, call, trace, outcome, time.monotonic() - started)
            self._record(attempt)
            if self._ledger is not None:
                self._ledger.outcome(attempt, call, trace)
        return result

    def permits(self, call: Call) -> bool:
        """Whether the newest plan would let this through; for what is told, not asked for, so nothing is recorded."""
        snapshot, resolve = self._active.snapshot, RESOLVERS.get(call.method)
        if snapshot is None or resolve is None:
            return False
        try:
            return resolve(self._view(snapshot, call), call, Trace()) is not None
        except RpcError:
            return False

    def left(self, owner: tuple[str, str], endpoint: str, session: str) -> None:
        """A client's session has ended: so do those that it had at servers."""
        self._upstreams.forget(owner, client_name(endpoint, session))

    def turn_away(
        self,
        endpoint: str,
        why: str,
        outcome: Outcome = "unauthenticated",
        caller: Caller | None = None,
        method: str = "",
    ) -> None:
        """Record a request that never became a call: without a valid credential, or one that cannot be read."""
        now = self._active.clock().astimezone(UTC).isoformat(timespec="milliseconds")
        snapshot = self._active.snapshot
        digest = snapshot.digest if snapshot else None
        who = ":".join(caller.owner) if caller else None
        attempt = Attempt(now, digest, endpoint, who, method[:MAX_METHOD], outcome, 0.0, reason=why)
        self._record(attempt)
        if self._ledger is not None:
            self._ledger.outcome(attempt)

    def refuse(self, endpoint: str, caller: Caller, error: RpcError, method: str = "") -> None:
        """Record a request of a known caller that is refused before it became a call."""
        self.turn_away(endpoint, reason_of(error), _failed(error), caller, method)

    async def _run(self, snapshot: Snapshot | None, call: Call, trace: Trace) -> tuple[Result, Outcome]:
        if snapshot is None:
            raise not_ready()
        view = self._view(snapshot, call)
        trace.subjects = view.principal.subjects
        with self._crowd.caller(call.caller.owner, snapshot.plan.runtime.limits.concurrency_per_principal):
            if call.method in lists.LIST_KINDS:
                return await lists.answer(view, call, self._upstreams), "ok"
            if call.method in TASK_METHODS:
                task = await self._tasks.target(view, call, trace)
                self._check_drift(view, task, trace)
                return await self._forward(view, call, task, trace)
            resolve = RESOLVERS.get(call.method)
            if resolve is None or (call.method == SUBSCRIBE and call.hold is None):
                raise method_not_found(call.method)
            target = resolve(view, call, trace)
            if target is None:
                return for_era(call.method, NO_COMPLETION, legacy=call.legacy), "ok"
            self._check_drift(view, target, trace)
            return await self._forward(view, call, target, trace)

    def _check_drift(self, view: View, target: Target, trace: Trace) -> None:
        if self._drift is None:
            return
        trace.drift = self._drift.of(view.snapshot, trace.capability)
        if trace.drift is not None and view.snapshot.plan.servers[target.server].on_drift == "block":
            raise quarantined(trace.drift)

    def _again(self, call: Call) -> Target | None:
        """Where a call that is under way would lead on the newest plan; raises ``RpcError``."""
        snapshot, resolve = self._active.snapshot, RESOLVERS.get(call.method)
        if snapshot is None or resolve is None:
            raise not_ready()
        view, trace = self._view(snapshot, call), Trace()
        target = resolve(view, call, trace)
        if target is not None:
            self._check_drift(view, target, trace)
        return target

    def _view(self, snapshot: Snapshot, call: Call) -> View:
        """The caller as the newest plan knows it: a key that is gone is gone at once."""
        principal = snapshot.keyring.principal(call.caller.credential, self._active.now)
        if principal is None:
            raise unauthenticated()
        view = snapshot.view(call.endpoint, principal, self._active.today)
        if view is None:
            raise unknown("endpoint", call.endpoint, "no_such_endpoint")
        return view

    async def _forward(self, view: View, call: Call, target: Target, trace: Trace) -> tuple[Result, Outcome]:
        """Send it in its turn: a server that is slow or frozen holds up only those who call it."""
        line, limit = self._crowd.line(target.server), view.snapshot.plan.runtime.limits.concurrency_per_upstream
        if not line.enter(limit):
            began = time.monotonic()
            await line.wait(target.timeout)
            target = replace(target, timeout=max(0.0, target.timeout - (time.monotonic() - began)))
        try:
            return await self._send(view, call, target, trace)
        finally:
            line.leave()

    async def _intend(self, ledger: Ledger, view: View, call: Call, target: Target, trace: Trace) -> None:
        trace.server = target.server
        intent = self._attempt(view.snapshot, call, trace, "unknown", 0.0)
        if (written := ledger.intent(intent, call, trace, target)) is not None:
            await written

    async def _send(self, view: View, call: Call, target: Target, trace: Trace) -> tuple[Result, Outcome]:
        tasks = not call.legacy and RELAY in view.index.relays[target.server]
        request = UpstreamRequest(
            call.method,
            target.params,
            target.timeout,
            headers=target.headers,
            client_capabilities=call.declared(tasks=tasks),
            client_info=call.client_info,
            log_level=call.log_level,
            wants_progress=call.wants_progress,
            on_notify=call.on_notify,
            behalf=call.caller.behalf,
        )
        if (retry := view.snapshot.plan.servers[target.server].retry) is not None:
            request = replace(
                request,
                repeatable=_repeatable(view, call, trace, retry),
                before_retry=partial(self._rounds.check_again, call, target),
            )
        if self._ledger is not None:
            await self._intend(self._ledger, view, call, target, trace)
        trace.sent = time.monotonic()
        try:
            upstream = self._upstreams.get(target.server)
            if call.hold is not None and target.upstream_uri is not None:
                await call.hold(upstream, target.server, target.upstream_uri, target.timeout)
                return {}, "ok"
            result = await self._rounds.send(view, call, target, trace, request, upstream)
        except UpstreamRefusal as error:
            raise _relayed(error, call, target) from None
        except UpstreamTimeout:
            raise timed_out(target.server, target.timeout) from None
        except UpstreamUnavailable as error:
            raise unavailable(target.server, error.reason, error.retry_after) from None
        except KeyError:
            raise unavailable(target.server, "it is being replaced") from None
        except UpstreamFailure as error:
            raise unavailable(target.server, str(error)) from None
        finally:
            trace.upstream = time.monotonic() - trace.sent
        trace.received_bytes = None if self._ledger is None else size_of(result)
        if call.method in TASK_METHODS or (tasks and passed.makes_task(result)):
            tree = passed.read(result) if isinstance(result, bytes) else result
            result = await self._tasks.outward(view, call, target, trace, tree)
        if isinstance(result, bytes):
            text, outcome = passed.shown(view.index, target.server, call.method, result, legacy=call.legacy)
            return (passed.read(text) if outcome == "input_required" else text), outcome
        found = outward_uris(view.index, target.server, call.method, result)
        return for_era(call.method, found, legacy=call.legacy), _outcome(found)

    def _attempt(
        self, snapshot: Snapshot | None, call: Call, trace: Trace, outcome: Outcome, duration: float
    ) -> Attempt:
        return Attempt(
            at=self._active.clock().astimezone(UTC).isoformat(timespec="milliseconds"),
            plan=snapshot.digest if snapshot else None,
            endpoint=call.endpoint,
            principal=":".join(call.caller.owner),
            method=call.method,
            outcome=outcome,
            duration=duration,
            capability=trace.capability,
            reason=trace.reason,
            rule=trace.rule,
            drift=trace.drift,
            call=trace.call or call.id,
            decision=trace.decision,
        )


def _outcome(result: dict[str, Any]) -> Outcome:
    if result.get("resultType") == "input_required":
        return "input_required"
    return "tool_error" if result.get("isError") is True else "ok"


def _repeatable(view: View, call: Call, trace: Trace, retry: Retry) -> bool:
    capability = view.snapshot.plan.capabilities.get(trace.capability or "")
    if call.method != "tools/call" or capability is None:
        return False
    return capability.effect == "read" or trace.capability in retry.idempotent


def _failed(error: RpcError) -> Outcome:
    if isinstance(error, RefusedError):
        return "denied"
    if isinstance(error, RelayedError):
        return "upstream_error"
    return OUTCOME_BY_CODE.get(error.code, "invalid")


def _relayed(error: UpstreamRefusal, call: Call, target: Target) -> RelayedError:
    """The upstream's own error; only "resource not found" has another code in the other era."""
    code, data = error.code, error.data
    named = members(data)
    if call.method == "resources/read" and named is not None and named.get("uri") == target.upstream_uri:
        data = {**named, "uri": call.params["uri"]}
        code = RESOURCE_NOT_FOUND_LEGACY if call.legacy and code == INVALID_PARAMS else code
    if code == RESOURCE_NOT_FOUND_LEGACY and call.method == "resources/read" and not call.legacy:
        code = INVALID_PARAMS
    return RelayedError(code, error.message, data)
