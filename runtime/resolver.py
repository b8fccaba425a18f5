"""What the newest plan makes of a call: who its caller is by now, where it leads, and whether that is what was reviewed."""

from __future__ import annotations

from datetime import UTC

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.drift import DriftWatch
from meshplan.runtime.errors import RpcError, not_ready, quarantined, unauthenticated, unknown
from meshplan.runtime.snapshot import Snapshot, View
from meshplan.runtime.targets import RESOLVERS, Held, Target, Trace
from meshplan.runtime.tasks import judge_task


class Resolver:
    """Answers from the newest snapshot, and from a given one where a call must see a single plan."""

    def __init__(self, active: Active, drift: DriftWatch | None = None) -> None:
        self._active, self._drift = active, drift

    def view(self, snapshot: Snapshot, call: Call) -> View:
        """The caller as this plan knows it: a key that is gone is gone at once; raises ``RpcError``."""
        now = self._active.now
        principal = snapshot.keyring.principal(call.caller.credential, now)
        if principal is None:
            raise unauthenticated()
        view = snapshot.view(call.endpoint, principal, now.astimezone(UTC).date())
        if view is None:
            raise unknown("endpoint", call.endpoint, "no_such_endpoint")
        return view

    def check_drift(self, view: View, target: Target, trace: Trace) -> None:
        """Raise ``RpcError`` where the server's own definition is not the reviewed one any more, and that blocks."""
        if self._drift is None:
            return
        trace.drift = self._drift.of(view.snapshot, trace.capability)
        if trace.drift is not None and view.snapshot.plan.servers[target.server].on_drift == "block":
            raise quarantined(trace.drift)

    def again(self, call: Call) -> Target | None:
        """Where a call that is under way would lead on the newest plan; raises ``RpcError``."""
        snapshot, resolve = self._active.snapshot, RESOLVERS.get(call.method)
        if snapshot is None or resolve is None:
            raise not_ready()
        view, trace = self.view(snapshot, call), Trace()
        target = resolve(view, call, trace)
        if target is not None:
            self.check_drift(view, target, trace)
        return target

    def holding(self, call: Call, held: Held) -> View | None:
        """The newest plan's view of a caller who follows a task, where it still may; nothing is recorded."""
        snapshot, trace = self._active.snapshot, Trace()
        if snapshot is None or held.capability is None:
            return None
        try:
            view = self.view(snapshot, call)
            judge_task(view, held.target.server, held.capability, trace)
            self.check_drift(view, held.target, trace)
        except RpcError:
            return None
        return view

    def permits(self, call: Call) -> bool:
        """Whether the newest plan would let this through; for what is told, not asked for, so nothing is recorded."""
        snapshot, resolve = self._active.snapshot, RESOLVERS.get(call.method)
        if snapshot is None or resolve is None:
            return False
        try:
            return resolve(self.view(snapshot, call), call, Trace()) is not None
        except RpcError:
            return False
