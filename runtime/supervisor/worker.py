"""One worker: the fronts on its share of the port; what all workers share is asked of the keeper."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from meshplan.runtime import planfile
from meshplan.runtime.active import Active
from meshplan.runtime.app import serve_http
from meshplan.runtime.budget.cashier import Cashier
from meshplan.runtime.drift import DriftWatch, Seen
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.http import HttpFront
from meshplan.runtime.front.sessions import Sessions
from meshplan.runtime.front.tokens import Tokens
from meshplan.runtime.identity.issuers import Issuers, keep_fresh
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.parked import open_lot
from meshplan.runtime.record import Lines, say_to
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.strategies.code.pool import open_sandboxes
from meshplan.runtime.supervisor import carried
from meshplan.runtime.supervisor.counters import KeeperCounters
from meshplan.runtime.supervisor.fellows import Door, Fellows
from meshplan.runtime.supervisor.keeper import follow_supervisor
from meshplan.runtime.supervisor.members import SILENT, TICK
from meshplan.runtime.supervisor.pages import Pages
from meshplan.runtime.supervisor.peer import Incoming, LinkLostError, Peer, RefusalError
from meshplan.runtime.supervisor.setup import Setup
from meshplan.runtime.supervisor.shares import Shares
from meshplan.runtime.supervisor.wire import Listener, connected
from meshplan.runtime.telemetry.gathered import EVERY
from meshplan.runtime.telemetry.otlp import open_tracer
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.remote import WorkerUpstreams
from meshplan.schemas.bundle import PlanRefusedError

INTERNAL = 70

_log = logging.getLogger(__name__)


class Duty:
    """Does what the keeper says: load a plan, serve it, and hear what was seen of servers."""

    def __init__(
        self, active: Active, upstreams: WorkerUpstreams, drift: DriftWatch, book: Book, shares: Shares
    ) -> None:
        self._active, self._upstreams, self._drift, self._book = active, upstreams, drift, book
        self._loaded: Snapshot | None = None
        self._shares = shares

    async def answer(self, name: str, arguments: Any, _incoming: Incoming) -> None:
        """See ``peer.Handle``."""
        if name == "load":
            self._loaded = await anyio.to_thread.run_sync(_load, Path(arguments["file"]), arguments["seq"])
        elif name == "swap" and self._loaded is not None and self._loaded.digest == arguments["plan"]:
            snapshot, self._loaded = self._loaded, None
            await self.serve(snapshot)
        else:
            raise RefusalError({"reason": f"`{name}` is not for now"})

    async def serve(self, snapshot: Snapshot) -> None:
        """Serve a plan from now on."""
        self._book.prepare(snapshot.plan)
        await self._upstreams.replace(snapshot.plan.servers, snapshot.plan.runtime.private_networks)
        self._active.swap(snapshot)

    def hear(self, name: str, arguments: Any) -> None:
        """See ``peer.Hear``."""
        if name == "changed":
            self._active.upstream_changed(arguments[0], arguments[1])
        elif name == "completed":
            issuer, subject, endpoint, session = arguments[0]
            self._active.correspondents.completed((issuer, subject, endpoint, session), arguments[1])
        elif name == "seen":
            self.see(arguments[0], arguments[1])
        elif name == "room":
            self._shares.make_room(arguments[0], tuple(arguments[1]))

    def see(self, server: str, seen: dict[str, Any]) -> None:
        """Take what was seen of a server, where it is the one that the plan has."""
        snapshot = self._active.snapshot
        found = snapshot.plan.servers.get(server) if snapshot else None
        if found is not None and carried.transport_digest(found.transport) == seen["transport"]:
            kinds, digests = frozenset(seen["kinds"]), dict(seen["digests"])
            self._drift.take(server, Seen(found.transport, digests, kinds, 0, 0, seen["checked"], seen["error"]))


def _load(path: Path, seq: int | None) -> Snapshot:
    try:
        return Snapshot(planfile.from_file(path), seq)
    except PlanRefusedError as error:
        raise RefusalError({"reason": f"{error.code}: {error}"}) from None


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    """See ``status.Reports``: every worker says what the keeper says."""

    keeper: Peer
    active: Active

    @property
    def ready(self) -> bool:
        """See ``status.Reports``."""
        return self.active.snapshot is not None

    async def page(self) -> dict[str, Any]:
        """See ``status.Reports``."""
        try:
            return await self.keeper.call("status", {})
        except (LinkLostError, RefusalError):
            return {"v": 1, "ready": False, "error": "the runtime is ending"}


@dataclass(frozen=True, slots=True)
class KeeperUsed:
    """See ``used.Once``: what was used at one worker was used at all."""

    keeper: Peer

    async def take(self, nonce: str, expires: float) -> bool:
        """See ``used.Once``; nothing is new where nobody can tell."""
        try:
            return await self.keeper.call("used", [nonce, expires])
        except (LinkLostError, RefusalError):
            return False


async def work(setup: Setup, name: str, column: int, listener: socket.socket) -> int:
    """Be a worker until told to stop, or until the supervisor or its keeper has gone."""
    code = INTERNAL
    setup.admin.close()
    async with connected(setup.keeper) as wire, anyio.create_task_group() as tasks:
        keeper = Peer(wire)
        tasks.start_soon(keeper.run)
        async with say_to(sys.stderr) as say, anyio.create_task_group() as watching:
            watching.start_soon(follow_supervisor, setup.lifeline)
            watching.start_soon(_follow, keeper)
            code = await _serve(setup, name, Shares(setup, column, keeper), listener, keeper, say)
            watching.cancel_scope.cancel()
        tasks.cancel_scope.cancel()
    return code


async def _follow(keeper: Peer) -> None:
    await keeper.lost.wait()
    os.kill(os.getpid(), signal.SIGTERM)


async def _serve(setup: Setup, name: str, shares: Shares, listener: socket.socket, keeper: Peer, say: Lines) -> int:
    active, root, code = Active(streams=shares.streams), setup.source.root, INTERNAL
    drift, issuers = DriftWatch(active, say), Issuers()

    def on_list_changed(server: str, method: str) -> None:
        active.upstream_changed(server, method)
        keeper.tell("due", server)

    def on_connected(server: str) -> None:
        keeper.tell("due", server)

    sign_ins = SignIns(active, root, setup.sealer(), KeeperUsed(keeper))
    sign_ins.origin = setup.binding.origin if setup.binding.loopback else None
    async with (
        open_tracer(os.environ, say) as tracer,
        open_upstreams(
            {},
            root,
            on_list_changed=on_list_changed,
            on_connected=on_connected,
            sign_ins=sign_ins,
            on_completed=active.correspondents.completed,
            on_session_ended=None if tracer is None else tracer.upstream_session_ended,
            standing=shares.standing,
        ) as own,
        open_lot(shares.parked) as lot,
        open_sandboxes(say),
        keep_fresh(issuers, active),
        anyio.create_task_group() as tasks,
    ):
        upstreams = WorkerUpstreams(own, keeper)
        pages = Pages(keeper, say)
        book = Book(root, active, say, lambda _path, _say: pages)
        tasks.start_soon(pages.run)
        duty = Duty(active, upstreams, drift, book, shares)
        keeper.handle, keeper.hear = duty.answer, duty.hear
        if setup.snapshot is not None:
            await duty.serve(setup.snapshot)
        fellows = Fellows(setup, name, setup.sealer(), lot)
        telemetry = Telemetry(active, book.gauges(), tracer)
        invoker = Invoker(
            active,
            upstreams,
            say.attempt,
            sealer=fellows.sealer,
            lot=fellows,
            drift=drift,
            ledger=book,
            used=KeeperUsed(keeper),
            telemetry=telemetry,
            cashier=Cashier(KeeperCounters(keeper), say),
            sign_ins=sign_ins,
            crowd=shares.crowd(),
        )
        desk = Desk(active, invoker, tokens=Tokens(fellows.sealer))
        tasks.start_soon(desk.background.run)
        tasks.start_soon(sign_ins.awaited.run)
        sessions = Sessions(worker=name, locator=fellows, counts=shares.sessions)
        shares.give_up |= {"sessions": sessions.let_go, "parked": lot.give_up}
        telemetry.gauges["sessions"] = lambda: len(sessions)
        tasks.start_soon(report, telemetry, keeper)
        status = KeeperStatus(keeper, active)
        front = HttpFront(
            desk, status, setup.binding, setup.local_secret, sessions, Verifier(issuers), tracer, sign_ins=sign_ins
        )
        door = Door(name, desk, sessions, fellows.sealer, lot)
        tasks.start_soon(Listener(setup.worker(name)).serve, door.welcome)
        if await _greet(keeper, name, active, duty):
            code = await serve_http(front, listener, active, _quiet)
            front.close()
            await pages.drain()
            await _tell(telemetry, keeper)
        tasks.cancel_scope.cancel()
    return code


async def report(telemetry: Telemetry, keeper: Peer) -> None:
    """Tell the keeper what was seen, again and again, until cancelled; one that hangs is ended, and with it the runtime."""
    while True:
        await anyio.sleep(EVERY)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_unless_heard, keeper)
            await _tell(telemetry, keeper)
            tasks.cancel_scope.cancel()


async def _end_unless_heard(keeper: Peer) -> None:
    for _ in range(SILENT):
        await anyio.sleep(TICK)
    _log.error("the keeper (process %d) does not answer, and is ended", keeper.wire.pid)
    if keeper.wire.pid:
        os.kill(keeper.wire.pid, signal.SIGKILL)


async def _tell(telemetry: Telemetry, keeper: Peer) -> None:
    try:
        await keeper.call("telemetry", telemetry.drain())
    except (LinkLostError, RefusalError):
        return


async def _greet(keeper: Peer, name: str, active: Active, duty: Duty) -> bool:
    """Join the others, with the newest plan; False where it cannot be had."""
    snapshot = active.snapshot
    plan, seq = (snapshot.digest, snapshot.seq) if snapshot else (None, None)
    try:
        seen = await keeper.call("hello", {"worker": name, "plan": plan, "seq": seq})
    except (RefusalError, LinkLostError) as error:
        sys.stderr.write(f"worker `{name}` cannot serve: {error}\n")
        return False
    for server, found in seen.items():
        duty.see(server, found)
    return True


def _quiet() -> None:
    """The keeper says when all workers serve."""
