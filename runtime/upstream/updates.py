"""Which resources and tasks of one server somebody wants to hear of: one subscription for all, renewed on each connection."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import anyio
import anyio.lowlevel

from meshplan.runtime.errors import METHOD_NOT_FOUND
from meshplan.runtime.shapes import items, members
from meshplan.runtime.upstream.failures import SlowToConnect
from meshplan.runtime.upstream.port import OnTask, OnUpdate, UpstreamFailure, UpstreamRefusal, UpstreamRequest
from meshplan.schemas.carriage import TASKS

LISTEN: Final = "subscriptions/listen"
UPDATED: Final = "notifications/resources/updated"
TASK: Final = "notifications/tasks"
"""What becomes of a task (the tasks extension, Task Status Notifications)."""
SUBSCRIPTION_KEY: Final = "io.modelcontextprotocol/subscriptionId"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"

AGREE_SECONDS: Final = 30.0
"""How long a server has to agree to a subscription."""
AGAIN_SECONDS, MAX_AGAIN_SECONDS = 1.0, 60.0
"""Between two tries to renew what broke; doubled each time."""

_MEMBERS: Final[Mapping[Literal["resource", "task"], str]] = {"resource": "resourceSubscriptions", "task": "taskIds"}
"""What lists them in a ``subscriptions/listen``."""

_LISTS: Final = ("tools", "prompts", "resources")

Wanted = tuple[Literal["resource", "task"], str]
"""A resource by its URI, or a task by its id."""
_DECLARED: Final[dict[str, Any]] = {"extensions": {TASKS: {}}}

_log = logging.getLogger(__name__)


class _Era(Protocol):
    @property
    def modern(self) -> bool: ...

    @property
    def capabilities(self) -> dict[str, Any]: ...


class Link(Protocol):
    """What is needed of an open connection."""

    gone: anyio.Event

    @property
    def negotiated(self) -> _Era | None:
        """What was agreed on with the server."""
        ...

    async def request(self, request: UpstreamRequest, deadline: float) -> dict[str, Any]:
        """Send one request; raises ``UpstreamFailure``."""
        ...


@dataclass(eq=False, slots=True)
class _Wish:
    """Somebody who wants to hear of something; ``settled`` says that the server agreed, or why it did not.

    ``tell`` gets the params of each notification.
    """

    wanted: Wanted
    tell: OnTask
    settled: anyio.Event = field(default_factory=anyio.Event)
    failure: UpstreamFailure | None = None

    def settle(self, failure: UpstreamFailure | None = None) -> None:
        if not self.settled.is_set():
            self.failure = failure
            self.settled.set()


@dataclass(eq=False, slots=True)
class _Stream:
    """One ``subscriptions/listen``: ``heard`` says that it was acknowledged (for ``honoured``) or is over."""

    wanted: frozenset[Wanted]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    heard: anyio.Event = field(default_factory=anyio.Event)
    honoured: frozenset[Wanted] | None = None
    failure: UpstreamFailure | None = None
    over: bool = False


class Updates:
    """The subscriptions of one server; ``run`` is their owner task. ``connect`` gives the open connection.

    ``lists``: a modern server is also asked to tell when its lists change, which older ones do unasked.
    """

    def __init__(self, connect: Callable[[], Awaitable[Link]], *, lists: bool) -> None:
        self._connect, self._wants_lists = connect, lists
        self._wishes: list[_Wish] = []
        self._changed = anyio.Event()
        self._open: Link | None = None
        self._deaf: Link | None = None

    def opened(self, link: Link) -> None:
        """There is a new connection."""
        self._open = link
        self._changed.set()

    @asynccontextmanager
    async def subscribe(self, uri: str, on_update: OnUpdate) -> AsyncGenerator[None]:
        """See ``port.Upstream``."""

        def tell(params: dict[str, Any]) -> None:
            on_update(params["uri"])

        async with self._wished(("resource", uri), tell):
            yield

    @asynccontextmanager
    async def follow(self, task: str, on_task: OnTask) -> AsyncGenerator[None]:
        """See ``port.Upstream``."""
        async with self._wished(("task", task), on_task):
            yield

    @asynccontextmanager
    async def _wished(self, wanted: Wanted, tell: OnTask) -> AsyncGenerator[None]:
        wish = _Wish(wanted, tell)
        self._wishes.append(wish)
        self._changed.set()
        try:
            with anyio.move_on_after(AGREE_SECONDS):
                await wish.settled.wait()
            wish.settle(SlowToConnect(f"did not agree to a subscription within {AGREE_SECONDS:g} s"))
            if wish.failure is not None:
                raise wish.failure
            yield
        finally:
            self._wishes.remove(wish)
            self._changed.set()

    def updated(self, uri: str) -> None:
        """The server says that a resource changed: the one that was subscribed to, or one below it."""
        for wish in tuple(self._wishes):
            kind, wanted = wish.wanted
            if kind == "resource" and (uri == wanted or uri.startswith(wanted.rstrip("/") + "/")):
                wish.tell({"uri": uri})

    def _told(self, params: Mapping[str, Any]) -> None:
        """The server says what became of a task."""
        meta = {name: value for name, value in (members(params.get("_meta")) or {}).items() if name != SUBSCRIPTION_KEY}
        said = {name: value for name, value in params.items() if name != "_meta"} | ({"_meta": meta} if meta else {})
        for wish in tuple(self._wishes):
            if wish.wanted == ("task", params.get("taskId")):
                wish.tell(said)

    async def run(self) -> None:
        """Keep the server subscribed to what is wished for, on whatever connection there is, until cancelled."""
        while True:
            self._changed = anyio.Event()
            link = await self._next()
            if link is None:
                await self._changed.wait()
                continue
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_when_gone, link, tasks.cancel_scope)
                await (self._listen(link) if link.negotiated and link.negotiated.modern else self._follow(link))
                tasks.cancel_scope.cancel()

    async def _next(self) -> Link | None:
        """A connection on which there is something to do; one is asked for only where somebody waits for it."""
        link = self._open
        if link is not None and not link.gone.is_set() and (self._wishes or self._list_flags(link)):
            return link
        if not self._wishes:
            return None
        try:
            return await self._connect()
        except UpstreamFailure as failure:
            self._settle(self._wanted(), failure)
            await anyio.sleep(AGAIN_SECONDS)
            self._changed.set()
            return None

    def _list_flags(self, link: Link) -> dict[str, bool]:
        """Which list-changed notifications to ask for, of those that the server declares."""
        said = link.negotiated
        if not self._wants_lists or link is self._deaf or said is None or not said.modern:
            return {}
        declared = {name: members(said.capabilities.get(name)) or {} for name in _LISTS}
        return {f"{name}ListChanged": True for name in _LISTS if declared[name].get("listChanged") is True}

    def _settle(self, wanted: frozenset[Wanted], failure: UpstreamFailure | None = None) -> None:
        for wish in self._wishes:
            if wish.wanted in wanted:
                wish.settle(failure)

    def _wanted(self) -> frozenset[Wanted]:
        return frozenset(wish.wanted for wish in self._wishes)

    async def _follow(self, link: Link) -> None:
        """A server with sessions: one request for each resource that begins or ceases to be of interest."""
        told: set[Wanted] = set()
        while True:
            self._changed = anyio.Event()
            for wanted in sorted(self._wanted() - told):
                failure = await _tell(link, "resources/subscribe", wanted)
                if failure is None:
                    told.add(wanted)
                self._settle(frozenset({wanted}), failure)
            for wanted in sorted(told - self._wanted()):
                await _tell(link, "resources/unsubscribe", wanted)
                told.discard(wanted)
            self._settle(frozenset(told))
            if not self._wishes and not told:
                return
            await self._changed.wait()

    async def _listen(self, link: Link) -> None:
        """A modern server: one stream for all; another set is another stream, opened before the old ends."""
        current, flags, pause = _Stream(frozenset(), over=True), self._list_flags(link), 0.0
        async with anyio.create_task_group() as tasks:
            while self._wishes or flags:
                self._changed = anyio.Event()
                if current.over or current.wanted != self._wanted():
                    if current.over:
                        await anyio.sleep(pause)
                        pause = min(2 * pause, MAX_AGAIN_SECONDS) or AGAIN_SECONDS
                    fresh = _Stream(self._wanted())
                    tasks.start_soon(self._stream, link, fresh, flags)
                    with anyio.move_on_after(AGREE_SECONDS):
                        await fresh.heard.wait()
                    current.scope.cancel()
                    current = fresh
                self._acknowledge(current)
                if current.over and isinstance(current.failure, UpstreamRefusal) and not self._wishes:
                    self._deaf = link
                    break
                if not current.over:
                    await self._changed.wait()
            tasks.cancel_scope.cancel()

    def _acknowledge(self, stream: _Stream) -> None:
        honoured = stream.honoured or frozenset()
        failure = stream.failure or UpstreamRefusal(METHOD_NOT_FOUND, "the server does not tell of this")
        self._settle(honoured)
        self._settle(stream.wanted - honoured, failure)

    async def _stream(self, link: Link, stream: _Stream, flags: Mapping[str, bool]) -> None:
        async def on_notify(method: str, params: dict[str, Any]) -> None:
            if method == ACKNOWLEDGED:
                agreed = members(params.get("notifications")) or {}
                stream.honoured = _named(agreed)
                stream.heard.set()
            elif method == UPDATED and isinstance(params.get("uri"), str):
                self.updated(params["uri"])
            elif method == TASK:
                self._told(params)
            await anyio.lowlevel.checkpoint()

        named = {
            member: sorted(name for what, name in stream.wanted if what == kind) for kind, member in _MEMBERS.items()
        }
        wanted = {**flags, **{member: names for member, names in named.items() if names}}
        request = UpstreamRequest(LISTEN, {"notifications": wanted}, float("inf"), on_notify=on_notify)
        if _MEMBERS["task"] in wanted:
            request.client_capabilities = _DECLARED
        try:
            with stream.scope:
                await link.request(request, float("inf"))
        except UpstreamFailure as failure:
            stream.failure = failure
        finally:
            stream.over = True
            stream.heard.set()
            self._changed.set()


async def _cancel_when_gone(link: Link, scope: anyio.CancelScope) -> None:
    await link.gone.wait()
    scope.cancel()


def _named(notifications: Mapping[str, Any]) -> frozenset[Wanted]:
    return frozenset(
        (kind, name)
        for kind, member in _MEMBERS.items()
        for name in items(notifications.get(member))
        if isinstance(name, str)
    )


async def _tell(link: Link, method: str, wanted: Wanted) -> UpstreamFailure | None:
    kind, uri = wanted
    if kind == "task":
        return UpstreamRefusal(METHOD_NOT_FOUND, "the server does not tell of tasks")
    deadline = anyio.current_time() + AGREE_SECONDS
    try:
        await link.request(UpstreamRequest(method, {"uri": uri}, AGREE_SECONDS), deadline)
    except UpstreamFailure as failure:
        return failure
    return None
