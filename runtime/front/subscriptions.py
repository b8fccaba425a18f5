"""What one client subscribed to: each resource is held open upstream until it is let go, and an update finds its caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from meshplan.runtime.active import Active
from meshplan.runtime.background import Background
from meshplan.runtime.errors import OVERLOADED, RpcError
from meshplan.runtime.upstream.port import Upstream, UpstreamFailure, UpstreamTimeout
from meshplan.schemas.plan import Transport

MAX_SUBSCRIPTIONS = 256
"""Resources that one client may be subscribed to at a time."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is wanted: the resource as the client and as its server know it.

    ``outward`` gives the client's name of any upstream URI; ``again`` asks for the subscription anew, as the client did;
    ``permitted`` says whether the newest plan still lets this caller read it.
    """

    uri: str
    server: str
    upstream: Upstream
    upstream_uri: str
    outward: Callable[[str], str]
    again: Callable[[], Awaitable[object]]
    permitted: Callable[[], bool]


class _Held:
    """One subscription, from the moment that somebody asks for it; ``failure`` says why it did not come about."""

    __slots__ = ("failure", "scope", "settled")

    def __init__(self) -> None:
        self.scope, self.settled = anyio.CancelScope(), anyio.Event()
        self.failure: UpstreamFailure | None = None


class Subscriptions:
    """Holds subscriptions by the URI that the client knows; ``tell`` gets the URI of what changed, as the client knows it.

    When a plan gives a server another transport, what was subscribed to there is asked for, and so decided, again;
    when it takes what was subscribed to from the caller, it is let go.
    """

    def __init__(self, background: Background, active: Active, tell: Callable[[str], None]) -> None:
        self._background, self._active, self._tell = background, active, tell
        self._held: dict[str, _Held] = {}
        self._over = False

    def __contains__(self, uri: str) -> bool:
        return uri in self._held

    async def hold(self, wanted: Subscription, seconds: float) -> None:
        """Subscribe, once; returns when the upstream has agreed, and raises ``UpstreamFailure`` where it does not."""
        uri = wanted.uri
        if uri in self._held or self._over:
            return
        if len(self._held) >= MAX_SUBSCRIPTIONS:
            raise RpcError(OVERLOADED, f"more than {MAX_SUBSCRIPTIONS} subscriptions at once", {"reason": "overloaded"})
        held = self._held[uri] = _Held()
        transport = self._transport(wanted.server)

        async def keep() -> None:
            if await self._keep(wanted, held, transport) and not self._over:
                with suppress(RpcError):
                    await wanted.again()
                self._tell(uri)

        self._background.start(keep)
        try:
            with anyio.move_on_after(seconds):
                await held.settled.wait()
        finally:
            if not held.settled.is_set():
                self.let_go(uri)
        if held.failure is not None:
            raise held.failure
        if not held.settled.is_set():
            raise UpstreamTimeout(f"no answer to the subscription within {seconds:g} s")

    async def _keep(self, wanted: Subscription, held: _Held, transport: Transport | None) -> bool:
        """Hold the subscription until it is let go of; whether it ended because the server has another transport now."""

        def on_update(changed: str) -> None:
            self._tell(wanted.uri if changed == wanted.upstream_uri else wanted.outward(changed))

        moved = False
        try:
            with held.scope:
                async with wanted.upstream.subscribe(wanted.upstream_uri, on_update):
                    held.settled.set()
                    moved = await self._moved(wanted, transport)
        except UpstreamFailure as failure:
            held.failure = failure
        finally:
            held.settled.set()
            if self._held.get(wanted.uri) is held:
                del self._held[wanted.uri]
        return moved

    async def _moved(self, wanted: Subscription, transport: Transport | None) -> bool:
        """Wait for a plan that gives the server another transport, or else takes the resource from the caller."""
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

    def let_go(self, uri: str) -> None:
        """Unsubscribe; nothing happens where there is no subscription."""
        held = self._held.pop(uri, None)
        if held is not None:
            held.scope.cancel()

    def end(self) -> None:
        """Let go of everything, for good."""
        self._over = True
        for uri in tuple(self._held):
            self.let_go(uri)
