"""What one client subscribed to: each resource or task is held open upstream until it is let go, and decided again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import partial

import anyio

from meshplan.runtime.active import Active
from meshplan.runtime.background import Background
from meshplan.runtime.errors import OVERLOADED, RpcError
from meshplan.runtime.targets import Held
from meshplan.runtime.upstream.port import UpstreamFailure, UpstreamTimeout
from meshplan.schemas.plan import Transport

MAX_SUBSCRIPTIONS = 256
"""Resources and tasks that one client may be subscribed to at a time."""

Key = str | tuple[str, str]
"""The URI of a resource as the client knows it, or what else it is and its name."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is wanted: ``enter`` holds it open upstream, ``again`` asks for the subscription anew, as the client did.

    ``permitted`` says whether the newest plan still lets this caller know.
    """

    key: Key
    server: str
    enter: Callable[[], AbstractAsyncContextManager[None]]
    again: Callable[[], Awaitable[None]]
    permitted: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource by the client's name; ``outward`` gives that of any upstream URI, and ``tell`` hears what changed."""

    uri: str
    outward: Callable[[str], str]
    tell: Callable[[str], None]

    def subscription(
        self, held: Held, again: Callable[[], Awaitable[object]], permitted: Callable[[], bool]
    ) -> Subscription:
        """What holds it open; after a gap, it may have changed."""
        upstream_uri = held.target.upstream_uri or self.uri

        def on_update(changed: str) -> None:
            self.tell(self.uri if changed == upstream_uri else self.outward(changed))

        async def once_more() -> None:
            with suppress(RpcError):
                await again()
            self.tell(self.uri)

        enter = partial(held.upstream.subscribe, upstream_uri, on_update)
        return Subscription(self.uri, held.target.server, enter, once_more, permitted)


class _Held:
    """One subscription, from the moment that somebody asks for it; ``failure`` says why it did not come about."""

    __slots__ = ("failure", "scope", "settled")

    def __init__(self) -> None:
        self.scope, self.settled = anyio.CancelScope(), anyio.Event()
        self.failure: UpstreamFailure | None = None


class Subscriptions:
    """Holds subscriptions by what the client knows them by.

    When a plan gives a server another transport, what was subscribed to there is asked for, and so decided, again;
    when it takes what was subscribed to from the caller, it is let go.
    """

    def __init__(self, background: Background, active: Active) -> None:
        self._background, self._active = background, active
        self._held: dict[Key, _Held] = {}
        self._over = False

    async def hold(self, wanted: Subscription, seconds: float) -> None:
        """Subscribe, once; returns when the upstream has agreed, and raises ``UpstreamFailure`` where it does not."""
        key = wanted.key
        if key in self._held or self._over:
            return
        if len(self._held) >= MAX_SUBSCRIPTIONS:
            raise RpcError(OVERLOADED, f"more than {MAX_SUBSCRIPTIONS} subscriptions at once", {"reason": "overloaded"})
        held = self._held[key] = _Held()
        transport = self._transport(wanted.server)

        async def keep() -> None:
            if await self._keep(wanted, held, transport) and not self._over:
                await wanted.again()

        self._background.start(keep)
        try:
            with anyio.move_on_after(seconds):
                await held.settled.wait()
        finally:
            if not held.settled.is_set():
                self.let_go(key)
        if held.failure is not None:
            raise held.failure
        if not held.settled.is_set():
            raise UpstreamTimeout(f"no answer to the subscription within {seconds:g} s")

    async def _keep(self, wanted: Subscription, held: _Held, transport: Transport | None) -> bool:
        """Hold the subscription until it is let go of; whether it ended because the server has another transport now."""
        moved = False
        try:
            with held.scope:
                async with wanted.enter():
                    held.settled.set()
                    moved = await self._moved(wanted, transport)
        except UpstreamFailure as failure:
            held.failure = failure
        finally:
            held.settled.set()
            if self._held.get(wanted.key) is held:
                del self._held[wanted.key]
        return moved

    async def _moved(self, wanted: Subscription, transport: Transport | None) -> bool:
        """Wait for a plan that gives the server another transport, or else takes what is held from the caller."""
        while True:
            swapped = self._active.swapped
            if self._transport(wanted.server) != transport:
                return True
            if not wanted.permitted():
                return False
            await swapped.wait()

    def _transport(self, server: str) -> Transport | None:
        snapshot = self._active.snapshot
        found = snapshot.plan.servers.get(server) if snapshot else None
        return None if found is None else found.transport

    def let_go(self, key: Key) -> None:
        """Unsubscribe; nothing happens where there is no subscription."""
        held = self._held.pop(key, None)
        if held is not None:
            held.scope.cancel()

    def end(self) -> None:
        """Let go of everything, for good."""
        self._over = True
        for key in tuple(self._held):
            self.let_go(key)
