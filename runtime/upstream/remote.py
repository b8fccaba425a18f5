"""A server that another process of this runtime keeps: each request crosses to it and is answered there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel

from meshplan.runtime.supervisor import carried
from meshplan.runtime.supervisor.peer import LinkLostError, Peer, RefusalError
from meshplan.runtime.upstream.failures import Unavailable
from meshplan.runtime.upstream.pool import UpstreamPool
from meshplan.runtime.upstream.port import (
    FollowedTask,
    Health,
    OnTask,
    OnUpdate,
    Upstream,
    UpstreamFailure,
    UpstreamRefusal,
    UpstreamRequest,
)
from meshplan.schemas.plan import Server


def kept_apart(server: Server) -> bool:
    """Whether a server's connections hold what all workers must share: its process, or the sessions of clients."""
    transport = server.transport
    if transport.kind == "stdio":
        return transport.instances == "one"
    return transport.kind == "http" and server.sessions == "per_client"


class RemoteUpstream:
    """See ``port.Upstream``."""

    def __init__(self, name: str, server: Server, keeper: Peer) -> None:
        self._address = {"server": name, "transport": carried.transport_digest(server.transport)}
        self._keeper = keeper

    async def request(self, request: UpstreamRequest) -> dict[str, Any]:
        """See ``port.Upstream``."""

        async def on_note(note: Any) -> None:
            if request.on_notify is not None:
                await request.on_notify(note[0], note[1])

        async def on_ask(question: Any) -> dict[str, Any]:
            if request.on_ask is None:
                raise RefusalError({"reason": "nobody can be asked"})
            try:
                return await request.on_ask(question[0], question[1])
            except UpstreamRefusal as refusal:
                raise RefusalError(carried.failure_out(refusal)) from None

        arguments = {**self._address, "request": carried.request_out(request)}
        try:
            return await self._keeper.call("request", arguments, on_note=on_note, on_ask=on_ask)
        except RefusalError as refusal:
            raise carried.failure_in(refusal.value) from None
        except LinkLostError:
            raise _gone() from None

    async def forward(self, request: UpstreamRequest) -> dict[str, Any] | bytes:
        """See ``port.Upstream``."""
        return await self.request(request)

    @asynccontextmanager
    async def subscribe(self, uri: str, on_update: OnUpdate) -> AsyncGenerator[None]:
        """See ``port.Upstream``."""
        async with self._held({"uri": uri}, on_update):
            yield

    @asynccontextmanager
    async def follow(self, task: FollowedTask, on_task: OnTask) -> AsyncGenerator[None]:
        """See ``port.Upstream``."""
        async with self._held({"task": carried.task_out(task)}, on_task):
            yield

    @asynccontextmanager
    async def _held(self, what: Mapping[str, Any], tell: Callable[[Any], None]) -> AsyncGenerator[None]:
        agreed = anyio.Event()
        failure: list[UpstreamFailure] = []

        async def on_note(note: Any) -> None:
            if note is not None:
                tell(note)
            agreed.set()
            await anyio.lowlevel.checkpoint()

        async def keep() -> None:
            try:
                await self._keeper.call("subscribe", {**self._address, **what}, on_note=on_note)
            except RefusalError as refusal:
                failure.append(carried.failure_in(refusal.value))
            except LinkLostError:
                failure.append(_gone())
            agreed.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep)
            await agreed.wait()
            if not failure:
                yield
            tasks.cancel_scope.cancel()
        if failure:
            raise failure[0]

    def health(self) -> Health:
        """The state is known to the process that keeps the server."""
        return Health("kept by the supervisor", None, None)


class WorkerUpstreams:
    """See ``active.Upstreams``: the servers that this worker connects to itself, and those that are kept for all."""

    def __init__(self, own: UpstreamPool, keeper: Peer) -> None:
        self._own, self._keeper = own, keeper
        self._kept: dict[str, RemoteUpstream] = {}

    def get(self, name: str) -> Upstream:
        """One upstream by server name; raises ``KeyError``."""
        return self._kept.get(name) or self._own.get(name)

    async def replace(self, servers: Mapping[str, Server], private_networks: Sequence[str] = ()) -> None:
        """See ``active.Upstreams``."""
        apart = {name: server for name, server in servers.items() if kept_apart(server)}
        self._kept = {name: RemoteUpstream(name, server, self._keeper) for name, server in apart.items()}
        own = {name: server for name, server in servers.items() if name not in apart}
        await self._own.replace(own, private_networks)

    def forget(self, owner: tuple[str, str], name: str) -> None:
        """See ``active.Upstreams``."""
        self._own.forget(owner, name)
        self._keeper.tell("forget", [list(owner), name])

    def health(self) -> Mapping[str, Health]:
        """The state of each upstream as far as this worker knows it."""
        return {**self._own.health(), **{name: kept.health() for name, kept in self._kept.items()}}


def _gone() -> Unavailable:
    return Unavailable("the process that keeps the server has gone", sent=True)
