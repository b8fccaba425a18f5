"""One session of the handshake era: what initialize agreed on, what is running, and what we asked the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import anyio

from meshplan.runtime.active import Watcher
from meshplan.runtime.correspondents import Whose
from meshplan.runtime.errors import CLIENT_CANNOT_ANSWER, INVALID_REQUEST, RpcError, cannot_answer
from meshplan.runtime.front.jsonrpc import RequestId, Response, notification_text, request_text
from meshplan.runtime.front.streams import Stream, Streams
from meshplan.runtime.front.subscriptions import MAX_SUBSCRIPTIONS, Subscriptions
from meshplan.runtime.record import new_id
from meshplan.runtime.shapes import members, text

COMPLETED = "notifications/elicitation/complete"
MAX_DONE = 64
"""Elicitations that are complete while the client does not listen."""
WITHDRAW_SECONDS = 1.0
"""For telling a client that nobody waits for its answer any more."""
ASK_TIMEOUT = 300.0
"""Seconds that a client (and its user) has to answer a question of a server."""


class Channel(Protocol):
    """Where messages that belong to one running request go; ``can_ask`` where the client can be asked on it."""

    can_ask: bool
    gone: asyncio.Event

    async def write(self, message: bytes) -> None:
        """Send one message."""
        ...

    def head(self, headers: Mapping[str, str]) -> None:
        """Say this in the head of the response, where there is one that has not left yet."""
        ...


@dataclass(slots=True)
class _Question:
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    response: Response | None = None


@dataclass(eq=False, slots=True, weakref_slot=True)
class Session:
    """Bound to the principal that opened it (``owner``: issuer, sub) and to one endpoint.

    ``id`` is what the client knows it by, ``number`` what this worker does.
    ``stream`` is set while somebody listens on the session's ``own`` stream; ``updated`` piles up the resources that
    changed while nobody does, ``done`` the elicitations that are complete, and ``plan`` is the plan whose lists the client was last told of.
    """

    endpoint: str
    owner: tuple[str, str]
    version: str
    client_capabilities: Mapping[str, Any]
    client_info: Mapping[str, Any] | None
    last_seen: float
    id: str = ""
    number: str = field(default_factory=new_id)
    began: float = field(default_factory=time.monotonic)
    log_level: str | None = None
    stream: Watcher | None = None
    streams: Streams = field(default_factory=Streams)
    own: Stream | None = None
    subscriptions: Subscriptions | None = None
    updated: set[str] = field(default_factory=set[str])
    done: set[str] = field(default_factory=set[str])
    plan: str | None = None
    deaf: bool = False
    running: dict[RequestId, anyio.CancelScope] = field(default_factory=dict[RequestId, anyio.CancelScope])
    questions: dict[RequestId, _Question] = field(default_factory=dict[RequestId, _Question])

    @property
    def busy(self) -> bool:
        """Whether anything is open that needs the session."""
        return bool(self.running) or self.stream is not None

    def begin(self, number: RequestId) -> anyio.CancelScope:
        """Register a running request; raises ``RpcError`` for an id that is in use."""
        if number in self.running:
            raise RpcError(INVALID_REQUEST, "a request with this id is running")
        scope = self.running[number] = anyio.CancelScope()
        return scope

    def cancel(self, params: Mapping[str, Any]) -> None:
        """``notifications/cancelled``: stop the request, if it is (still) one of this session's."""
        number = params.get("requestId")
        scope = self.running.get(number) if isinstance(number, int | str) else None
        if scope is not None:
            scope.cancel()

    def settle(self, response: Response) -> None:
        """Take the client's answer to a question of ours; answers to anything else are ignored."""
        question = self.questions.get(response.id)
        if question is not None and question.response is None:
            question.response = response
            question.answered.set()

    async def ask(self, channel: Channel, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the client and wait for its answer; raises ``RpcError`` when there will be none."""
        if self.deaf or not channel.can_ask or not self.can_answer(method, params):
            raise cannot_answer(method)
        number, question = f"mesh-{new_id()}", _Question()
        self.questions[number] = question
        try:
            await channel.write(request_text(number, method, dict(params)))
            with anyio.move_on_after(ASK_TIMEOUT):
                await _either(question.answered, channel.gone)
        finally:
            del self.questions[number]
            if question.response is None and not channel.gone.is_set():
                await _withdraw(channel, number)
        response = question.response
        if response is None:
            data = {"reason": "client_silent", "method": method}
            raise RpcError(CLIENT_CANNOT_ANSWER, f"the client did not answer `{method}`", data)
        if response.error is not None:
            raise _client_error(response.error)
        return response.result

    def stop_asking(self) -> None:
        """No answers come in any more: whoever waits for one hears so now."""
        self.deaf = True
        for question in self.questions.values():
            question.answered.set()

    def can_answer(self, method: str, params: Mapping[str, Any]) -> bool:
        """Whether the client declared what a question needs."""
        match method:
            case "elicitation/create":
                declared = members(self.client_capabilities.get("elicitation"))
                mode = params.get("mode", "form")
                return declared is not None and (mode in declared or (mode == "form" and not declared))
            case "sampling/createMessage":
                return "sampling" in self.client_capabilities
            case "roots/list":
                return "roots" in self.client_capabilities
            case _:
                return False

    def update(self, uri: str) -> None:
        """A resource that the client subscribed to has changed."""
        if self.stream is not None:
            self.stream.tell(frozenset({uri}))
        elif self.subscriptions is not None and len(self.updated) < MAX_SUBSCRIPTIONS:
            self.updated.add(uri)

    @property
    def whose(self) -> Whose:
        """What names the client to servers."""
        return (*self.owner, self.endpoint, self.number)

    def completed(self, elicitation: str) -> None:
        """The user is done with a link; see ``correspondents.Correspondent``."""
        if self.stream is not None:
            self.stream.say(elicitation, partial(notification_text, COMPLETED, {"elicitationId": elicitation}))
        elif len(self.done) < MAX_DONE:
            self.done.add(elicitation)

    def end(self) -> None:
        """Stop everything that is running in the session."""
        for scope in tuple(self.running.values()):
            scope.cancel()
        if self.subscriptions is not None:
            self.subscriptions.end()
        if self.stream is not None:
            self.stream.end()


async def _withdraw(channel: Channel, number: RequestId) -> None:
    """Nobody waits for this answer any more (Cancellation; Timeouts): also where we are being cancelled ourselves."""
    with anyio.move_on_after(WITHDRAW_SECONDS, shield=True):
        params = {"requestId": number, "reason": "the question is withdrawn"}
        await channel.write(notification_text("notifications/cancelled", params))


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    async with anyio.create_task_group() as group:

        async def wait(event: asyncio.Event) -> None:
            await event.wait()
            group.cancel_scope.cancel()

        group.start_soon(wait, one)
        group.start_soon(wait, other)


def _client_error(error: Mapping[str, Any]) -> RpcError:
    code = error.get("code")
    known = code if isinstance(code, int) else CLIENT_CANNOT_ANSWER
    return RpcError(known, text(error.get("message")) or "the client refused to answer", error.get("data"))
