"""One endpoint over standard input and output, a message a line; the first request decides the era."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import anyio.abc
import anyio.lowlevel

from meshplan.runtime.call import Result
from meshplan.runtime.errors import INVALID_REQUEST, RpcError
from meshplan.runtime.front import jsonrpc, legacy, modern
from meshplan.runtime.front.desk import Desk, Write
from meshplan.runtime.front.session import Session
from meshplan.runtime.principal import Caller
from meshplan.runtime.protocol import PROTOCOL_VERSION_META_KEY, read_envelope
from meshplan.runtime.shapes import members
from meshplan.runtime.telemetry.port import Tracer

LINGER = 10.0
"""Seconds that running requests get when the client closes its end."""


@dataclass(slots=True)
class _Pipe:
    """Standard output as a place for messages."""

    write_line: Write
    can_ask: bool = True
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, message: bytes) -> None:
        await self.write_line(message)

    def head(self, headers: Mapping[str, str]) -> None:
        """A pipe has no heads."""


class StdioFront:
    """One client at one endpoint; its parent process is the user, so there is nothing to authenticate."""

    def __init__(self, desk: Desk, endpoint: str, write: Write, tracer: Tracer | None = None) -> None:
        self._desk, self._endpoint, self._write, self._tracer = desk, endpoint, write, tracer
        self._pipe, self._silent = _Pipe(write), _Pipe(write, can_ask=False)
        self._modern: bool | None = None
        self._session: Session | None = None
        self._running: dict[jsonrpc.RequestId, anyio.CancelScope] = {}

    async def run(self, lines: AsyncIterator[bytes]) -> None:
        """Serve until the client closes its end; what is running then may still end."""
        async with anyio.create_task_group() as group:
            async for line in lines:
                if line.strip():
                    await self._line(line, group)
            self._pipe.gone.set()
            if self._session is not None and self._session.stream is not None:
                self._session.stream.end()
            self._desk.active.close()
            group.cancel_scope.deadline = anyio.current_time() + LINGER
        if self._session is not None and self._tracer is not None:
            self._tracer.session_ended(self._session.version, time.monotonic() - self._session.began)

    async def _line(self, line: bytes, group: anyio.abc.TaskGroup) -> None:
        try:
            value = jsonrpc.parse(line, self._desk.json_depth)
            if isinstance(value, list) and self._session is not None:
                group.start_soon(self._batch, self._session, cast("list[Any]", value))
                return
            message = jsonrpc.message(value)
        except jsonrpc.EnvelopeError as error:
            self._record(error)
            await self._write(jsonrpc.error_text(error.id, error))
            return
        if not isinstance(message, jsonrpc.Request):
            self._notice(message)
            return
        if self._modern is None:
            self._modern = message.method != "initialize" and _enveloped(message)
        await (self._modern_request if self._modern else self._legacy_request)(message, group)

    def _notice(self, message: jsonrpc.Notification | jsonrpc.Response) -> None:
        if self._session is not None:
            legacy.notice(self._session, message)
        elif isinstance(message, jsonrpc.Notification) and message.method == "notifications/cancelled":
            number = message.params.get("requestId")
            scope = self._running.get(number) if isinstance(number, int | str) else None
            if scope is not None:
                scope.cancel()

    async def _modern_request(self, request: jsonrpc.Request, group: anyio.abc.TaskGroup) -> None:
        if request.id in self._running:
            error = RpcError(INVALID_REQUEST, "a request with this id is running")
            self._record(error, request.method)
            await self._write(jsonrpc.error_text(request.id, error))
            return
        self._running[request.id] = anyio.CancelScope()
        group.start_soon(self._answer_modern, request)

    async def _answer_modern(self, request: jsonrpc.Request) -> None:
        try:
            with self._running[request.id]:
                try:
                    final = jsonrpc.result_text(request.id, await self._modern_result(request))
                except RpcError as error:
                    final = jsonrpc.error_text(request.id, error)
                await self._write(final)
        finally:
            del self._running[request.id]

    def _record(self, error: RpcError, method: str = "") -> None:
        """A refusal that no call stands for; where there is no plan, there is no caller either."""
        with suppress(RpcError):
            self._desk.invoker.refuse(self._endpoint, self._desk.local_caller(), error, method)

    async def _modern_result(self, request: jsonrpc.Request) -> Result:
        try:
            envelope = read_envelope(request.method, request.params)
        except RpcError as error:
            self._record(error, request.method)
            raise
        caller = self._desk.local_caller()
        if request.method == modern.LISTEN:
            return await modern.listen(self._desk, self._endpoint, caller, request, envelope, self._write)
        return await modern.answer(self._desk, self._endpoint, caller, request, envelope, self._write)

    async def _legacy_request(self, request: jsonrpc.Request, group: anyio.abc.TaskGroup) -> None:
        try:
            caller = self._desk.local_caller()
            if self._session is not None:
                with self._desk.refusing(self._endpoint, caller, request.method):
                    _refuse_envelope(request)
                group.start_soon(self._answer_legacy, self._session, caller, request)
            else:
                with self._desk.answering(self._endpoint, caller, request) as asked:
                    self._session, result = self._initialize(caller, request)
                    asked.version, asked.session = self._session.version, self._session.number
                stream = (self._desk, self._session, caller, self._write, anyio.lowlevel.checkpoint)
                group.start_soon(legacy.tell_changes, *stream)
                await self._write(jsonrpc.result_text(request.id, result))
        except RpcError as error:
            await self._write(jsonrpc.error_text(request.id, error))

    def _initialize(self, caller: Caller, request: jsonrpc.Request) -> tuple[Session, dict[str, Any]]:
        if request.method != "initialize":
            raise RpcError(INVALID_REQUEST, "the first request is not `initialize`")
        session = legacy.open_session(self._desk, self._endpoint, caller, request.params, time.monotonic())
        return session, legacy.initialize_result(self._desk, session)

    async def _answer_legacy(self, session: Session, caller: Caller, request: jsonrpc.Request) -> None:
        final = await legacy.respond(self._desk, session, caller, request, self._pipe)
        if final is not None:
            await self._write(final)

    async def _batch(self, session: Session, elements: list[Any]) -> None:
        try:
            final = await legacy.batch(self._desk, session, self._desk.local_caller(), elements, self._silent)
        except RpcError as error:
            final = jsonrpc.error_text(None, error)
        if final is not None:
            await self._write(final)


def _refuse_envelope(request: jsonrpc.Request) -> None:
    if _enveloped(request):
        raise RpcError(INVALID_REQUEST, "this connection speaks a revision with sessions")


def _enveloped(request: jsonrpc.Request) -> bool:
    return PROTOCOL_VERSION_META_KEY in (members(request.params.get("_meta")) or {})
