"""The workers that are here, and how all of them come to serve a new plan at once."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from meshplan.runtime.active import Active, Upstreams
from meshplan.runtime.reload import Prepare
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.supervisor.peer import LinkLostError, Peer, RefusalError
from meshplan.schemas.bundle import Bundle, PlanRefusedError, pack

LOAD_SECONDS: Final = 60.0
SWAP_SECONDS: Final = 10.0
"""A worker that neither agrees nor refuses within this is ended: nobody may go on with a plan that is revoked."""
SILENT: Final = 30
TICK: Final = 1.0
"""A worker that says nothing of itself for ``SILENT`` ticks (of seconds) is ended, too: it goes on getting connections. So
is a keeper that does not answer: calls that need it would wait without end."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Member:
    """One worker, and the plan that it serves; ``refused`` says why it could not load a newer one."""

    name: str
    peer: Peer
    plan: str | None
    seq: int | None
    refused: str | None = None
    silent: int = 0


class Members:
    """All workers; a new plan is loaded by each before any serves it."""

    def __init__(self, folder: Path, active: Active, upstreams: Upstreams, prepare: Prepare) -> None:
        self._folder, self._active, self._upstreams, self._prepare = folder, active, upstreams, prepare
        self._members: list[Member] = []
        self._lock, self._changed = anyio.Lock(), anyio.Event()
        self._file: Path | None = None

    def __len__(self) -> int:
        return len(self._members)

    async def join(self, peer: Peer, name: str, plan: str | None, seq: int | None) -> None:
        """Take a worker in that has this plan; it gets the newest first. Raises ``RefusalError`` where it cannot."""
        async with self._lock:
            member, newest = Member(name, peer, plan, seq), self._active.snapshot
            if newest is not None and (newest.digest, newest.seq) != (plan, seq):
                if not await self._load(member, newest):
                    raise RefusalError({"reason": member.refused})
                await self._swap(newest, member)
            self._members.append(member)

    def leave(self, peer: Peer) -> None:
        """A worker has gone."""
        self._members = [member for member in self._members if member.peer is not peer]
        self._changed.set()

    async def gone(self) -> None:
        """Wait until no worker is left."""
        while self._members:
            self._changed = anyio.Event()
            await self._changed.wait()

    def heard(self, peer: Peer) -> None:
        """A worker has said something of itself, as each does once a second."""
        for member in self._members:
            if member.peer is peer:
                member.silent = 0

    async def watch(self) -> None:
        """End workers that hang, until cancelled; counted in turns of this loop, so that a pause of the machine is one."""
        while True:
            await anyio.sleep(TICK)
            for member in self._members:
                member.silent += 1
                if member.silent == SILENT:
                    _end(member)

    def tell(self, name: str, arguments: Any) -> None:
        """Say something to every worker."""
        for member in self._members:
            member.peer.tell(name, arguments)

    def report(self) -> list[dict[str, Any]]:
        """What ``/status`` says of the workers."""
        return [
            {"worker": m.name, "pid": m.peer.wire.pid, "plan": m.plan, "seq": m.seq, "refused": m.refused}
            for m in sorted(self._members, key=lambda member: member.name)
        ]

    async def put(self, bundle: Bundle, seq: int | None) -> None:
        """Serve a verified plan: every worker that could load it has swapped when this returns.

        Raises ``PlanRefusedError`` where no worker can load it; then nothing has changed.
        """
        async with self._lock:
            await anyio.to_thread.run_sync(self._prepare, bundle.plan)
            snapshot = await anyio.to_thread.run_sync(partial(Snapshot, bundle, seq))
            before, self._file = self._file, self._folder / f"plan-{seq}"
            await anyio.to_thread.run_sync(_write, self._file, bundle)
            able: list[Member] = []

            async def load(member: Member) -> None:
                if await self._load(member, snapshot):
                    able.append(member)

            await _each(self._members, load)
            if self._members and not able:
                reason, self._file = self._members[0].refused, before
                raise PlanRefusedError("workers", f"no worker could load the plan: {reason}")
            await self._upstreams.replace(snapshot.plan.servers, snapshot.plan.runtime.private_networks)
            await _each(able, partial(self._swap, snapshot))
            self._active.swap(snapshot)
            if before is not None and before != self._file:
                before.unlink(missing_ok=True)

    async def _load(self, member: Member, snapshot: Snapshot) -> bool:
        arguments = {
            "file": None if self._file is None else str(self._file),
            "plan": snapshot.digest,
            "seq": snapshot.seq,
        }
        member.refused = await self._told(member, "load", arguments, LOAD_SECONDS)
        return member.refused is None

    async def _swap(self, snapshot: Snapshot, member: Member) -> None:
        member.refused = await self._told(member, "swap", {"plan": snapshot.digest}, SWAP_SECONDS)
        if member.refused is None:
            member.plan, member.seq = snapshot.digest, snapshot.seq

    async def _told(self, member: Member, name: str, arguments: Any, seconds: float) -> str | None:
        """Why a worker could not do as it was told, if it could not."""
        try:
            with anyio.fail_after(seconds):
                await member.peer.call(name, arguments)
        except RefusalError as refusal:
            return str(refusal.value.get("reason"))
        except LinkLostError:
            return "it has ended"
        except TimeoutError:
            _end(member)
            return f"it did not answer within {seconds:g} s"
        return None


def _end(member: Member) -> None:
    pid = member.peer.wire.pid
    _log.warning("worker `%s` (process %d) does not answer, and is ended", member.name, pid)
    if pid:
        os.kill(pid, signal.SIGKILL)


async def _each(members: list[Member], work: Callable[[Member], Coroutine[Any, Any, None]]) -> None:
    async with anyio.create_task_group() as tasks:
        for member in tuple(members):
            tasks.start_soon(work, member)


def _write(path: Path, bundle: Bundle) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(pack(bundle))
