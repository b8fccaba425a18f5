"""What one client subscribed to: each resource is held open upstream until it is let go, and an update finds its caller."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio

from meshplan.runtime.background import Background
from meshplan.runtime.errors import OVERLOADED, RpcError
from meshplan.runtime.upstream.port import Upstream, UpstreamFailure, UpstreamTimeout

MAX_SUBSCRIPTIONS = 256
"""Resources that one client may be subscribed to at a time."""


class _Held:
    """One subscription, from the moment that somebody asks for it; ``failure`` says why it did not come about."""

    __slots__ = ("failure", "scope", "settled")

    def __init__(self) -> None:
        self.scope, self.settled = anyio.CancelScope(), anyio.Event()
        self.failure: UpstreamFailure | None = None


class Subscriptions:
    """Holds subscriptions by the URI that the client knows; ``tell`` gets the URI of what changed, as the client knows it."""

    def __init__(self, background: Background, tell: Callable[[str], None]) -> None:
        self._background, self._tell = background, tell
        self._held: dict[str, _Held] = {}

    def __contains__(self, uri: str) -> bool:
        return uri in self._held

    async def hold(
        self, uri: str, outward: Callable[[str], str], upstream: Upstream, upstream_uri: str, seconds: float
    ) -> None:
        """Subscribe, once; returns when the upstream has agreed, and raises ``UpstreamFailure`` where it does not.

        ``outward`` gives the client's name of an upstream URI.
        """
        if uri in self._held:
            return
        if len(self._held) >= MAX_SUBSCRIPTIONS:
            raise RpcError(OVERLOADED, f"more than {MAX_SUBSCRIPTIONS} subscriptions at once", {"reason": "overloaded"})
        held = self._held[uri] = _Held()

        def on_update(changed: str) -> None:
            self._tell(uri if changed == upstream_uri else outward(changed))

        self._background.start(partial(self._keep, uri, held, upstream, upstream_uri, on_update))
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

    async def _keep(
        self, uri: str, held: _Held, upstream: Upstream, upstream_uri: str, on_update: Callable[[str], None]
    ) -> None:
        try:
            with held.scope:
                async with upstream.subscribe(upstream_uri, on_update):
                    held.settled.set()
                    await anyio.sleep_forever()
        except UpstreamFailure as failure:
            held.failure = failure
        finally:
            held.settled.set()
            if self._held.get(uri) is held:
                del self._held[uri]

    def let_go(self, uri: str) -> None:
        """Unsubscribe; nothing happens where there is no subscription."""
        held = self._held.pop(uri, None)
        if held is not None:
            held.scope.cancel()

    def end(self) -> None:
        """Let go of everything."""
        for uri in tuple(self._held):
            self.let_go(uri)
