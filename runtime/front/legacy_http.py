"""Sessions of the handshake era over streamable HTTP: POST, the GET stream, DELETE; a disconnect cancels nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import anyio

from meshplan.runtime.errors import HEADER_MISMATCH, INVALID_REQUEST, NOT_READY, OVERLOADED, RpcError
from meshplan.runtime.front import jsonrpc, legacy
from meshplan.runtime.front.asgi import EVENTS, Exchange, Receive, Send, respond, until_disconnect
from meshplan.runtime.front.desk import MAX_STREAMS, Desk, too_many_streams
from meshplan.runtime.front.guard import accepts
from meshplan.runtime.front.session import Session
from meshplan.runtime.front.sessions import Sessions
from meshplan.runtime.principal import Caller
from meshplan.runtime.protocol import MCP_PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION_META_KEY
from meshplan.runtime.shapes import members

SESSION_HEADER = "mcp-session-id"
_NO_SESSION = RpcError(INVALID_REQUEST, "the session id is missing")
_GONE = RpcError(INVALID_REQUEST, "there is no such session")
_STATUS = {OVERLOADED: 429, NOT_READY: 503}


@dataclass(frozen=True, slots=True)
class Visit:
    """One HTTP request of an authenticated caller at an endpoint."""

    desk: Desk
    sessions: Sessions
    endpoint: str
    caller: Caller
    headers: dict[str, str]
    receive: Receive
    send: Send

    async def refuse(self, status: int, error: RpcError, number: jsonrpc.RequestId | None = None) -> None:
        """Answer with an error response."""
        await respond(self.send, status, jsonrpc.error_text(number, error))

    async def session(self) -> Session | None:
        """The session that the request names; where there is none, the refusal has been sent."""
        sent = self.headers.get(SESSION_HEADER)
        if sent is None:
            await self.refuse(400, _NO_SESSION)
            return None
        found = self.sessions.find(sent, self.caller.owner, self.endpoint)
        if found is None:
            await self.refuse(404, _GONE)
            return None
        version = self.headers.get(MCP_PROTOCOL_VERSION_HEADER)
        if version is not None and version != found.version:
            await self.refuse(400, RpcError(INVALID_REQUEST, f"the session speaks `{found.version}`"))
            return None
        return found


@dataclass(slots=True)
class HttpChannel:
    """The response of one POST, as a place for messages."""

    exchange: Exchange
    can_ask: bool
    gone: anyio.Event = field(default_factory=anyio.Event)

    async def write(self, message: bytes) -> None:
        """Send one message, where the response may be a stream."""
        if self.can_ask:
            await self.exchange.event(message)


async def post(visit: Visit, body: bytes) -> None:
    """Answer one POST."""
    try:
        value = jsonrpc.parse(body)
        if isinstance(value, list):
            await _batch(visit, cast("list[Any]", value))
            return
        message = jsonrpc.message(value)
    except jsonrpc.EnvelopeError as error:
        await visit.refuse(400, error, error.id)
        return
    if isinstance(message, jsonrpc.Request) and _modern_body(message.params) and message.method != "initialize":
        wanted = RpcError(
            HEADER_MISMATCH, f"header `{MCP_PROTOCOL_VERSION_HEADER}` does not match the request's `_meta`"
        )
        await visit.refuse(400, wanted, message.id)
    elif isinstance(message, jsonrpc.Request) and message.method == "initialize":
        await _initialize(visit, message)
    elif (session := await visit.session()) is not None:
        await _message(visit, session, message)


def _modern_body(params: dict[str, Any]) -> bool:
    return PROTOCOL_VERSION_META_KEY in (members(params.get("_meta")) or {})


async def _initialize(visit: Visit, request: jsonrpc.Request) -> None:
    desk, sessions = visit.desk, visit.sessions
    try:
        session = legacy.open_session(desk, visit.endpoint, visit.caller, request.params, sessions.now())
        result = legacy.initialize_result(desk, session)
        sessions.add(session)
    except RpcError as error:
        await visit.refuse(_STATUS.get(error.code, 200), error, request.id)
        return
    await respond(visit.send, 200, jsonrpc.result_text(request.id, result), headers={SESSION_HEADER: session.id})


async def _message(visit: Visit, session: Session, message: jsonrpc.Message) -> None:
    if not isinstance(message, jsonrpc.Request):
        legacy.notice(session, message)
        await respond(visit.send, 202)
        return
    exchange = Exchange(visit.send)
    channel = HttpChannel(exchange, can_ask=True)

    async def work() -> bytes | None:
        return await legacy.respond(visit.desk, session, visit.caller, message, channel)

    await _exchange(visit, channel, work)


async def _batch(visit: Visit, elements: list[Any]) -> None:
    session = await visit.session()
    if session is None:
        return
    channel = HttpChannel(Exchange(visit.send), can_ask=False)

    async def work() -> bytes | None:
        return await legacy.batch(visit.desk, session, visit.caller, elements, channel)

    await _exchange(visit, channel, work)


async def _exchange(visit: Visit, channel: HttpChannel, work: Callable[[], Awaitable[bytes | None]]) -> None:
    """Do the work to its end; a client that leaves can no longer be asked, and that is all."""
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await until_disconnect(visit.receive)
            channel.gone.set()

        async def keep_alive() -> None:
            await channel.exchange.keep_alive(commit=False)

        group.start_soon(watch)
        group.start_soon(keep_alive)
        final = await work()
        await channel.exchange.finish(202 if final is None else 200, final or b"")
        group.cancel_scope.cancel()


async def get(visit: Visit) -> None:
    """Open the session's stream of notifications: one at a time."""
    if not accepts(visit.headers, EVENTS):
        await visit.refuse(406, RpcError(INVALID_REQUEST, f"the client does not accept `{EVENTS}`"))
        return
    session = await visit.session()
    if session is None:
        return
    if session.stream is not None:
        await visit.refuse(409, RpcError(INVALID_REQUEST, "the session has a stream already"))
        return
    if visit.desk.active.watching(visit.caller.owner) >= MAX_STREAMS:
        await visit.refuse(429, too_many_streams())
        return
    exchange = Exchange(visit.send, {SESSION_HEADER: session.id})
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await until_disconnect(visit.receive)
            group.cancel_scope.cancel()

        async def keep_alive() -> None:
            await exchange.keep_alive(commit=True)

        group.start_soon(watch)
        group.start_soon(keep_alive)
        await legacy.tell_changes(visit.desk, session, visit.caller, exchange.event, exchange.open)
        await exchange.finish(200)
        group.cancel_scope.cancel()


async def delete(visit: Visit) -> None:
    """End the session."""
    session = await visit.session()
    if session is not None:
        visit.sessions.remove(session)
        await respond(visit.send, 204)
