"""The composition root: puts the parts together, runs them until told to stop, and says how it went."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from meshplan.runtime import planfile
from meshplan.runtime.active import Active, Upstreams
from meshplan.runtime.admin.office import administer
from meshplan.runtime.admin.port import AdminPort
from meshplan.runtime.budget.cashier import Cashier
from meshplan.runtime.budget.counting import Counting
from meshplan.runtime.budget.gauges import Gauges
from meshplan.runtime.drift import DriftWatch
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.front.http import HttpFront
from meshplan.runtime.front.http1.server import MAX_HEAD_BYTES, HttpServer
from meshplan.runtime.front.pipes import line_writer, lines_of
from meshplan.runtime.front.stdio import StdioFront
from meshplan.runtime.front.tokens import Tokens
from meshplan.runtime.identity.issuers import Issuers, keep_fresh
from meshplan.runtime.identity.local import LOCAL_FILE, LocalSecretError, ensure_local_secret
from meshplan.runtime.identity.metadata import ENDPOINTS
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.listen import INTERRUPTED, OK, TRUST, USAGE, StartError, binding_of, listen_on, refused
from meshplan.runtime.parked import open_lot
from meshplan.runtime.record import Lines, say_to
from meshplan.runtime.reload import Follower, Prepare, activate, prepared_by
from meshplan.runtime.seal import Sealer
from meshplan.runtime.secrets import Secrets
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.status import Desired, Status
from meshplan.runtime.strategies.code.pool import open_sandboxes
from meshplan.runtime.telemetry.gathered import Gathered
from meshplan.runtime.telemetry.otlp import open_tracer
from meshplan.runtime.telemetry.standing import send_standing
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.schemas.bundle import Bundle, PlanRefusedError

DEFAULT_LISTEN = "127.0.0.1:8700"
GARBAGE = 20_000
"""Container objects that may come to be before the collector looks at the youngest."""
DRAIN = 30
"""Seconds that running calls get when the runtime is told to stop."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the plan comes from: a file, or a channel of a directory store; ``root`` is the mesh's folder."""

    plan: Path | None
    store: Path | None
    channel: str
    root: Path


@dataclass(frozen=True, slots=True)
class Running:
    """What every front is built from."""

    active: Active
    upstreams: Upstreams
    desired: Desired
    desk: Desk
    drift: DriftWatch
    telemetry: Telemetry
    counters: Counting
    sign_ins: SignIns
    book: Book
    budgets: Gauges


@asynccontextmanager
async def running(
    source: Source, say: Lines, admin: AdminPort | None = None, transport: str = "tcp"
) -> AsyncGenerator[Running]:
    """Open everything behind the fronts and, for a store, follow it; raises ``StartError`` for a refused plan file."""
    bundle = read_plan(source.plan) if source.plan is not None else None
    active, desired = Active(), Desired()
    counters = Counting(source.root)
    budgets = Gauges(active, counters)
    drift, book = DriftWatch(active, say), Book(source.root, active, say, on_spent=counters.seed)
    prepare = prepared_by(book.prepare, counters.prepare, *([] if admin is None else [admin.prepare]))
    sealer = Sealer(Secrets(source.root))
    sign_ins = SignIns(active, source.root, sealer)

    def on_list_changed(server: str, method: str) -> None:
        active.upstream_changed(server, method)
        drift.due(server)

    async with (
        closing(book),
        open_tracer(os.environ, say, transport) as tracer,
        send_standing(os.environ, budgets.look),
        open_upstreams(
            {},
            source.root,
            on_list_changed=on_list_changed,
            on_connected=drift.due,
            sign_ins=sign_ins,
            on_completed=active.correspondents.completed,
            on_session_ended=None if tracer is None else tracer.upstream_session_ended,
        ) as upstreams,
        open_lot() as lot,
        open_sandboxes(say),
        anyio.create_task_group() as tasks,
    ):
        if bundle is not None:
            desired.digest = bundle.digest
            await _first(bundle, active, upstreams, prepare)
        elif source.store is not None:
            follower = Follower(source.store, source.channel, active, upstreams, desired, say, prepare=prepare)
            await follower.look()
            tasks.start_soon(follower.run)
        telemetry = Telemetry(active, book.gauges(), tracer)
        invoker = Invoker(
            active,
            upstreams,
            say.attempt,
            sealer=sealer,
            lot=lot,
            drift=drift,
            ledger=book,
            telemetry=telemetry,
            cashier=Cashier(counters, say),
            sign_ins=sign_ins,
        )
        tasks.start_soon(drift.run, upstreams)
        tasks.start_soon(counters.run)
        desk = Desk(active, invoker, tokens=Tokens(sealer))
        tasks.start_soon(desk.background.run)
        tasks.start_soon(sign_ins.awaited.run)
        yield Running(active, upstreams, desired, desk, drift, telemetry, counters, sign_ins, book, budgets)
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def closing(book: Book) -> AsyncGenerator[None]:
    """Write what waits in the end."""
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(book.close)


async def _first(bundle: Bundle, active: Active, upstreams: Upstreams, prepare: Prepare) -> None:
    try:
        await activate(bundle, None, active, upstreams, prepare)
    except PlanRefusedError as error:
        raise refused(error) from None


def read_plan(path: Path) -> Bundle:
    """The plan in a file; raises ``StartError``."""
    try:
        return planfile.from_file(path)
    except PlanRefusedError as error:
        raise refused(error) from None


async def serve(
    source: Source, listen: str | None, *, local: bool, insecure_unsigned: bool, admin_listen: str | None = None
) -> int:
    """Serve HTTP until a signal; returns the exit code."""
    admin, code = AdminPort(admin_listen), OK
    async with say_to(sys.stderr) as say, running(source, say, admin) as parts:
        snapshot = parts.active.snapshot
        wanted = wanted_binding(snapshot, listen, local=local, insecure_unsigned=insecure_unsigned)
        secret = local_secret(source.root) if local else None
        with _bound(wanted) as (listener, binding):
            issuers = Issuers()
            status = Status(
                parts.active, parts.upstreams, parts.desired, parts.drift, issuers, parts.counters, parts.book
            )
            verifier, sign_ins, tracer = Verifier(issuers), parts.sign_ins, parts.telemetry.tracer
            front = HttpFront(parts.desk, status, binding, secret, verifier=verifier, tracer=tracer, sign_ins=sign_ins)
            sign_ins.origin = binding.origin if binding.loopback else None
            parts.telemetry.gauges["sessions"] = lambda: len(front.sessions)
            gathered = Gathered(parts.telemetry)
            async with keep_fresh(issuers, parts.active), anyio.create_task_group() as group:
                shown = gathered, parts.book.folder, verifier, sign_ins, parts.budgets
                group.start_soon(administer, admin, parts.active, status, *shown)
                line = announcement(binding, parts.active.snapshot, local=local, admin=admin.binding)
                code = await serve_http(front, listener, parts.active, partial(announce, line))
                front.close()
                group.cancel_scope.cancel()
    return code


def wanted_binding(snapshot: Snapshot | None, listen: str | None, *, local: bool, insecure_unsigned: bool) -> Binding:
    """Where to listen; raises ``StartError`` where that would let in whom it should not."""
    wanted = binding_of(listen or (snapshot.plan.runtime.listen if snapshot else DEFAULT_LISTEN))
    if not wanted.loopback and not insecure_unsigned:
        raise StartError(
            TRUST,
            f"`{wanted.host}` can be reached from other machines, and plans are not signed yet; "
            "listen on 127.0.0.1, or accept that with `--insecure-unsigned`",
        )
    if local and not wanted.loopback:
        raise StartError(USAGE, "`--local` needs a loopback address to listen on")
    return wanted


def local_secret(root: Path) -> str:
    """The secret of the local profile; raises ``StartError``."""
    try:
        return ensure_local_secret(root)
    except (LocalSecretError, OSError) as error:
        raise StartError(TRUST, str(error)) from None


def announce(line: str) -> None:
    """Say that the runtime serves."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def announcement(binding: Binding, snapshot: Snapshot | None, *, local: bool, admin: Binding | None = None) -> str:
    """The line that says where to connect."""
    base = binding.origin
    where = ", ".join(f"{base}{ENDPOINTS}{name}" for name in sorted(snapshot.endpoints)) if snapshot else base
    notes = ("" if snapshot else " (no plan yet)") + (f"; local secret in {LOCAL_FILE}" if local else "")
    notes += f"; console at {admin.origin}/console" if admin else ""
    return f"serving {where}{notes}"


async def serve_http(front: HttpFront, listener: socket.socket, active: Active, ready: Callable[[], None]) -> int:
    """Serve until a signal, and until what runs then is done; ``ready`` hears that it has begun."""

    def head_bytes() -> int:
        return active.snapshot.plan.runtime.limits.header_bytes if active.snapshot else MAX_HEAD_BYTES

    server, code = HttpServer(front, head_bytes), OK

    async def obey() -> None:
        nonlocal code
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                code = INTERRUPTED if number == signal.SIGINT else OK
                server.stop()
                front.stop()
                active.close()

    # What was loaded stays: the collector need not walk through it, nor begin after every few hundred objects.
    gc.freeze()
    gc.set_threshold(GARBAGE)
    async with anyio.create_task_group() as group:
        group.start_soon(obey)
        await server.serve(listener, ready, DRAIN)
        group.cancel_scope.cancel()
    return code


@contextmanager
def _bound(wanted: Binding) -> Generator[tuple[socket.socket, Binding]]:
    """A listening socket, and the port that it really got."""
    try:
        listener = listen_on(wanted)
    except OSError as error:
        raise StartError(USAGE, f"cannot listen on `{wanted.host}:{wanted.port}`: {error.strerror}") from None
    with listener:
        yield listener, Binding(wanted.host, listener.getsockname()[1])


async def stdio(source: Source, endpoint: str) -> int:
    """Serve one endpoint on standard input and output until the client closes its end, or a signal."""
    async with say_to(sys.stderr) as say, running(source, say, transport="pipe") as parts:
        snapshot = parts.active.snapshot
        if snapshot is None:
            raise StartError(TRUST, "there is no plan to serve")
        if endpoint not in snapshot.endpoints:
            names = ", ".join(f"`{name}`" for name in sorted(snapshot.endpoints)) or "none"
            raise StartError(USAGE, f"there is no virtual MCP `{endpoint}`; there is {names}")
        if not snapshot.keyring.has_local:
            raise StartError(TRUST, "the plan has no local profile, so nobody may use it on standard input")
        tracer = parts.telemetry.tracer
        front = StdioFront(parts.desk, endpoint, line_writer(sys.stdout.fileno()), tracer)
        code = OK
        longest = snapshot.plan.runtime.limits.body_bytes
        async with lines_of(sys.stdin.fileno(), longest) as lines, anyio.create_task_group() as group:

            async def obey() -> None:
                nonlocal code
                with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for number in signals:
                        code = INTERRUPTED if number == signal.SIGINT else OK
                        group.cancel_scope.cancel()

            group.start_soon(obey)
            await front.run(lines)
            group.cancel_scope.cancel()
        return code
