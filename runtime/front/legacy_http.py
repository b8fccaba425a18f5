"""Sessions of the handshake era over streamable HTTP: POST, the GET stream, DELETE; a disconnect cancels nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import anyio

from meshplan.runtime.errors import HEADER_MISMATCH, INVALID_REQUEST, NOT_READY, OVERLOADED, RpcError, refusal_headers
from meshplan.runtime.front import jsonrpc, legacy
from meshplan.runtime.front.asgi import (
    EVENTS,
    JSON,
    KEEP_ALIVE,
    Direct,
    Exchange,
    Receive,
    Send,
    respond,
    until_disconnect,
)
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.guard import accepts, prefers
from meshplan.runtime.front.session import Session
from meshplan.runtime.front.sessions import Passed, Sessions
from meshplan.runtime.front.streams import Reader, Stream
from meshplan.runtime.front.watch import Watch
from meshplan.runtime.principal import Caller
from meshplan.runtime.protocol import MCP_PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION_META_KEY
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.shapes import members

SESSION_HEADER = "mcp-session-id"
LAST_EVENT_HEADER = "last-event-id"
FIRST_WITH_PRIMING = "2025-11-25"
"""The revision from which on streams begin with an empty event, and may be closed before their end (SEP-1699)."""
_NO_SESSION = RpcError(INVALID_REQUEST, "the session id is missing", {"reason": "no_session"})
_GONE = RpcError(INVALID_REQUEST, "there is no such session", {"reason": "no_such_session"})
_NO_EVENT = RpcError(INVALID_REQUEST, "the stream cannot be resumed from this event", {"reason": "event_gone"})
_STATUS = {OVERLOADED: 429, NOT_READY: 503}


@dataclass(slots=True)
class Visit:
    """One HTTP request of an authenticated caller at an endpoint."""

    desk: Desk
    sessions: Sessions
    endpoint: str
    caller: Caller
    headers: dict[str, str]
    receive: Receive
    send: Send
    method: str = "POST"
    body: bytes = b""
    direct: Direct | None = None

    @property
    def stream_seconds(self) -> float:
        """How long one response may stay open before a client that can come back has to."""
        snapshot = self.desk.active.snapshot
        return snapshot.plan.runtime.limits.stream_ms / 1000 if snapshot else 0

    async def refuse(
        self, status: int, error: RpcError, number: jsonrpc.RequestId | None = None, *, asked: str = ""
    ) -> None:
        """Answer with an error response, and record it; ``asked`` is the JSON-RPC method, where that is known."""
        self.desk.invoker.refuse(self.endpoint, self.caller, error, asked)
        await respond(self.send, status, jsonrpc.error_text(number, error), headers=refusal_headers(error))

    async def session(self) -> Session | None:
        """The session that the request names; where there is none, the refusal has been sent."""
        sent = self.headers.get(SESSION_HEADER)
        if sent is None:
            await self.refuse(400, _NO_SESSION)
            return None
        found = self.sessions.find(sent, self.caller.owner, self.endpoint)
        if found is None:
            await _elsewhere(self, sent)
            return None
        version = self.headers.get(MCP_PROTOCOL_VERSION_HEADER)
        if version is not None and version != found.version:
            await self.refuse(400, RpcError(INVALID_REQUEST, f"the session speaks `{found.version}`"))
            return None
        return found


async def _elsewhere(visit: Visit, sent: str) -> None:
    """Let another worker answer where the session is there; there is none otherwise."""
    snapshot, locator = visit.desk.active.snapshot, visit.sessions.locator
    keys = snapshot.plan.runtime.seal_keys if snapshot else ()
    token = await visit.desk.tokens.read(keys, sent, visit.caller.owner, visit.endpoint)
    away = token is not None and token.worker != visit.sessions.worker
    passed = Passed(visit.endpoint, visit.caller, visit.method, visit.headers, visit.body, visit.receive, visit.send)
    if not (token and away and locator and await locator.forward(token.worker, passed)):
        await visit.refuse(404, _GONE)


class _Silent:
    """Nowhere for messages to go: the parts of a batch cannot ask, and their answers come together."""

    def __init__(self) -> None:
        self.can_ask, self.gone = False, asyncio.Event()

    async def write(self, message: bytes) -> None:
        """Send nothing."""

    def head(self, headers: Mapping[str, str]) -> None:
        """Say nothing: the parts of a batch share one head."""


async def post(visit: Visit) -> None:
    """Answer one POST."""
    try:
        value = jsonrpc.parse(visit.body, visit.desk.json_depth)
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
        await visit.refuse(400, wanted, message.id, asked=message.method)
    elif isinstance(message, jsonrpc.Request) and message.method == "initialize":
        await _initialize(visit, message)
    elif (session := await visit.session()) is not None:
        await _message(visit, session, message)


def _modern_body(params: dict[str, Any]) -> bool:
    return PROTOCOL_VERSION_META_KEY in (members(params.get("_meta")) or {})


async def _initialize(visit: Visit, request: jsonrpc.Request) -> None:
    try:
        with visit.desk.answering(visit.endpoint, visit.caller, request) as asked:
            session, result = await _opened(visit, request)
            asked.version, asked.session = session.version, session.number
    except RpcError as error:
        status, text = _STATUS.get(error.code, 200), jsonrpc.error_text(request.id, error)
        await respond(visit.send, status, text, headers=refusal_headers(error))
        return
    await respond(visit.send, 200, jsonrpc.result_text(request.id, result), headers={SESSION_HEADER: session.id})


async def _opened(visit: Visit, request: jsonrpc.Request) -> tuple[Session, dict[str, Any]]:
    """The session that ``initialize`` opens, and its result; raises ``RpcError``."""
    desk, sessions = visit.desk, visit.sessions
    session = legacy.open_session(desk, visit.endpoint, visit.caller, request.params, sessions.now())
    result = legacy.initialize_result(desk, session)
    snapshot = desk.active.snapshot
    keys = snapshot.plan.runtime.seal_keys if snapshot else ()
    try:
        session.id = await desk.tokens.make(keys, sessions.worker, session)
    except SecretError:
        raise RpcError(NOT_READY, "no session can be opened", {"reason": "seal_key"}) from None
    sessions.add(session)
    return session, result


async def _message(visit: Visit, session: Session, message: jsonrpc.Message) -> None:
    if not isinstance(message, jsonrpc.Request):
        legacy.notice(session, message)
        await respond(visit.send, 202)
        return
    await _answer(visit, session, message)


async def _batch(visit: Visit, elements: list[Any]) -> None:
    session = await visit.session()
    if session is None:
        return
    final = await legacy.batch(visit.desk, session, visit.caller, elements, _Silent())
    await respond(visit.send, 202 if final is None else 200, final or b"")


async def _answer(visit: Visit, session: Session, request: jsonrpc.Request) -> None:
    """Do the work to its end, whether the client waits for it, comes back for it, or does not."""
    stream, reader = session.streams.open(), _reader(visit, session)
    await stream.attach(reader)
    streams = prefers(visit.headers, EVENTS, JSON)
    watch = Watch(lambda: _watched(visit, stream, reader, begin=streams))
    try:
        final = await legacy.respond(visit.desk, session, visit.caller, request, stream)
        if streams:
            await stream.begin()
        await stream.finish(final)
    finally:
        session.streams.close(stream)
        await watch.end()


async def _watched(visit: Visit, stream: Stream, reader: Reader, *, begin: bool) -> None:
    if begin:
        await stream.begin()
    async with anyio.create_task_group() as group:
        group.start_soon(_attend, visit, stream, reader)
        group.start_soon(_keep_alive, stream, reader)


def _reader(visit: Visit, session: Session) -> Reader:
    return Reader(Exchange(visit.send, direct=visit.direct), primes=session.version >= FIRST_WITH_PRIMING)


async def _attend(visit: Visit, stream: Stream, reader: Reader) -> None:
    """Let a client go that leaves, or that may come back for the rest; one that stays away can no longer be asked."""
    await _until_let_go(visit, reader)
    stream.detach(reader)
    await reader.exchange.finish(200)
    await stream.lost()
    stream.gone.set()


async def _until_let_go(visit: Visit, reader: Reader) -> None:
    """Until the client has gone, another reader has taken over, or this one had its time and can be resumed."""
    async with anyio.create_task_group() as group:

        async def either(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            group.cancel_scope.cancel()

        async def gone() -> None:
            await until_disconnect(visit.receive)

        async def its_time() -> None:
            await anyio.sleep(visit.stream_seconds)
            await reader.primed.wait()

        for wait in (gone, its_time, reader.over.wait):
            group.start_soon(either, wait)


async def _keep_alive(stream: Stream, reader: Reader) -> None:
    await anyio.sleep(KEEP_ALIVE)
    if stream.reader is reader:
        await stream.begin()
    await reader.exchange.keep_alive(commit=False)


async def get(visit: Visit) -> None:
    """Open the session's own stream, one at a time, or go on with any of its streams where the client lost it."""
    try:
        visit.desk.check_streams(visit.caller.owner, more=1)
    except RpcError as error:
        await visit.refuse(429, error)
        return
    if not accepts(visit.headers, EVENTS):
        await visit.refuse(406, RpcError(INVALID_REQUEST, f"the client does not accept `{EVENTS}`"))
        return
    session = await visit.session()
    if session is None:
        return
    last = visit.headers.get(LAST_EVENT_HEADER)
    found = None if last is None else session.streams.find(last)
    if last is not None and found is None:
        await visit.refuse(400, _NO_EVENT)
    elif found is None and session.stream is not None:
        await visit.refuse(409, RpcError(INVALID_REQUEST, "the session has a stream already"))
    elif found is not None and found[0] is not session.own:
        await _resume(visit, session, *found)
    else:
        await _listen(visit, session, None if found is None else found[1])


async def _resume(visit: Visit, session: Session, stream: Stream, after: int) -> None:
    reader = _reader(visit, session)
    if not await stream.attach(reader, after):
        await visit.refuse(400, _NO_EVENT)
        return
    async with anyio.create_task_group() as group:
        group.start_soon(_keep_alive, stream, reader)
        await _until_let_go(visit, reader)
        group.cancel_scope.cancel()
    stream.detach(reader)
    await reader.exchange.finish(200)


async def _listen(visit: Visit, session: Session, after: int | None) -> None:
    stream = session.own = session.own or session.streams.open()
    reader = _reader(visit, session)
    if not await stream.attach(reader, after):
        await visit.refuse(400, _NO_EVENT)
        return
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await _until_let_go(visit, reader)
            group.cancel_scope.cancel()

        group.start_soon(watch)
        group.start_soon(_keep_alive, stream, reader)
        await legacy.tell_changes(visit.desk, session, visit.caller, stream.write, stream.begin)
        group.cancel_scope.cancel()
    stream.detach(reader)
    await reader.exchange.finish(200)


async def delete(visit: Visit) -> None:
    """End the session."""
    session = await visit.session()
    if session is not None:
        visit.sessions.remove(session)
        await respond(visit.send, 204)


METHODS = {"POST": post, "GET": get, "DELETE": delete}
