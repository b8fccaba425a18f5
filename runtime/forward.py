"""What follows an allowed decision: its turn at the server, the intent, the request, and what becomes of the answer."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from msgspec.structs import replace

from meshplan.runtime import passed
from meshplan.runtime.active import Upstreams
from meshplan.runtime.budget.cashier import Cashier
from meshplan.runtime.call import Call, Result
from meshplan.runtime.crowd import Crowd
from meshplan.runtime.errors import (
    INVALID_PARAMS,
    RESOURCE_NOT_FOUND_LEGACY,
    Outcome,
    RelayedError,
    timed_out,
    unavailable,
)
from meshplan.runtime.journal import Journal
from meshplan.runtime.ledger.notes import size_of
from meshplan.runtime.results import for_era, outward_uris
from meshplan.runtime.rounds import Rounds, client_of
from meshplan.runtime.shapes import members
from meshplan.runtime.signin.asking import ask
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.snapshot import View
from meshplan.runtime.targets import Held, Target, Trace
from meshplan.runtime.tasks import METHODS as TASK_METHODS
from meshplan.runtime.tasks import RELAY, Tasks
from meshplan.runtime.upstream.failures import SignInWanted
from meshplan.runtime.upstream.port import (
    UpstreamFailure,
    UpstreamRefusal,
    UpstreamRequest,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from meshplan.schemas.plan import Retry


class Forwarder:
    """Sends what was decided, one request at a time in the turns of ``crowd``."""

    def __init__(
        self,
        upstreams: Upstreams,
        journal: Journal,
        rounds: Rounds,
        tasks: Tasks,
        crowd: Crowd,
        cashier: Cashier,
        sign_ins: SignIns | None = None,
    ) -> None:
        self._upstreams, self._journal, self._crowd = upstreams, journal, crowd
        self._rounds, self._tasks, self._cashier, self._sign_ins = rounds, tasks, cashier, sign_ins

    def forward(
        self, view: View, call: Call, target: Target, trace: Trace
    ) -> Coroutine[Any, Any, tuple[Result, Outcome]]:
        """Send it, and charge what it owes."""
        tariff = view.snapshot.tariff
        terms = tariff.terms(call.method, trace.capability, view.principal)
        if terms is None:
            return self._in_turn(view, call, target, trace)
        send = partial(self._in_turn, view, call, target, trace)
        return self._cashier.pay(tariff, terms, call, target, trace, send)

    async def _in_turn(self, view: View, call: Call, target: Target, trace: Trace) -> tuple[Result, Outcome]:
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

    async def _send(self, view: View, call: Call, target: Target, trace: Trace) -> tuple[Result, Outcome]:
        tasks = not call.legacy and RELAY in view.index.relays[target.server]
        request = self._request(view, call, target, trace, tasks=tasks)
        if (written := self._journal.intend(view.snapshot, call, trace, target)) is not None:
            await written
        result = await self._exchange(view, call, target, trace, request)
        if result is None:
            return {}, "ok"
        if trace.bill is not None and trace.bill.count is not None:
            trace.bill.count(result)
        if trace.sent_bytes is not None:
            trace.received_bytes, trace.result = size_of(result), result
        return await self._outward(view, call, target, trace, result, tasks=tasks)

    def _request(self, view: View, call: Call, target: Target, trace: Trace, *, tasks: bool) -> UpstreamRequest:
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
            whose=call.whose,
        )
        if (retry := view.snapshot.plan.servers[target.server].retry) is not None:
            request = replace(
                request,
                repeatable=_repeatable(view, call, trace, retry),
                before_retry=partial(self._once_more, call, target, trace),
            )
        return request

    def _once_more(self, call: Call, target: Target, trace: Trace) -> None:
        self._rounds.check_again(call, target)
        trace.sends += 1

    async def _exchange(
        self, view: View, call: Call, target: Target, trace: Trace, request: UpstreamRequest
    ) -> Result | None:
        """As ``_attempt``; a caller who has to sign in first is asked to, and goes on where it has done so meanwhile."""
        try:
            return await self._attempt(view, call, target, trace, request)
        except SignInWanted as error:
            if self._sign_ins is None:
                raise unavailable(target.server, error.reason) from None
            scopes = error.scopes
        asked = await ask(self._sign_ins, call, target.server, target.timeout, scopes)
        if asked is not None:
            return asked
        trace.reached = True
        try:
            return await self._attempt(view, call, target, trace, request)
        except SignInWanted as error:
            raise unavailable(target.server, error.reason) from None

    async def _attempt(
        self, view: View, call: Call, target: Target, trace: Trace, request: UpstreamRequest
    ) -> Result | None:
        """The upstream's result, ``None`` for what only holds.

        Raises ``RpcError``, also for what the upstream says, and ``SignInWanted``.
        """
        trace.sent = time.monotonic()
        try:
            upstream = self._upstreams.get(target.server)
            if trace.span is not None:
                request.sends = trace.span
                trace.span.sending(request, view.snapshot.plan.servers[target.server], upstream)
            if call.hold is not None:
                await call.hold(Held(upstream, target, trace.capability, client_of(call)))
                return None
            return await self._rounds.send(view, call, target, trace, request, upstream)
        except UpstreamRefusal as error:
            trace.upstream_code = error.code
            raise _relayed(error, call, target) from None
        except UpstreamTimeout:
            raise timed_out(target.server, target.timeout) from None
        except SignInWanted:
            trace.reached = False
            raise
        except UpstreamUnavailable as error:
            trace.reached = error.sent
            raise unavailable(target.server, error.reason, error.retry_after) from None
        except KeyError:
            trace.reached = False
            raise unavailable(target.server, "it is being replaced") from None
        except UpstreamFailure as error:
            raise unavailable(target.server, str(error)) from None
        finally:
            trace.upstream = time.monotonic() - trace.sent

    async def _outward(
        self, view: View, call: Call, target: Target, trace: Trace, result: Result, *, tasks: bool
    ) -> tuple[Result, Outcome]:
        """The result as this client sees it: names and URIs of the endpoint, the members of its era."""
        if call.method in TASK_METHODS or (tasks and passed.makes_task(result)):
            tree = passed.read(result) if isinstance(result, bytes) else result
            result = await self._tasks.outward(view, call, target, trace, tree)
        if isinstance(result, bytes):
            text, outcome = passed.shown(view.index, target.server, call.method, result, legacy=call.legacy)
            return (passed.read(text) if outcome == "input_required" else text), outcome
        found = outward_uris(view.index, target.server, call.method, result)
        return for_era(call.method, found, legacy=call.legacy), passed.outcome_of(found)


def _repeatable(view: View, call: Call, trace: Trace, retry: Retry) -> bool:
    capability = view.snapshot.plan.capabilities.get(trace.capability or "")
    if call.method != "tools/call" or capability is None:
        return False
    return capability.effect == "read" or trace.capability in retry.idempotent


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
