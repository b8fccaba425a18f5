"""One open connection to one server, from its negotiation to its end: many requests at once, none of them retried."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
from msgspec import structs

from meshplan.runtime.asks import ALL
from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.upstream import sdk
from meshplan.runtime.upstream.child import StderrRelay, open_child
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.envelope import Negotiated, wire_headers, wire_params
from meshplan.runtime.upstream.exchange import CURRENT, Exchange
from meshplan.runtime.upstream.failures import (
    SessionLost,
    SlowToConnect,
    Unavailable,
    secret_failure,
)
from meshplan.runtime.upstream.http import client
from meshplan.runtime.upstream.links import Links
from meshplan.runtime.upstream.negotiate import negotiate
from meshplan.runtime.upstream.notices import Notices
from meshplan.runtime.upstream.outcomes import explained, settled
from meshplan.runtime.upstream.port import Behalf, Client, UpstreamRefusal, UpstreamRequest
from meshplan.runtime.upstream.updates import LISTEN
from meshplan.schemas.plan import HttpTransport, StdioTransport, Transport

ASKER_SECONDS = 5.0
"""How long a question that came with no request waits for one of the same client: servers ask for roots at once."""

DRAIN_SECONDS = 120.0
"""How long a connection that is replaced may wait for its running requests."""


@dataclass(frozen=True, slots=True)
class Place:
    """Everything needed to open connections to one server; ``pool`` gives the HTTP pool that all servers share.

    ``client`` is the one client of the connection, or ``None`` where all share it: then nobody can be asked, and
    ``on_refused`` hears of each attempt. ``on_updated`` gets the URI of a resource that an older server says changed.
    """

    name: str
    transport: Transport
    secrets: Secrets
    root: Path
    pool: Callable[[], httpx2.AsyncBaseTransport]
    on_list_changed: Callable[[str, str], None] | None
    client: Client | None = None
    on_refused: Callable[[], None] | None = None
    behalf: Behalf | None = None
    on_updated: Callable[[str], None] | None = None
    egress: Egress | None = None
    looks: bool = False
    links: Links = field(default_factory=lambda: Links(None))


class Session:
    """A connection whose task is ``run``; ``ready`` says that it is open or has failed, ``gone`` that it takes no more.

    ``closed`` says that its task has ended and, for stdio, that the process has.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.ready, self.gone, self.closed = anyio.Event(), anyio.Event(), anyio.Event()
        self.failure: Unavailable | None = None
        self.negotiated: Negotiated | None = None
        self._exchanges: dict[Exchange, None] = {}
        self._began = anyio.Event()
        self._notices = Notices(self._current, self._list_changed, self._updated, place.links)
        self._idle = anyio.Event()
        self._tokens = 0
        self._status: int | None = None
        self._dispatcher: sdk.JSONRPCDispatcher | None = None
        self._tasks: anyio.abc.TaskGroup | None = None
        self._reader: Any = None

    async def run(self, *, within: float) -> None:
        """Connect, at most ``within`` seconds, serve until ``retire`` or the server's end, and close."""
        try:
            async with self._open() as (streams, relay):
                await self._live(streams, relay, within)
        except Unavailable as failure:
            self.failure = failure
        finally:
            self.gone.set()
            self.ready.set()
            self.closed.set()

    def retire(self, failure: Unavailable | None = None) -> None:
        """Take no more requests, and close once the running ones have ended."""
        if not self.gone.is_set():
            self.failure = failure
            self.gone.set()

    def close(self) -> None:
        """Take no more requests, fail the running ones, and close."""
        self.retire()
        for exchange in tuple(self._exchanges):
            exchange.finish(Unavailable("the connection was closed on our side", sent=True))
            exchange.scope.cancel()

    async def request(self, request: UpstreamRequest, deadline: float) -> dict[str, Any]:
        """Forward one request; raises ``UpstreamFailure``, and ``SessionLost`` where the server did not execute it."""
        if self.gone.is_set() or self.negotiated is None:
            raise SessionLost("the connection has ended")
        if not self.negotiated.modern:
            request = _without_rounds(request)
        version = self.negotiated.protocol_version
        self._tokens += 1
        token = f"meshplan-{self._tokens}" if request.wants_progress else None
        on_ask = None if self.negotiated.modern else request.on_ask
        exchange = Exchange(
            deadline=deadline, token=token, log_level=request.log_level, on_ask=on_ask, whose=request.whose
        )
        params = wire_params(request, version, token)
        number = f"listen-{self._tokens}" if request.method == LISTEN else None
        self._start(exchange, request.method, params, version, request.headers, number=number)
        try:
            with self._notices.heard_by(exchange, token, number), exchange.waiting:
                async for method, notice in exchange.inbox:
                    if request.on_notify is not None:
                        await request.on_notify(method, notice)
        finally:
            exchange.abandon()
        result = settled(exchange, request)
        result.setdefault("resultType", "complete")
        return result

    @asynccontextmanager
    async def _open(self) -> AsyncGenerator[tuple[sdk.Streams, StderrRelay | None], None]:
        place = self._place
        if isinstance(place.transport, StdioTransport):
            async with open_child(place.name, place.transport, place.secrets, place.root) as (streams, relay):
                yield streams, relay
            return
        if not isinstance(place.transport, HttpTransport):
            raise Unavailable(f"servers of kind `{place.transport.kind}` are not reached this way")
        try:
            http = client(place.transport, place.secrets, place.pool(), place.behalf, place.egress)
        except SecretError as error:
            raise secret_failure(error) from None
        async with (
            http,
            sdk.open_http(place.transport.url, http) as streams,
        ):
            yield streams, None

    async def _live(self, streams: sdk.Streams, relay: StderrRelay | None, within: float) -> None:
        self._reader, writer = streams
        self._dispatcher = dispatcher = sdk.JSONRPCDispatcher(self._reader, writer)
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            if relay is not None:
                tasks.start_soon(relay.run)
            await tasks.start(self._pump, dispatcher)
            await self._connect(within)
            await self.gone.wait()
            with anyio.move_on_after(DRAIN_SECONDS):
                while self._exchanges:
                    self._idle = anyio.Event()
                    await self._idle.wait()
            tasks.cancel_scope.cancel()

    async def _pump(self, dispatcher: sdk.JSONRPCDispatcher, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        try:
            await dispatcher.run(self._asked, _ignore, self._notices.deliver, task_status=task_status)
        finally:
            self.retire(Unavailable("the server closed the connection"))

    async def _connect(self, within: float) -> None:
        slow = SlowToConnect(f"did not finish connecting within {within:g} s")
        try:
            with anyio.move_on_after(within) as scope:
                self.negotiated = await negotiate(self, self._declared())
            if scope.cancelled_caught:
                self.retire(slow)
        except Unavailable as failure:
            self.retire(failure.again())
        self.ready.set()

    def _declared(self) -> Mapping[str, Any]:
        if self._place.looks:
            return ALL
        client = self._place.client
        return {} if client is None else json.loads(client.capabilities)

    async def ask(self, method: str, params: dict[str, Any], version: str, seconds: float | None) -> dict[str, Any]:
        """Send a request of the negotiation."""
        deadline = float("inf") if seconds is None else anyio.current_time() + seconds
        exchange = Exchange(deadline=deadline)
        self._start(exchange, method, params, version, {}, cancel=False)
        try:
            with exchange.waiting:
                async for _ in exchange.inbox:
                    pass
        finally:
            exchange.abandon()
        self._status = exchange.status
        if exchange.outcome is None:
            raise SlowToConnect(f"no answer to `{method}`")
        return settled(exchange)

    async def tell(self, method: str, version: str) -> None:
        """Send a notification of the negotiation."""
        if self._dispatcher is not None:
            await self._dispatcher.notify(method, None, {"headers": {sdk.MCP_PROTOCOL_VERSION_HEADER: version}})

    def status(self) -> int | None:
        """The HTTP status of the negotiation's last answer."""
        return self._status

    def _start(
        self,
        exchange: Exchange,
        method: str,
        params: dict[str, Any],
        version: str,
        headers: Mapping[str, str],
        *,
        cancel: bool = True,
        number: str | None = None,
    ) -> None:
        if self._tasks is None or self._dispatcher is None:
            raise SessionLost("the connection is not open")
        options: sdk.CallOptions = {"cancel_on_abandon": cancel}
        if number is not None:
            options["request_id"] = number
        if isinstance(self._place.transport, HttpTransport):
            options["headers"] = wire_headers(method, params, version, dict(headers))
        self._exchanges[exchange] = None
        self._began.set()
        self._tasks.start_soon(self._carry, self._dispatcher, exchange, method, params, options)

    async def _carry(
        self,
        dispatcher: sdk.JSONRPCDispatcher,
        exchange: Exchange,
        method: str,
        params: dict[str, Any],
        options: sdk.CallOptions,
    ) -> None:
        """The task of one request: its caller only waits, so that a slow cancellation delays nobody."""
        CURRENT.set(exchange)
        try:
            with exchange.scope:
                exchange.finish(await dispatcher.send_raw_request(method, params, options))
        except sdk.MCPError as error:
            failure = explained(exchange, error)
            self._place.links.refused(exchange, failure)
            exchange.finish(failure)
        finally:
            exchange.finish(exchange.failure or Unavailable("the connection was closed before the answer", sent=True))
            del self._exchanges[exchange]
            if not self._exchanges:
                self._idle.set()

    async def _asked(self, _context: object, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Answer what the server asks: ``ping`` ourselves, anything else by asking the one client of the connection."""
        if method == "ping":
            return {}
        if method == "roots/list" and self._place.looks:
            return {"roots": []}
        exchange = await self._asker()
        if exchange is None or exchange.on_ask is None:
            if self._place.on_refused is not None:
                self._place.on_refused()
            raise sdk.MCPError(sdk.METHOD_NOT_FOUND, "this client declares no capability for that request")
        try:
            self._place.links.asked(exchange, method, params or {})
            with exchange.asking():
                return await exchange.on_ask(method, dict(params or {}))
        except UpstreamRefusal as refusal:
            raise sdk.MCPError(refusal.code, refusal.message, refusal.data) from None
        raise sdk.MCPError(sdk.INTERNAL_ERROR, "the request that this belongs to has ended")

    async def _asker(self) -> Exchange | None:
        """The request in whose course the server asks; over a pipe, the newest one of the connection's only client."""
        client = self._place.client
        if client is None or client.capabilities == "{}" or (self.negotiated is not None and self.negotiated.modern):
            return None
        current = CURRENT.get()
        if current in self._exchanges:
            return current
        with anyio.move_on_after(ASKER_SECONDS):
            while True:
                able = [exchange for exchange in self._exchanges if exchange.on_ask is not None]
                if able:
                    return able[-1]
                self._began = anyio.Event()
                await self._began.wait()
        return None

    def _current(self) -> Exchange | None:
        """The request whose answer carries the message that is being read; over a pipe, nobody knows."""
        context = sdk.sender_context(self._reader)
        return context.get(CURRENT) if context is not None else None

    def _list_changed(self, method: str) -> None:
        if self._place.on_list_changed is not None:
            self._place.on_list_changed(self._place.name, method)

    def _updated(self, uri: str) -> None:
        if self._place.on_updated is not None:
            self._place.on_updated(uri)


async def _ignore(_context: object, _method: str, _params: Mapping[str, Any] | None) -> None:
    """Every notification has been dealt with in wire order before."""


def _without_rounds(request: UpstreamRequest) -> UpstreamRequest:
    """The request for an older server, which knows no rounds: answers to nothing are left out, a state means nothing."""
    if "requestState" in request.params:
        raise UpstreamRefusal(sdk.INVALID_PARAMS, "no call of this server waits for that input")
    if "inputResponses" not in request.params:
        return request
    return structs.replace(request, params={name: v for name, v in request.params.items() if name != "inputResponses"})
