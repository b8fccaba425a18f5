"""Follows a store's pointer: loads and verifies what it names, off the event loop, and swaps; a bad plan changes nothing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from meshplan.runtime import planfile
from meshplan.runtime.active import Active, Upstreams
from meshplan.runtime.record import Say
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.status import Desired
from meshplan.schemas.bundle import Bundle, PlanRefusedError
from meshplan.schemas.plan import Plan
from meshplan.schemas.store import Pointer, pointer_path, read_pointer

POLL = 0.2
"""Seconds between two looks at the pointer."""
RETRY = 2.0
"""Seconds until a refused plan is tried again: an object that was missing may have arrived."""

Prepare = Callable[[Plan], None]
"""Makes ready what a plan needs besides its servers; raises ``PlanRefusedError``."""

_Mark = tuple[int, int, int] | None


def prepared_by(*steps: Prepare) -> Prepare:
    """One after the other."""

    def prepare(plan: Plan) -> None:
        for step in steps:
            step(plan)

    return prepare


Put = Callable[[Bundle, int | None], Awaitable[None]]
"""Serves a verified plan from now on, under its sequence number; raises ``PlanRefusedError``."""


async def activate(
    bundle: Bundle, seq: int | None, active: Active, upstreams: Upstreams, prepare: Prepare | None = None
) -> None:
    """Index a verified plan and serve it; calls that are under way keep the servers that they run on."""
    if prepare is not None:
        await anyio.to_thread.run_sync(prepare, bundle.plan)
    snapshot = await anyio.to_thread.run_sync(partial(Snapshot, bundle, seq))
    await upstreams.replace(snapshot.plan.servers, snapshot.plan.runtime.private_networks)
    active.swap(snapshot)


class Follower:
    """Looks at one channel of one store again and again."""

    def __init__(
        self,
        store: Path,
        channel: str,
        active: Active,
        upstreams: Upstreams,
        desired: Desired,
        say: Say,
        now: Callable[[], float] = time.monotonic,
        prepare: Prepare | None = None,
        put: Put | None = None,
    ) -> None:
        self._store, self._channel = store, channel
        self._active, self._desired, self._say, self._now = active, desired, say, now
        self._put = put or partial(activate, active=active, upstreams=upstreams, prepare=prepare)
        self._mark: _Mark = None
        self._again = 0.0

    async def run(self) -> None:
        """Follow the pointer until cancelled."""
        while True:
            await self.look()
            await anyio.sleep(POLL)

    async def look(self) -> None:
        """Look once: where the pointer moved, serve what it points at, or say why not."""
        mark = self._stat()
        waiting = self._desired.refused is not None and self._now() >= self._again
        if mark == self._mark and not waiting:
            return
        self._mark, self._again = mark, self._now() + RETRY
        try:
            await self._follow()
        except PlanRefusedError as error:
            self._refuse(error)

    def _stat(self) -> _Mark:
        try:
            found = (self._store / pointer_path(self._channel)).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    async def _follow(self) -> None:
        text = await anyio.to_thread.run_sync(planfile.pointer_text, self._store, self._channel)
        current = self._active.snapshot
        if text is None:
            if current is not None:
                raise PlanRefusedError("missing", "the channel's pointer is gone")
            return
        pointer = read_pointer(text)
        self._desired.digest, self._desired.seq = pointer.plan, pointer.seq
        if current is not None and (pointer.seq, pointer.plan) == (current.seq, current.digest):
            self._desired.refused = None
            return
        _check_order(pointer, current)
        published = await anyio.to_thread.run_sync(planfile.from_store, self._store, self._channel, text)
        await self._put(published.bundle, pointer.seq)
        self._desired.refused = None
        self._say("plan", {"plan": pointer.plan, "seq": pointer.seq, "channel": self._channel})

    def _refuse(self, error: PlanRefusedError) -> None:
        refused = {"plan": self._desired.digest, "seq": self._desired.seq, "code": error.code, "message": str(error)}
        if refused != self._desired.refused:
            self._say("plan_refused", refused)
        self._desired.refused = refused


def _check_order(pointer: Pointer, current: Snapshot | None) -> None:
    """A sequence number only grows: an older pointer is a replay, an equal one with another plan is a forgery."""
    if current is not None and current.seq is not None and pointer.seq <= current.seq:
        message = f"sequence number {pointer.seq} is not greater than {current.seq}, which is being served"
        raise PlanRefusedError("sequence", message)
