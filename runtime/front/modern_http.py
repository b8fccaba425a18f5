"""MCP 2026-07-28 over streamable HTTP: headers must agree with the body, and closing the response cancels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio

from meshplan.runtime.call import Result
from meshplan.runtime.errors import (
    INVALID_REQUEST,
    LEDGER_FULL,
    NOT_READY,
    OVER_BUDGET,
    OVERLOADED,
    RATE_LIMITED,
    UNAUTHENTICATED,
    RpcError,
    refusal_headers,
)
from meshplan.runtime.front import jsonrpc, modern
from meshplan.runtime.front.asgi import JSON, Direct, Exchange, Receive, Send, respond, until_disconnect
from meshplan.runtime.front.desk import Desk, Write
from meshplan.runtime.principal import CHALLENGE_INVALID, Caller
from meshplan.runtime.protocol import (
    ERROR_CODE_HTTP_STATUS,
    MCP_PROTOCOL_VERSION_HEADER,
    check_version,
    read_envelope,
)
from meshplan.runtime.shapes import members
from meshplan.runtime.telemetry.asked import Asked

_JSON = JSON.encode("ascii")
_OWN_STATUS = {UNAUTHENTICATED: 401, RATE_LIMITED: 429, OVER_BUDGET: 429, NOT_READY: 503}


def status_of(error: RpcError) -> int:
    """The HTTP status of an error response."""
    if error.code == OVERLOADED:
        data = members(error.data) or {}
        return 503 if "server" in data or data.get("reason") == LEDGER_FULL else 429
    return _OWN_STATUS.get(error.code) or ERROR_CODE_HTTP_STATUS.get(error.code, 200)


async def post(
    desk: Desk,
    endpoint: str,
    caller: Caller,
    headers: dict[str, str],
    body: bytes,
    receive: Receive,
    send: Send,
    direct: Direct | None = None,
) -> None:
    """Answer one POST."""
    try:
        message = jsonrpc.message(jsonrpc.parse(body, desk.json_depth))
    except jsonrpc.EnvelopeError as error:
        desk.invoker.refuse(endpoint, caller, error)
        await respond(send, 400, jsonrpc.error_text(error.id, error))
        return
    match message:
        case jsonrpc.Request():
            await _request(desk, endpoint, caller, headers, message, receive, send, direct)
        case jsonrpc.Notification():
            await _notification(headers[MCP_PROTOCOL_VERSION_HEADER], send)
        case jsonrpc.Response():
            error = RpcError(INVALID_REQUEST, "this revision asks clients nothing, so there is nothing to answer")
            desk.invoker.refuse(endpoint, caller, error)
            await respond(send, 400, jsonrpc.error_text(None, error))


async def _notification(version: str, send: Send) -> None:
    try:
        check_version(version)
    except RpcError as error:
        await respond(send, status_of(error), jsonrpc.error_text(None, error))
    else:
        await respond(send, 202)


async def _request(
    desk: Desk,
    endpoint: str,
    caller: Caller,
    headers: dict[str, str],
    request: jsonrpc.Request,
    receive: Receive,
    send: Send,
    direct: Direct | None,
) -> None:
    try:
        envelope = read_envelope(request.method, request.params, headers)
    except RpcError as error:
        asked = Asked(endpoint, request.method, request.params, request_id=request.id)
        desk.invoker.refuse(endpoint, caller, error, asked=asked)
        await respond(send, status_of(error), jsonrpc.error_text(request.id, error))
        return

    limits: dict[str, str] = {}
    if request.method == modern.LISTEN:
        listen = partial(modern.listen, desk, endpoint, caller, request, envelope)
        await _exchange(request, listen, receive, send, limits, streams=True)
        return
    answer = partial(
        modern.answer, desk, endpoint, caller, request, envelope, param_headers=headers, on_limits=limits.update
    )
    if direct is not None and not envelope.streams:
        await _at_once(request, answer(_nothing), send, direct, limits)
    else:
        await _exchange(request, answer, receive, send, limits, streams=envelope.streams)


async def _at_once(
    request: jsonrpc.Request, work: Awaitable[Result], send: Send, direct: Direct, limits: dict[str, str]
) -> None:
    """Do the work of a request whose answer never becomes a stream; the server cancels it when the client leaves."""
    direct.cancel_when_gone()
    try:
        final = jsonrpc.result_text(request.id, await work)
    except RpcError as error:
        text, headers = jsonrpc.error_text(request.id, error), {**limits, **refusal_headers(error)}
        if error.code == UNAUTHENTICATED:
            headers = {**headers, "www-authenticate": CHALLENGE_INVALID}
        await respond(send, status_of(error), text, headers=headers)
    else:
        if limits:
            await respond(send, 200, final, headers=limits)
        else:
            direct.reply(200, _JSON, final)


async def _nothing(message: bytes) -> None:
    """Whoever asked for no notifications gets none."""


async def _exchange(
    request: jsonrpc.Request,
    work: Callable[[Write], Awaitable[Result]],
    receive: Receive,
    send: Send,
    limits: dict[str, str],
    *,
    streams: bool,
) -> None:
    """Do the work while watching the client: when it goes away, the work is cancelled."""
    exchange = Exchange(send)
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await until_disconnect(receive)
            group.cancel_scope.cancel()

        group.start_soon(watch)
        if streams:
            group.start_soon(_keep_alive, exchange)
        try:
            final, status = jsonrpc.result_text(request.id, await work(exchange.event)), 200
        except RpcError as error:
            final, status = jsonrpc.error_text(request.id, error), status_of(error)
            exchange.add(refusal_headers(error))
            if error.code == UNAUTHENTICATED:
                exchange.add({"www-authenticate": CHALLENGE_INVALID})
        exchange.add(limits)
        await exchange.finish(status, final)
        group.cancel_scope.cancel()


async def _keep_alive(exchange: Exchange) -> None:
    await exchange.keep_alive(commit=True)
