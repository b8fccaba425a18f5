"""MCP 2025-03-26 to 2025-11-25 without its transport: what each method of a session does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import anyio

from meshplan.runtime.call import FIRST_WITH_LINKS, Call, Result
from meshplan.runtime.errors import INVALID_REQUEST, RpcError, invalid, method_not_found, refusal_headers
from meshplan.runtime.front import jsonrpc
from meshplan.runtime.front.desk import LIST_CHANGED, Desk, Write, change_text, progress_token, relay
from meshplan.runtime.front.rounds import complete
from meshplan.runtime.front.session import Channel, Session
from meshplan.runtime.front.subscriptions import Resource, Subscriptions
from meshplan.runtime.principal import Caller
from meshplan.runtime.results import server_info
from meshplan.runtime.shapes import members, text
from meshplan.runtime.targets import SUBSCRIBE, Held

VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
"""The revisions with a handshake that are served, oldest first."""
BATCHES = "2025-03-26"
"""The one revision that has JSON-RPC batches."""
MAX_BATCH = 64

_LEVELS = frozenset({"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"})


def open_session(desk: Desk, endpoint: str, caller: Caller, params: Mapping[str, Any], now: float) -> Session:
    """What ``initialize`` agrees on; raises ``RpcError``."""
    wanted = text(params.get("protocolVersion"))
    if wanted is None:
        raise invalid("the protocol version is missing")
    desk.index(endpoint)
    session = Session(
        endpoint=endpoint,
        owner=caller.owner,
        version=wanted if wanted in VERSIONS else VERSIONS[-1],
        client_capabilities=members(params.get("capabilities")) or {},
        client_info=members(params.get("clientInfo")),
        last_seen=now,
    )
    desk.active.correspondents.add(session.whose, session)
    return session


def initialize_result(desk: Desk, session: Session) -> dict[str, Any]:
    """The result of ``initialize``, from the plan alone."""
    index = desk.index(session.endpoint)
    found: dict[str, Any] = {
        "protocolVersion": session.version,
        "capabilities": dict(index.capabilities),
        "serverInfo": server_info(index.name),
    }
    return found | ({"instructions": index.instructions} if index.instructions else {})


async def respond(
    desk: Desk, session: Session, caller: Caller, request: jsonrpc.Request, channel: Channel
) -> bytes | None:
    """The response to one request, success or error, serialised; ``None`` once it was cancelled."""
    try:
        scope = session.begin(request.id)
    except RpcError as error:
        desk.invoker.refuse(session.endpoint, caller, error, request.method)
        return jsonrpc.error_text(request.id, error)
    try:
        with scope:
            try:
                return jsonrpc.result_text(request.id, await _answer(desk, session, caller, request, channel))
            finally:
                del session.running[request.id]
    except RpcError as error:
        channel.head(refusal_headers(error))
        return jsonrpc.error_text(request.id, error)
    return None


async def _answer(desk: Desk, session: Session, caller: Caller, request: jsonrpc.Request, channel: Channel) -> Result:
    match request.method:
        case "resources/subscribe":
            return await _subscribe(desk, session, caller, request)
        case "ping" | "logging/setLevel" | "resources/unsubscribe" | "initialize":
            with desk.answering(session.endpoint, caller, request, session.version, session.number):
                return _own(desk, session, request)
        case _:
            return await _invoke(desk, session, caller, request, channel)


def _own(desk: Desk, session: Session, request: jsonrpc.Request) -> dict[str, Any]:
    """What concerns the session alone and never becomes a call."""
    match request.method:
        case "ping":
            return {}
        case "logging/setLevel":
            return _set_level(desk, session, request.params)
        case "resources/unsubscribe":
            return _unsubscribe(desk, session, request.params)
        case _:
            raise RpcError(INVALID_REQUEST, "the session is initialized already")


def _set_level(desk: Desk, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
    if "logging" not in desk.index(session.endpoint).capabilities:
        raise method_not_found("logging/setLevel")
    level = text(params.get("level"))
    if level not in _LEVELS:
        raise invalid("the level is not one of RFC 5424")
    session.log_level = level
    return {}


async def _subscribe(desk: Desk, session: Session, caller: Caller, request: jsonrpc.Request) -> dict[str, Any]:
    """Decided and recorded like a read, and held open until the session lets go of it."""
    held = session.subscriptions = session.subscriptions or Subscriptions(desk.background, desk.active)
    uri = text(request.params.get("uri")) or ""

    async def hold(found: Held) -> None:
        resource = Resource(uri, desk.outward(session.endpoint, found.target.server), session.update)
        await held.hold(resource.subscription(found, again, permitted), found.target.timeout)

    async def again() -> None:
        await _subscribe(desk, session, caller, request)

    def permitted() -> bool:
        return _may_know(desk, session, caller, uri)

    held_here = hold if "subscribe" in _resources(desk, session) else None
    call = Call(
        session.endpoint,
        caller,
        "legacy",
        SUBSCRIBE,
        request.params,
        client_info=session.client_info,
        hold=held_here,
        session=session.number,
        request_id=request.id,
        version=session.version,
    )
    await desk.invoker.invoke(call)
    return {}


def _unsubscribe(desk: Desk, session: Session, params: Mapping[str, Any]) -> dict[str, Any]:
    if "subscribe" not in _resources(desk, session):
        raise method_not_found("resources/unsubscribe")
    uri = text(params.get("uri"))
    if uri is None:
        raise invalid("a resource URI is missing")
    if session.subscriptions is not None:
        session.subscriptions.let_go(uri)
    session.updated.discard(uri)
    return {}


def _resources(desk: Desk, session: Session) -> Mapping[str, Any]:
    return members(desk.index(session.endpoint).capabilities.get("resources")) or {}


async def _invoke(desk: Desk, session: Session, caller: Caller, request: jsonrpc.Request, channel: Channel) -> Result:
    token, level, ask = progress_token(request.params), session.log_level, partial(session.ask, channel)
    call = Call(
        endpoint=session.endpoint,
        caller=caller,
        era="legacy",
        method=request.method,
        params=request.params,
        client_capabilities=session.client_capabilities if channel.can_ask else {},
        client_info=session.client_info,
        log_level=level,
        wants_progress=token is not None,
        on_notify=relay(token, logs=level is not None, write=channel.write, links=session.version >= FIRST_WITH_LINKS),
        session=session.number,
        request_id=request.id,
        version=session.version,
        ask=ask,
        on_limits=channel.head,
    )
    return await complete(desk.invoker.invoke, call, ask)


def notice(session: Session, message: jsonrpc.Notification | jsonrpc.Response) -> None:
    """Take what needs no answer."""
    if isinstance(message, jsonrpc.Response):
        session.settle(message)
    elif message.method == "notifications/cancelled":
        session.cancel(message.params)


async def batch(desk: Desk, session: Session, caller: Caller, elements: list[Any], channel: Channel) -> bytes | None:
    """Answer a JSON-RPC batch, each element on its own; ``None`` where nothing in it wants an answer."""
    if session.version != BATCHES or not 0 < len(elements) <= MAX_BATCH:
        error = RpcError(INVALID_REQUEST, "the body is not one JSON-RPC message")
        desk.invoker.refuse(session.endpoint, caller, error)
        return jsonrpc.error_text(None, error)
    answers: dict[int, bytes] = {}

    async def one(place: int, request: jsonrpc.Request) -> None:
        answer = await respond(desk, session, caller, request, channel)
        if answer is not None:
            answers[place] = answer

    async with anyio.create_task_group() as group:
        for place, element in enumerate(elements):
            try:
                message = jsonrpc.message(element)
            except jsonrpc.EnvelopeError as error:
                desk.invoker.refuse(session.endpoint, caller, error)
                answers[place] = jsonrpc.error_text(error.id, error)
                continue
            if isinstance(message, jsonrpc.Request):
                group.start_soon(one, place, message)
            else:
                notice(session, message)
    return b"[" + b",".join(answers[place] for place in sorted(answers)) + b"]" if answers else None


async def tell_changes(
    desk: Desk, session: Session, caller: Caller, write: Write, ready: Callable[[], Awaitable[None]]
) -> None:
    """Tell of changes until the session's stream is over.

    From ``ready`` on, none is missed; a client that was away is told what changed since, lists only as "may have".
    """
    with desk.active.watch(session.endpoint, caller) as watcher:
        session.stream = watcher
        watcher.tell(_missed(desk, session))
        while session.done:
            session.completed(session.done.pop())
        try:
            await ready()
            async for changes in watcher.changes():
                for change in sorted(changes):
                    if change in LIST_CHANGED or _may_know(desk, session, caller, change):
                        await write(change_text(change))
                for message in watcher.said():
                    await write(message)
        finally:
            session.stream = None
            session.plan = desk.plan


def _missed(desk: Desk, session: Session) -> frozenset[str]:
    missed, session.updated = session.updated, set()
    if session.plan is not None and session.plan != desk.plan:
        missed |= LIST_CHANGED.keys() & desk.index(session.endpoint).capabilities.keys()
    return frozenset(missed)


def _may_know(desk: Desk, session: Session, caller: Caller, uri: str) -> bool:
    return desk.invoker.permits(Call(session.endpoint, caller, "legacy", "resources/read", {"uri": uri}))
