"""The process that has what the workers share: children, sessions of clients, the newest plan, and what is seen of servers."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from meshplan.runtime.active import Active
from meshplan.runtime.admin.office import administer
from meshplan.runtime.app import announce, announcement, closing
from meshplan.runtime.budget.counting import Counting
from meshplan.runtime.budget.gauges import Gauges
from meshplan.runtime.correspondents import Whose
from meshplan.runtime.drift import DriftWatch, Seen
from meshplan.runtime.identity.issuers import Issuers, keep_fresh
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.listen import refused
from meshplan.runtime.record import Say, say_to
from meshplan.runtime.reload import Follower, prepared_by
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.status import Desired, Status
from meshplan.runtime.supervisor import carried
from meshplan.runtime.supervisor.counters import Till
from meshplan.runtime.supervisor.members import Members
from meshplan.runtime.supervisor.pages import take
from meshplan.runtime.supervisor.peer import Incoming, Peer, RefusalError
from meshplan.runtime.supervisor.setup import Setup
from meshplan.runtime.supervisor.wire import Listener, Wire
from meshplan.runtime.telemetry.gathered import Gathered
from meshplan.runtime.telemetry.otlp import open_tracer
from meshplan.runtime.telemetry.standing import send_standing
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.runtime.upstream.pool import UpstreamPool, open_upstreams
from meshplan.runtime.upstream.port import Upstream, UpstreamFailure, UpstreamRefusal
from meshplan.runtime.upstream.remote import kept_apart
from meshplan.runtime.used import Used
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.plan import Transport

DRAIN: Final = 35.0
"""Seconds that workers which end get; longer than they themselves give to running calls."""

_log = logging.getLogger(__name__)


class Keeper:
    """Answers the workers; ``members`` are those that are here."""

    def __init__(
        self,
        setup: Setup,
        active: Active,
        upstreams: UpstreamPool,
        status: Status,
        drift: DriftWatch,
        book: Book,
        counters: Counting,
    ) -> None:
        self._setup, self._active, self._upstreams, self.till = setup, active, upstreams, Till(counters)
        self._status, self._drift, self._used, self._book = status, drift, Used(), book
        self.gathered = Gathered(Telemetry(active, book.gauges()))
        prepare = prepared_by(book.prepare, counters.prepare, setup.admin.prepare)
        self.members = Members(setup.folder, active, upstreams, prepare)
        self._announced = False

    async def welcome(self, wire: Wire) -> None:
        """Serve one worker until it has gone."""
        peer = Peer(wire, self._answer, self._hear)
        try:
            await peer.run()
        finally:
            self.members.leave(peer)
            self.gathered.leave(peer)

    def _hear(self, name: str, arguments: Any) -> None:
        if name in ("settle", "unreserve"):
            self.till.hear(name, arguments)
        elif name == "due":
            self._drift.due(arguments)
        elif name == "room":
            self.members.tell(name, arguments)
        elif name == "forget":
            issuer, subject = arguments[0]
            self._upstreams.forget((issuer, subject), arguments[1])

    async def _answer(self, name: str, arguments: Any, incoming: Incoming) -> Any:
        match name:
            case "request":
                return await self._request(arguments, incoming)
            case "subscribe":
                return await self._subscribe(arguments, incoming)
            case "used":
                return await self._used.take(arguments[0], arguments[1])
            case "reserve" | "standings":
                return await self.till.answer(name, arguments)
            case "ledger":
                return await take(self._book, arguments)
            case "telemetry":
                self.members.heard(incoming.peer)
                return self.gathered.take(incoming.peer, arguments)
            case "status":
                return await self.page()
            case "hello":
                return await self._hello(arguments, incoming.peer)
            case _:
                raise RefusalError({"reason": f"nobody answers `{name}` here"})

    @property
    def ready(self) -> bool:
        """See ``status.Reports``."""
        return self._status.ready

    async def page(self) -> dict[str, Any]:
        """See ``status.Reports``: of all workers."""
        return {**self._status.report(), "workers": self.members.report()}

    async def _hello(self, arguments: Any, peer: Peer) -> dict[str, Any]:
        await self.members.join(peer, arguments["worker"], arguments["plan"], arguments["seq"])
        if len(self.members) >= self._setup.workers and not self._announced:
            self._announced = True
            setup, snapshot = self._setup, self._active.snapshot
            announce(announcement(setup.binding, snapshot, local=setup.local, admin=setup.admin.binding))
        return {name: seen_out(seen) for name, seen in self._drift.seen.items()}

    def _upstream(self, arguments: Any) -> Upstream:
        """The very server that the worker's plan has: during a change that may be the one before."""
        wanted: str = arguments["transport"]

        def is_wanted(transport: Transport) -> bool:
            return carried.transport_digest(transport) == wanted

        try:
            return self._upstreams.find(arguments["server"], is_wanted)
        except KeyError:
            raise RefusalError({"reason": "it is being replaced", "sent": False}) from None

    async def _request(self, arguments: Any, incoming: Incoming) -> dict[str, Any]:
        async def on_notify(method: str, params: dict[str, Any]) -> None:
            incoming.note([method, params])
            await anyio.lowlevel.checkpoint()

        async def on_ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
            try:
                return await incoming.ask([method, params])
            except RefusalError as refusal:
                failure = carried.failure_in(refusal.value)
                raise failure if isinstance(failure, UpstreamRefusal) else unanswered() from None

        upstream = self._upstream(arguments)
        try:
            return await upstream.request(carried.request_in(arguments["request"], on_notify, on_ask))
        except UpstreamFailure as failure:
            raise RefusalError(carried.failure_out(failure)) from None

    async def _subscribe(self, arguments: Any, incoming: Incoming) -> None:
        upstream = self._upstream(arguments)
        if "task" in arguments:
            held = upstream.follow(carried.task_in(arguments["task"]), incoming.note)
        else:
            held = upstream.subscribe(arguments["uri"], incoming.note)
        try:
            async with held:
                incoming.note(None)
                await anyio.sleep_forever()
        except UpstreamFailure as failure:
            raise RefusalError(carried.failure_out(failure)) from None


def unanswered() -> UpstreamRefusal:
    """What a server hears that asks where nobody can answer."""
    return UpstreamRefusal(-32603, "the caller cannot be asked any more")


def seen_out(seen: Seen) -> dict[str, Any]:
    """What was seen of a server, as workers are told."""
    return {
        "transport": carried.transport_digest(seen.transport),
        "digests": dict(seen.digests),
        "kinds": sorted(seen.kinds),
        "checked": seen.checked,
        "error": seen.error,
    }


@asynccontextmanager
async def open_keeper(setup: Setup, say: Say) -> AsyncGenerator[Keeper]:
    """Connect to the servers, follow the store, and look for drift, for all workers."""
    active, desired = Active(), Desired()
    members: list[Members] = []

    def tell(name: str, arguments: Any) -> None:
        for found in members:
            found.tell(name, arguments)

    drift = DriftWatch(active, say, lambda server, seen: tell("seen", [server, seen_out(seen)]))

    def on_list_changed(server: str, method: str) -> None:
        drift.due(server)
        plan = active.snapshot.plan if active.snapshot else None
        if plan is not None and server in plan.servers and kept_apart(plan.servers[server]):
            tell("changed", [server, method])

    def on_completed(whose: Whose, elicitation: str) -> None:
        tell("completed", [whose, elicitation])

    root, issuers, standing = setup.source.root, Issuers(), partial(setup.standings.of, setup.workers)
    counters = Counting(root)
    budgets = Gauges(active, counters)
    book = Book(root, active, say, on_spent=counters.seed)
    async with (
        closing(book),
        open_tracer(os.environ, say) as tracer,
        open_upstreams(
            {},
            root,
            on_list_changed=on_list_changed,
            on_connected=drift.due,
            on_completed=on_completed,
            on_session_ended=None if tracer is None else tracer.upstream_session_ended,
            standing=standing,
        ) as upstreams,
        keep_fresh(issuers, active),
        send_standing(os.environ, budgets.look),
        anyio.create_task_group() as tasks,
    ):
        status = Status(active, upstreams, desired, drift, issuers, counters, book)
        keeper = Keeper(setup, active, upstreams, status, drift, book, counters)
        members.append(keeper.members)
        if setup.snapshot is not None:
            plan = setup.snapshot.plan
            try:
                book.prepare(plan)
                counters.prepare(plan)
            except PlanRefusedError as error:
                raise refused(error) from None
            await upstreams.replace(plan.servers, plan.runtime.private_networks)
            active.swap(setup.snapshot)
            desired.digest, desired.seq = setup.snapshot.digest, setup.snapshot.seq
        if setup.source.store is not None:
            store, channel, put = setup.source.store, setup.source.channel, keeper.members.put
            tasks.start_soon(Follower(store, channel, active, upstreams, desired, say, put=put).run)
        tasks.start_soon(drift.run, upstreams)
        tasks.start_soon(counters.run)
        tasks.start_soon(keeper.members.watch)
        tasks.start_soon(keeper.till.background.run)
        sign_ins = SignIns(active, root, setup.sealer())
        verifier = Verifier(issuers)
        shown = keeper.gathered, book.folder, verifier, sign_ins, budgets
        tasks.start_soon(administer, setup.admin, active, keeper, *shown)
        yield keeper
        tasks.cancel_scope.cancel()


async def keep(setup: Setup, ready: Callable[[], None]) -> int:
    """Be the keeper until told to stop, or until the supervisor has gone; the workers go first."""
    async with (
        say_to(sys.stderr) as say,
        open_keeper(setup, say) as keeper,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(Listener(setup.keeper).serve, keeper.welcome)
        tasks.start_soon(follow_supervisor, setup.lifeline)
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            ready()
            async for _ in signals:
                break
        with anyio.move_on_after(DRAIN):
            await keeper.members.gone()
        tasks.cancel_scope.cancel()
    # The supervisor does this, too, unless it was killed.
    await anyio.to_thread.run_sync(partial(shutil.rmtree, setup.folder, ignore_errors=True))
    return 0


async def follow_supervisor(lifeline: int) -> None:
    """Tell this process to stop when the supervisor ends, however it ends."""
    await anyio.wait_readable(lifeline)
    os.kill(os.getpid(), signal.SIGTERM)
