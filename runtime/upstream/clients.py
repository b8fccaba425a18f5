"""One server with a session for each client: bounded in number, idle ones closed, and one more that all share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.abc
from msgspec import structs

from meshplan.runtime.errors import INVALID_PARAMS
from meshplan.runtime.upstream.connection import UpstreamServer
from meshplan.runtime.upstream.failures import Unavailable
from meshplan.runtime.upstream.port import (
    Client,
    FollowedTask,
    Health,
    OnTask,
    OnUpdate,
    UpstreamRefusal,
    UpstreamRequest,
)
from meshplan.runtime.upstream.surroundings import Surroundings
from meshplan.schemas.plan import Transport

if TYPE_CHECKING:
    from meshplan.runtime.upstream.envelope import Negotiated

MAX_SESSIONS: Final = 256
"""Sessions of clients at one server."""
MAX_PER_PRINCIPAL: Final = 32
"""More than may be parked: calls that wait for their callers never take all."""
IDLE_SECONDS: Final = 600.0
SWEEP_SECONDS: Final = 30.0


@dataclass(eq=False, slots=True)
class _Lease:
    """The session of one client, with how many requests use it, since when none does, and how many tasks are followed."""

    client: Client
    server: UpstreamServer
    users: int = 0
    followed: int = 0
    idle_since: float = 0.0


class ClientSessions:
    """See ``port.Upstream``. ``run`` is the owner task of all the server's sessions.

    Requests that belong to no client (lists, subscriptions), and all requests to a modern HTTP server, which has no
    sessions, go over the shared connection.
    """

    def __init__(self, name: str, transport: Transport, surroundings: Surroundings) -> None:
        self.name, self.transport = name, transport
        self._surroundings = surroundings
        self._shared = UpstreamServer(name, transport, surroundings, looks=True)
        self._leases: list[_Lease] = []
        self._tasks: anyio.abc.TaskGroup | None = None
        self._stopping = anyio.Event()
        self._refused_asks = 0

    async def run(self) -> None:
        """Keep the sessions until ``stop``."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._shared.run)
            tasks.start_soon(self._sweep)
            await self._stopping.wait()
            # The servers' own tasks end by themselves; the sweeper has to be told.
            servers = [self._shared, *(lease.server for lease in self._leases)]
            for server in servers:
                server.stop()
            for server in servers:
                await server.ended.wait()
            tasks.cancel_scope.cancel()

    async def request(self, request: UpstreamRequest) -> dict[str, Any]:
        """See ``port.Upstream``."""
        if request.client is None:
            return await self._shared.request(request)
        began = anyio.current_time()
        if self.transport.kind == "http" and (await self._shared.negotiated(request.timeout)).modern:
            return await self._shared.request(request)
        left = max(0.0, request.timeout - (anyio.current_time() - began))
        with self._lease(request.client) as server:
            return await server.request(structs.replace(request, timeout=left))

    async def forward(self, request: UpstreamRequest) -> dict[str, Any] | bytes:
        """See ``port.Upstream``."""
        return await (self._shared.forward(request) if request.client is None else self.request(request))

    @contextmanager
    def _lease(self, client: Client) -> Generator[UpstreamServer]:
        free = (lease for lease in self._leases if lease.client == client and not (client.alone and lease.users))
        lease = next(free, None) or self._begin(client)
        lease.users += 1
        try:
            yield lease.server
        finally:
            lease.users -= 1
            lease.idle_since = anyio.current_time()

    def _begin(self, client: Client) -> _Lease:
        if self._tasks is None or self._stopping.is_set():
            raise Unavailable("the connection was closed by a new plan or a shutdown")
        own = [lease for lease in self._leases if lease.client.owner == client.owner]
        if len(own) >= MAX_PER_PRINCIPAL:
            self._make_room(own, f"more than {MAX_PER_PRINCIPAL} sessions of one caller at once")
        elif len(self._leases) >= MAX_SESSIONS:
            self._make_room(self._leases, f"more than {MAX_SESSIONS} sessions at once")
        lease = _Lease(client, UpstreamServer(self.name, self.transport, self._surroundings, client))
        self._leases.append(lease)
        self._tasks.start_soon(lease.server.run)
        return lease

    def _make_room(self, leases: list[_Lease], refusal: str) -> None:
        idle = [lease for lease in leases if not lease.users]
        if not idle:
            raise Unavailable(refusal)
        self._close(min(idle, key=lambda lease: lease.idle_since))

    def _close(self, lease: _Lease) -> None:
        self._leases.remove(lease)
        self._refused_asks += lease.server.refused_asks
        lease.server.stop()

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(SWEEP_SECONDS)
            before = anyio.current_time() - IDLE_SECONDS
            for lease in [found for found in self._leases if not found.users and found.idle_since < before]:
                if not lease.server.links and not lease.followed:
                    self._close(lease)

    def forget(self, owner: tuple[str, str], name: str) -> None:
        """A client has left: close its sessions."""
        for lease in [found for found in self._leases if (found.client.owner, found.client.name) == (owner, name)]:
            self._close(lease)

    @asynccontextmanager
    async def subscribe(self, uri: str, on_update: OnUpdate) -> AsyncGenerator[None]:
        """See ``port.Upstream``."""
        async with self._shared.subscribe(uri, on_update):
            yield

    @asynccontextmanager
    async def follow(self, task: FollowedTask, on_task: OnTask) -> AsyncGenerator[None]:
        """See ``port.Upstream``: in the session that the task was started in."""
        if self.transport.kind == "http" or task.client is None:
            async with self._shared.follow(task, on_task):
                yield
            return
        lease = next((lease for lease in self._leases if lease.client == task.client), None)
        if lease is None:
            raise UpstreamRefusal(INVALID_PARAMS, "the session that the task was started in has ended")
        lease.followed += 1
        try:
            async with lease.server.follow(task, on_task):
                yield
        finally:
            lease.followed -= 1

    async def negotiated(self, seconds: float) -> Negotiated:
        """What the server said when it was connected."""
        return await self._shared.negotiated(seconds)

    def health(self) -> Health:
        """The state of the shared connection, and how many clients have a session."""
        health = self._shared.health()
        refused = health.refused_asks + self._refused_asks + sum(lease.server.refused_asks for lease in self._leases)
        return replace(health, sessions=len(self._leases), refused_asks=refused)

    async def quiet(self, seconds: float) -> None:
        """Return once no request has run for so long."""
        while True:
            await self._shared.quiet(seconds)
            if not any(lease.users for lease in self._leases):
                return
            await anyio.sleep(seconds)

    def stop(self) -> None:
        """Close every session and end ``run``, without waiting for requests."""
        self._stopping.set()
