"""One server with connections of single callers: what is sent on behalf of one is never in another's session."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.abc

from meshplan.runtime.secrets import SecretError
from meshplan.runtime.upstream.connection import UpstreamServer
from meshplan.runtime.upstream.failures import Unavailable, secret_failure
from meshplan.runtime.upstream.port import Behalf, FollowedTask, Health, OnTask, OnUpdate, Source, UpstreamRequest
from meshplan.runtime.upstream.surroundings import Surroundings
from meshplan.schemas.plan import BearerAuth, ExchangeAuth, HttpTransport, PerUserAuth, Transport

if TYPE_CHECKING:
    from meshplan.runtime.upstream.envelope import Negotiated

MAX_CALLERS: Final = 256
IDLE_SECONDS: Final = 300.0
SWEEP_SECONDS: Final = 30.0

_NOBODY: Final = "the server is called on behalf of a caller, and this is nobody's request"


@dataclass(eq=False, slots=True)
class _Own:
    """The connection of one caller, with how many requests use it and since when none does."""

    behalf: Behalf
    server: UpstreamServer
    users: int = 0
    idle_since: float = 0.0


class CallerConnections:
    """See ``port.Upstream``; a connection is made by its caller's first request. ``run`` is the owner task."""

    def __init__(self, name: str, transport: Transport, surroundings: Surroundings) -> None:
        self.name, self.transport = name, transport
        self._surroundings = surroundings
        self._own: dict[tuple[str, str], _Own] = {}
        self._service = _service(name, transport, surroundings)
        self._tasks: anyio.abc.TaskGroup | None = None
        self._stopping = anyio.Event()

    async def run(self) -> None:
        """Keep the connections until ``stop``."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._sweep)
            if self._service is not None:
                tasks.start_soon(self._service.run)
            await self._stopping.wait()
            servers = [own.server for own in self._own.values()] + ([self._service] if self._service else [])
            for server in servers:
                server.stop()
            for server in servers:
                await server.ended.wait()
            tasks.cancel_scope.cancel()

    async def request(self, request: UpstreamRequest) -> dict[str, Any]:
        """See ``port.Upstream``; nobody's request is the service's, where there is one."""
        if request.behalf is None and self._service is not None:
            return await self._service.request(request)
        async with self._used(request.behalf) as server:
            return await server.request(request)

    async def forward(self, request: UpstreamRequest) -> dict[str, Any] | bytes:
        """See ``port.Upstream``."""
        if request.behalf is None and self._service is not None:
            return await self._service.forward(request)
        async with self._used(request.behalf) as server:
            return await server.forward(request)

    @asynccontextmanager
    async def _used(self, behalf: Behalf | None) -> AsyncGenerator[UpstreamServer]:
        if behalf is None:
            raise Unavailable(_NOBODY)
        own = self._of(behalf)
        own.users += 1
        try:
            if own.behalf.signed_in is not None:
                # Without a token there is nothing to connect for.
                await _present(own.behalf.signed_in)
            yield own.server
        finally:
            own.users -= 1
            own.idle_since = anyio.current_time()

    def _of(self, behalf: Behalf) -> _Own:
        found = self._own.get(behalf.owner)
        if found is not None:
            found.behalf.token = behalf.token
            return found
        if self._tasks is None or self._stopping.is_set():
            raise Unavailable("the connection was closed by a new plan or a shutdown")
        if len(self._own) >= MAX_CALLERS:
            self._make_room()
        kept, around = replace(behalf), self._surroundings
        if around.sign_ins is not None and isinstance(self.transport, HttpTransport):
            kept.signed_in = around.sign_ins.source(self.name, self.transport, behalf.owner, around.egress)
        own = self._own[behalf.owner] = _Own(
            kept, UpstreamServer(self.name, self.transport, self._surroundings, behalf=kept)
        )
        self._tasks.start_soon(own.server.run)
        return own

    def _make_room(self) -> None:
        idle = [own for own in self._own.values() if not own.users]
        if not idle:
            raise Unavailable(f"more than {MAX_CALLERS} callers at once")
        self._close(min(idle, key=lambda own: own.idle_since))

    def _close(self, own: _Own) -> None:
        del self._own[own.behalf.owner]
        own.server.stop()

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(SWEEP_SECONDS)
            before = anyio.current_time() - IDLE_SECONDS
            for own in [found for found in self._own.values() if not found.users and found.idle_since < before]:
                self._close(own)

    @asynccontextmanager
    async def subscribe(self, uri: str, on_update: OnUpdate) -> AsyncGenerator[None]:
        """Nobody can subscribe: updates have no caller."""
        del uri, on_update
        raise Unavailable(_NOBODY)
        yield

    @asynccontextmanager
    async def follow(self, task: FollowedTask, on_task: OnTask) -> AsyncGenerator[None]:
        """See ``port.Upstream``: over the caller's own connection."""
        async with self._used(task.behalf) as server, server.follow(task, on_task):
            yield

    async def negotiated(self, seconds: float) -> Negotiated:
        """What the server said to the service; without one, nothing is negotiated without a caller."""
        if self._service is None:
            raise Unavailable(_NOBODY)
        return await self._service.negotiated(seconds)

    def health(self) -> Health:
        """How many callers are connected, and what went wrong for one of them last."""
        states = [own.server.health() for own in self._own.values()]
        version = next((state.protocol_version for state in states if state.protocol_version), None)
        error = next((state.error for state in states if state.error), None)
        return Health("stopped" if self._stopping.is_set() else "per caller", version, error, sessions=len(states))

    async def quiet(self, seconds: float) -> None:
        """Return once no request has run for so long."""
        while True:
            await anyio.sleep(seconds)
            if not any(own.users for own in self._own.values()):
                return

    def stop(self) -> None:
        """Close every connection and end ``run``, without waiting for requests."""
        self._stopping.set()


def as_service(transport: Transport) -> Transport | None:
    """The transport of what is asked for nobody, where the plan has a credential for that."""
    auth = transport.auth if isinstance(transport, HttpTransport) else None
    if not isinstance(auth, ExchangeAuth | PerUserAuth) or auth.service is None:
        return None
    return transport.model_copy(update={"auth": BearerAuth(token=auth.service)})


def _service(name: str, transport: Transport, surroundings: Surroundings) -> UpstreamServer | None:
    own = as_service(transport)
    return None if own is None else UpstreamServer(name, own, surroundings)


async def _present(source: Source) -> None:
    try:
        await source.resolve()
    except SecretError as error:
        raise secret_failure(error) from None
