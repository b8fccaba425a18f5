"""One server, kept connected: a single owner task opens connections, replaces lost ones, and backs off from a dead one."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.abc
import anyio.to_thread

from meshplan.runtime.upstream.failures import SessionLost, SlowToConnect, Unavailable
from meshplan.runtime.upstream.links import Links
from meshplan.runtime.upstream.modern_http import ModernSession
from meshplan.runtime.upstream.port import Behalf, Client, FollowedTask, Health, OnTask, OnUpdate, UpstreamRequest
from meshplan.runtime.upstream.surroundings import Surroundings
from meshplan.runtime.upstream.updates import AGREE_SECONDS, Updates
from meshplan.schemas.plan import HttpTransport, Transport

if TYPE_CHECKING:
    from meshplan.runtime.upstream.envelope import Negotiated
    from meshplan.runtime.upstream.session import Session

    Link = Session | ModernSession

T = TypeVar("T")

HTTP_CONNECT_SECONDS, STDIO_CONNECT_SECONDS = 30.0, 60.0
"""For one attempt; a package runner may have to install the server first."""

FIRST_BACKOFF, MAX_BACKOFF = 0.25, 30.0
MIN_GAP = 0.05
"""Between two attempts, even where callers wait: they must not turn a crashing server into a fork bomb."""

STABLE_SECONDS = 5.0
"""A connection that lived this long is replaced at once when it ends."""

CLOSE_SECONDS = 10.0

_log = logging.getLogger(__name__)
_random = SystemRandom()


class _Attempt:
    """One try to connect; many callers may wait for it."""

    __slots__ = ("done", "failure", "session")

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.session: Link | None = None
        self.failure: Unavailable | None = None

    @property
    def over(self) -> bool:
        """Whether it failed, or the connection that it made has ended."""
        return self.failure is not None or (self.session is not None and self.session.gone.is_set())


class UpstreamServer:
    """One upstream; ``run`` is its owner task, everything else may be called by any task of the same event loop.

    ``looks``: the connection is for seeing what a client finds that can be asked everything, though nobody can be asked.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        surroundings: Surroundings,
        client: Client | None = None,
        behalf: Behalf | None = None,
        *,
        looks: bool = False,
    ) -> None:
        self.behalf, self._looks = behalf, looks
        self.name, self.transport, self.client = name, transport, client
        self.refused_asks = 0
        self.ended = anyio.Event()
        self._updates = Updates(self._link, lists=client is None)
        self.links = Links(surroundings.on_completed)
        self._surroundings = surroundings
        self._attempt = _Attempt()
        self._wake, self._stopping, self._quiet = anyio.Event(), anyio.Event(), anyio.Event()
        self._running = self._begun = 0
        self._error: str | None = None

    async def run(self) -> None:
        """Keep the server connected until ``stop``; nothing that the server does ends it."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._supervise, tasks)
                tasks.start_soon(self._updates.run)
                await self._stopping.wait()
                session = self._attempt.session
                if session is not None:
                    session.close()
                    with anyio.move_on_after(CLOSE_SECONDS):
                        await session.closed.wait()
                tasks.cancel_scope.cancel()
        finally:
            self._stopping.set()
            self._attempt.failure = _closed()
            self._attempt.done.set()
            self.ended.set()

    def request(self, request: UpstreamRequest) -> Awaitable[dict[str, Any]]:
        """See ``port.Upstream``."""
        return self._attempted(request, _ask)

    def forward(self, request: UpstreamRequest) -> Awaitable[dict[str, Any] | bytes]:
        """See ``port.Upstream``."""
        return self._attempted(request, _pass)

    async def _attempted(
        self, request: UpstreamRequest, send: Callable[[Link, UpstreamRequest, float], Awaitable[T]]
    ) -> T:
        """A request that certainly was not executed is sent once more on a new connection."""
        deadline = asyncio.get_running_loop().time() + request.timeout
        self._running, self._begun = self._running + 1, self._begun + 1
        try:
            session = await self._connected(deadline, request.timeout)
            try:
                return await send(session, request, deadline)
            except SessionLost as lost:
                session.retire(lost.again())
            session = await self._connected(deadline, request.timeout)
            return await send(session, request, deadline)
        finally:
            self._running -= 1
            if self._running == 0:
                self._quiet.set()

    @asynccontextmanager
    async def subscribe(self, uri: str, on_update: OnUpdate) -> AsyncGenerator[None]:
        """See ``port.Upstream``."""
        async with self._updates.subscribe(uri, on_update):
            yield

    @asynccontextmanager
    async def follow(self, task: FollowedTask, on_task: OnTask) -> AsyncGenerator[None]:
        """See ``port.Upstream``."""
        async with self._updates.follow(task.id, on_task):
            yield

    async def negotiated(self, seconds: float) -> Negotiated:
        """What the server said when it was connected; waits for a connection like a request does."""
        session = await self._connected(anyio.current_time() + seconds, seconds)
        if session.negotiated is None:
            raise SessionLost("the connection has ended")
        return session.negotiated

    def health(self) -> Health:
        """The state right now: ``connected``, ``connecting``, ``unavailable`` or ``closed``."""
        attempt = self._attempt
        if self._stopping.is_set():
            return Health("closed", None, self._error, refused_asks=self.refused_asks)
        if attempt.session is not None and not attempt.over and attempt.session.negotiated is not None:
            version = attempt.session.negotiated.protocol_version
            return Health("connected", version, None, refused_asks=self.refused_asks)
        state = "connecting" if attempt.failure is None else "unavailable"
        return Health(state, None, self._error, refused_asks=self.refused_asks)

    async def quiet(self, seconds: float) -> None:
        """Return once no request has run for so long."""
        while True:
            while self._running:
                self._quiet = anyio.Event()
                await self._quiet.wait()
            begun = self._begun
            await anyio.sleep(seconds)
            if begun == self._begun:
                return

    async def _link(self) -> Link:
        return await self._connected(anyio.current_time() + AGREE_SECONDS, AGREE_SECONDS)

    def stop(self) -> None:
        """Close the connection and end ``run``, without waiting for requests."""
        self._stopping.set()

    async def _connected(self, deadline: float, seconds: float) -> Link:
        """The open connection; asks for a new attempt where the last one is over, and waits for it."""
        if self._stopping.is_set():
            raise _closed()
        attempt = self._attempt
        if attempt.over:
            attempt = self._attempt = _Attempt()
            self._wake.set()
        if isinstance(attempt.session, ModernSession):
            return attempt.session
        with anyio.CancelScope(deadline=deadline):
            await attempt.done.wait()
        if attempt.failure is not None:
            raise attempt.failure.again()
        if attempt.session is not None:
            return attempt.session
        last = f"; last failure: {self._error}" if self._error else ""
        raise SlowToConnect(f"not connected within {seconds:g} s{last}")

    async def _supervise(self, tasks: anyio.abc.TaskGroup) -> None:
        failures = 0
        while not self._stopping.is_set():
            attempt = self._attempt
            session = await self._open(tasks, attempt)
            if session is not None:
                began = anyio.current_time()
                await session.gone.wait()
                failures = 0 if anyio.current_time() - began > STABLE_SECONDS else failures + 1
                self._error = session.failure.reason if session.failure is not None else None
                if self.transport.kind == "stdio":
                    await session.closed.wait()
            else:
                failures += 1
            await self._pause(attempt, failures)

    async def _open(self, tasks: anyio.abc.TaskGroup, attempt: _Attempt) -> Link | None:
        """Try once; the connection where that succeeded."""
        session = await self._meet(tasks)
        if session.negotiated is None:
            attempt.failure = session.failure or Unavailable("the connection failed")
            self._error = attempt.failure.reason
            await session.closed.wait()
        else:
            attempt.session, self._error = session, None
            self._updates.opened(session)
            if self._surroundings.on_connected is not None and self.client is None and self.behalf is None:
                self._surroundings.on_connected(self.name)
        attempt.done.set()
        return attempt.session

    async def _meet(self, tasks: anyio.abc.TaskGroup) -> Link:
        """Start the connection that the server's transport and era want, and wait until it is open or has failed."""
        around = self._surroundings
        if isinstance(self.transport, HttpTransport):
            plain = ModernSession(
                self.name, self.transport, around.secrets, around.on_list_changed, self.behalf, around.egress
            )
            tasks.start_soon(self._keep, plain)
            await plain.ready.wait()
            if not plain.with_sessions:
                return plain
        # The SDK costs half a second to import: not on the event loop, and only where such a server exists.
        module = await anyio.to_thread.run_sync(importlib.import_module, "meshplan.runtime.upstream.session")
        session: Session = module.Session(
            module.Place(
                self.name,
                self.transport,
                around.secrets,
                around.root,
                around.http_pool,
                around.on_list_changed,
                client=self.client,
                on_refused=None if self._looks else self._refuse_ask,
                on_updated=self._updates.updated,
                behalf=self.behalf,
                egress=around.egress,
                looks=self._looks,
                links=self.links,
            )
        )
        tasks.start_soon(self._keep, session)
        await session.ready.wait()
        return session

    def _refuse_ask(self) -> None:
        if not self.refused_asks:
            advice = "" if self.client else "; where its callers may be asked, write `sessions: per_client`"
            _log.warning("server `%s` asked its client for something, which was refused%s", self.name, advice)
        self.refused_asks += 1

    async def _keep(self, session: Link) -> None:
        """Run one connection; what breaks in it, even by a fault of the SDK or ours, is the end of that connection."""
        began = anyio.current_time()
        try:
            await session.run(within=STDIO_CONNECT_SECONDS if self.transport.kind == "stdio" else HTTP_CONNECT_SECONDS)
        except (ExceptionGroup, OSError, RuntimeError, ValueError):
            _log.exception("the connection to server `%s` broke", self.name)
            session.failure = session.failure or Unavailable("the connection broke for a reason that is in the log")
        finally:
            self._tell_end(session, anyio.current_time() - began)

    def _tell_end(self, session: Link, seconds: float) -> None:
        """Of what had a handshake; a server of 2026-07-28 has no sessions."""
        tell, agreed = self._surroundings.on_session_ended, session.negotiated
        if tell is not None and agreed is not None and not agreed.modern:
            error = None if session.failure is None else "connection_lost"
            tell(self.transport, agreed.protocol_version, seconds, error)

    async def _pause(self, attempt: _Attempt, failures: int) -> None:
        """Back off after failures, until a caller asks for the server; then make sure that there is a new attempt."""
        if failures:
            backoff = min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** min(failures - 1, 10)) * _random.uniform(0.5, 1)
            await anyio.sleep(min(MIN_GAP, backoff))
            with anyio.move_on_after(backoff - MIN_GAP):
                await self._wake.wait()
        self._wake = anyio.Event()
        if self._attempt is attempt:
            self._attempt = _Attempt()


def _ask(link: Link, request: UpstreamRequest, deadline: float) -> Awaitable[dict[str, Any]]:
    return link.request(request, deadline)


def _pass(link: Link, request: UpstreamRequest, deadline: float) -> Awaitable[dict[str, Any] | bytes]:
    return link.forward(request, deadline) if isinstance(link, ModernSession) else link.request(request, deadline)


def _closed() -> Unavailable:
    return Unavailable("the connection was closed by a new plan or a shutdown")
