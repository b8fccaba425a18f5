"""The one way in: who calls, what it leads to, may they, forward it, record it; every transport and era ends here."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Mapping
from typing import Any

from anyio import get_cancelled_exc_class

from meshplan.runtime import lists
from meshplan.runtime.active import Active, Upstreams
from meshplan.runtime.budget.cashier import Cashier
from meshplan.runtime.budget.embedded import Embedded
from meshplan.runtime.call import Call, Result
from meshplan.runtime.crowd import Crowd
from meshplan.runtime.drift import DriftWatch
from meshplan.runtime.errors import Outcome, RpcError, method_not_found, not_ready
from meshplan.runtime.forward import Forwarder
from meshplan.runtime.journal import Journal, failed, note_failure
from meshplan.runtime.ledger.port import Ledger
from meshplan.runtime.parked import Waiting
from meshplan.runtime.principal import Caller
from meshplan.runtime.record import Recorder, reason_of
from meshplan.runtime.resolver import Resolver
from meshplan.runtime.results import for_era
from meshplan.runtime.rounds import Rounds, client_name
from meshplan.runtime.seal import Sealer
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.snapshot import Snapshot, View
from meshplan.runtime.strategies.outer import Outer
from meshplan.runtime.targets import FOLLOW, RESOLVERS, SUBSCRIBE, Held, Trace
from meshplan.runtime.tasks import METHODS as TASK_METHODS
from meshplan.runtime.tasks import Tasks, as_seen
from meshplan.runtime.telemetry.asked import Asked
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.runtime.used import Once

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
        telemetry: Telemetry | None = None,
        cashier: Cashier | None = None,
        sign_ins: SignIns | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        sealer = sealer or Sealer()
        self._active, self._upstreams = active, upstreams
        self._journal, self._resolver = Journal(active, record, ledger, telemetry), Resolver(active, drift)
        self._tasks, self._crowd = Tasks(sealer), crowd or Crowd()
        rounds = Rounds(self._resolver.again, sealer, lot, used=used)
        cashier = cashier or Cashier(Embedded())
        self._forwarder = Forwarder(upstreams, self._journal, rounds, self._tasks, self._crowd, cashier, sign_ins)
        self._outer = Outer(self._take, self._journal, self._crowd)

    def invoke(self, call: Call) -> Coroutine[Any, Any, Result]:
        """Answer one request; raises ``RpcError``. Whatever happens, one attempt is recorded."""
        return self._take(call, Trace())

    async def _take(self, call: Call, trace: Trace) -> Result:
        snapshot, started = self._active.snapshot, time.monotonic()
        outcome: Outcome = "unknown"
        trace.started = started
        self._journal.began(call, trace)
        try:
            if (room := self._journal.admit()) is not None:
                await room
            result, outcome = await self._run(snapshot, call, trace)
        except RpcError as error:
            outcome = note_failure(trace, error)
            raise
        except get_cancelled_exc_class():
            outcome = "cancelled"
            raise
        finally:
            self._journal.ended(snapshot, call, trace, outcome, time.monotonic() - started)
        return result

    def permits(self, call: Call) -> bool:
        """Whether the newest plan would let this through; for what is told, not asked for, so nothing is recorded."""
        return self._resolver.permits(call)

    def told(self, call: Call, held: Held, task: Mapping[str, Any]) -> dict[str, Any] | None:
        """What a server says of a task that this call follows, as its caller sees it; ``None`` where it may not any more."""
        view = self._resolver.holding(call, held)
        return None if view is None else as_seen(view, call, held.target.server, task)

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
        code: int | None = None,
    ) -> None:
        """Record a request that never became a call: without a valid credential, or one that cannot be read."""
        self._journal.turned_away(Asked(endpoint, method), why, outcome, caller, code)

    def refuse(
        self, endpoint: str, caller: Caller, error: RpcError, method: str = "", asked: Asked | None = None
    ) -> None:
        """Record a request of a known caller that is refused before it became a call."""
        asked = asked or Asked(endpoint, method)
        self._journal.turned_away(asked, reason_of(error), failed(error), caller, error.code)

    def answered(self, asked: Asked) -> None:
        """A request of a known caller that needs no call has been answered."""
        self._journal.answered(asked)

    async def _run(self, snapshot: Snapshot | None, call: Call, trace: Trace) -> tuple[Result, Outcome]:
        if snapshot is None:
            raise not_ready()
        view = self._resolver.view(snapshot, call)
        trace.subjects = view.principal.subjects
        if call.via == "strategy":
            return await self._decided(view, call, trace)
        with self._crowd.caller(call.caller.owner, snapshot.plan.runtime.limits.concurrency_per_principal):
            if call.method == "tools/call" and (strategy := view.index.strategy) is not None:
                answered = await self._outer.answer(view, call, trace, strategy)
                if answered is not None:
                    return answered
            if call.method in lists.LIST_KINDS:
                return await lists.answer(view, call, self._upstreams), "ok"
            return await self._decided(view, call, trace)

    async def _decided(self, view: View, call: Call, trace: Trace) -> tuple[Result, Outcome]:
        """Decide and forward; a strategy's call has its turn with the call that it belongs to."""
        if call.method in TASK_METHODS or (call.method == FOLLOW and call.hold is not None):
            target = await self._tasks.target(view, call, trace)
        else:
            resolve = RESOLVERS.get(call.method)
            if resolve is None or (call.method == SUBSCRIBE and call.hold is None):
                raise method_not_found(call.method)
            target = resolve(view, call, trace)
        if target is None:
            return for_era(call.method, NO_COMPLETION, legacy=call.legacy), "ok"
        self._resolver.check_drift(view, target, trace)
        return await self._forwarder.forward(view, call, target, trace)
