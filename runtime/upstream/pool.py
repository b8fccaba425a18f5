"""All upstream servers of a plan, by name; a new plan replaces only what differs, and no running call notices."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread

from meshplan.runtime.secrets import Secrets
from meshplan.runtime.upstream.api import ApiServer
from meshplan.runtime.upstream.breaker import Standing
from meshplan.runtime.upstream.callers import CallerConnections
from meshplan.runtime.upstream.clients import ClientSessions
from meshplan.runtime.upstream.connection import UpstreamServer
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.links import OnCompleted
from meshplan.runtime.upstream.port import Health, Upstream
from meshplan.runtime.upstream.resilience import Resilient
from meshplan.runtime.upstream.surroundings import OnSessionEnded, StandingOf, Surroundings, own_standing
from meshplan.schemas.plan import ExchangeAuth, HttpTransport, PerUserAuth, Server, Transport

if TYPE_CHECKING:
    import httpx2

    from meshplan.runtime.signin.sign_ins import SignIns

DRAIN_SECONDS = 120.0
"""How long a server that left the plan may finish its running calls."""

QUIET_SECONDS = 1.0
"""A caller that has just looked a server up may still call it."""


_Kept = UpstreamServer | ClientSessions | CallerConnections | ApiServer
_KINDS: Final[Mapping[str, type[_Kept]]] = {
    "shared": UpstreamServer,
    "per_client": ClientSessions,
}


@dataclass(eq=False, slots=True)
class _Served:
    """One server of the plan: its connections, its own and its replicas', and what callers get to hold."""

    server: Server
    members: tuple[_Kept, ...]
    resilient: Resilient | None = None

    @property
    def face(self) -> Upstream:
        """All of it, as one upstream."""
        return self.resilient or self.members[0]

    def serves(self, server: Server) -> bool:
        """Whether these connections are those that the server wants."""
        return self.server.transport == server.transport and isinstance(self.members[0], kind_of(server))

    def under(self, server: Server, standing: Callable[[Transport], Standing]) -> _Served:
        """The same connections under the server's newest policy; ``standing`` is what is known of one address."""
        self.server = server
        if server.retry is None and server.breaker is None and len(self.members) == 1:
            self.resilient = None
        elif self.resilient is None:
            self.resilient = Resilient(
                server, self.members, standings=[standing(one) for one in addresses(server.transport)]
            )
        else:
            self.resilient.adopt(server)
        return self


class UpstreamPool:
    """The servers of the current plan; made by ``open_upstreams``."""

    def __init__(self, tasks: anyio.abc.TaskGroup, surroundings: Surroundings) -> None:
        self._tasks, self._surroundings = tasks, surroundings
        self._servers: dict[str, _Served] = {}
        self._before: dict[str, _Served] = {}
        self._leaving: set[_Kept] = set()

    def get(self, name: str) -> Upstream:
        """The server of that name; raises ``KeyError``."""
        return self._servers[name].face

    def find(self, name: str, is_wanted: Callable[[Transport], bool]) -> Upstream:
        """The server of that name with the wanted transport, of this plan or the one before; raises ``KeyError``."""
        for served in (self._servers.get(name), self._before.get(name)):
            if served is not None and is_wanted(served.server.transport):
                return served.face
        raise KeyError(name)

    async def replace(self, servers: Mapping[str, Server], private_networks: Sequence[str] = ()) -> None:
        """Serve these servers from now on; names may lead to public addresses, and into these networks.

        A server whose transport is equal keeps its connection. The others start in the background; those that left
        close after their running calls.
        """
        self._surroundings.egress.adopt(private_networks)
        if any(server.transport.kind == "stdio" for server in servers.values()):
            # Children are reached through the SDK, whose import would count against the first calls' time.
            await anyio.to_thread.run_sync(importlib.import_module, "meshplan.runtime.upstream.session")
        self._before = current = self._servers
        self._servers = {}
        for name, server in servers.items():
            kept = current.get(name)
            if kept is None or not kept.serves(server):
                members = tuple(kind_of(server)(name, one, self._surroundings) for one in addresses(server.transport))
                for member in members:
                    self._tasks.start_soon(member.run)
                kept = _Served(server, members)
            self._servers[name] = kept.under(server, partial(self._surroundings.standing, name))
        stay = {member for served in self._servers.values() for member in served.members}
        for left in (member for served in current.values() for member in served.members if member not in stay):
            self._leaving.add(left)
            self._tasks.start_soon(self._let_go, left)
        await anyio.lowlevel.checkpoint()

    async def _let_go(self, server: _Kept) -> None:
        with anyio.move_on_after(DRAIN_SECONDS):
            await server.quiet(QUIET_SECONDS)
        server.stop()
        self._leaving.discard(server)

    def forget(self, owner: tuple[str, str], name: str) -> None:
        """See ``active.Upstreams``."""
        for served in self._servers.values():
            for member in served.members:
                if isinstance(member, ClientSessions):
                    member.forget(owner, name)

    def health(self) -> dict[str, Health]:
        """The state of each server right now."""
        return {name: server.face.health() for name, server in self._servers.items()}

    def stop(self) -> None:
        """Close every connection, running calls or not."""
        for served in self._servers.values():
            for member in served.members:
                member.stop()
        for server in self._leaving:
            server.stop()


def addresses(transport: Transport) -> list[Transport]:
    """The transport once for each URL: its own, then its replicas."""
    if not isinstance(transport, HttpTransport) or not transport.replicas:
        return [transport]
    urls = (transport.url, *transport.replicas)
    return [transport.model_copy(update={"url": url, "replicas": ()}) for url in urls]


def kind_of(server: Server) -> type[_Kept]:
    """How the callers of a server share its connections."""
    if server.transport.kind == "openapi":
        return ApiServer
    auth = server.transport.auth if isinstance(server.transport, HttpTransport) else None
    on_behalf = isinstance(auth, ExchangeAuth | PerUserAuth)
    return CallerConnections if on_behalf else _KINDS[server.sessions]


@asynccontextmanager
async def open_upstreams(
    servers: Mapping[str, Server],
    root: Path,
    *,
    on_list_changed: Callable[[str, str], None] | None = None,
    on_connected: Callable[[str], None] | None = None,
    sign_ins: SignIns | None = None,
    on_completed: OnCompleted | None = None,
    on_session_ended: OnSessionEnded | None = None,
    standing: StandingOf = own_standing,
) -> AsyncGenerator[UpstreamPool, None]:
    """Start connecting to all servers, and yield at once; on exit, close their connections.

    ``root`` is the mesh's folder, for relative paths. ``on_list_changed`` gets the server's name and the method of a
    list-changed notification, ``on_connected`` the name of a server that was connected (again); they must not block.
    ``sign_ins`` has the tokens of callers who sign in to servers. ``on_completed`` hears which client's user is done with
    a link that a server gave; ``on_session_ended`` hears of sessions. ``standing`` has what breakers know of
    a server.
    """
    async with shared_surroundings(
        root,
        on_list_changed=on_list_changed,
        on_connected=on_connected,
        sign_ins=sign_ins,
        on_completed=on_completed,
        on_session_ended=on_session_ended,
        standing=standing,
    ) as surroundings:
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        pool = UpstreamPool(tasks, surroundings)
        try:
            await pool.replace(servers)
            yield pool
        finally:
            # Without the body's exception, which a task group would wrap.
            pool.stop()
            await tasks.__aexit__(None, None, None)


@asynccontextmanager
async def shared_surroundings(
    root: Path,
    *,
    on_list_changed: Callable[[str, str], None] | None = None,
    on_connected: Callable[[str], None] | None = None,
    sign_ins: SignIns | None = None,
    on_completed: OnCompleted | None = None,
    on_session_ended: OnSessionEnded | None = None,
    standing: StandingOf = own_standing,
) -> AsyncGenerator[Surroundings, None]:
    """Secrets and one HTTP connection pool, made when the first server needs it."""
    made: list[httpx2.AsyncBaseTransport] = []
    egress = Egress()

    def http_pool() -> httpx2.AsyncBaseTransport:
        if not made:
            made.append(importlib.import_module("meshplan.runtime.upstream.http").shared_pool(egress))
        return made[0]

    try:
        yield Surroundings(
            Secrets(root),
            root,
            http_pool,
            on_list_changed,
            on_connected,
            egress,
            sign_ins,
            on_completed,
            on_session_ended,
            standing,
        )
    finally:
        for pool in made:
            await pool.aclose()
