"""What is served right now: the newest snapshot, swapped by one assignment, and those who hear of a swap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from math import inf
from typing import Protocol

import anyio

from meshplan.runtime.correspondents import Correspondents
from meshplan.runtime.headcount import UNBOUNDED, Alone, Headcount
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot, View, changed_lists
from meshplan.runtime.upstream.port import Health, Upstream
from meshplan.schemas.plan import Server

Clock = Callable[[], datetime]
"""The time in UTC."""


Said = Callable[[], bytes | None]
"""Makes a message when its turn has come; ``None`` where it may not be said any more."""
MAX_SAID = 256
"""Messages that wait for one slow client."""


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


class Upstreams(Protocol):
    """The open upstreams of the newest plan."""

    def get(self, name: str) -> Upstream:
        """One upstream by server name; raises ``KeyError``."""
        ...

    async def replace(self, servers: Mapping[str, Server], private_networks: Sequence[str] = ()) -> None:
        """Open, keep and close upstreams so that they are these; their names may lead into these networks."""
        ...

    def forget(self, owner: tuple[str, str], name: str) -> None:
        """A client (``port.Client``: its owner and name) has left: close its sessions."""
        ...

    def health(self) -> Mapping[str, Health]:
        """The state of each upstream by server name."""
        ...


class Watcher:
    """One open stream that wants to hear which of its caller's lists changed; what piles up is a set, so it is bounded."""

    def __init__(self, endpoint: str, caller: Caller, left: float = inf) -> None:
        self.endpoint, self.caller, self._left = endpoint, caller, left
        self._pending: set[str] = set()
        self._said: dict[str, Said] = {}
        self._ended = False
        self._wake = anyio.Event()

    def tell(self, lists: frozenset[str]) -> None:
        """These lists, or the resources with these URIs, changed."""
        if lists:
            self._pending |= lists
            self._wake.set()

    def say(self, key: str, said: Said) -> None:
        """Have this said, in the place of what waits under the same key; too much of it, and the oldest is dropped."""
        self._said.pop(key, None)
        self._said[key] = said
        if len(self._said) > MAX_SAID:
            del self._said[next(iter(self._said))]
        self._wake.set()

    def said(self) -> Iterator[bytes]:
        """The messages that wait, made now; each is given once."""
        while self._said:
            message = self._said.pop(next(iter(self._said)))()
            if message is not None:
                yield message

    def end(self) -> None:
        """The stream is over: the runtime stops, or the caller lost its standing."""
        self._ended = True
        self._wake.set()

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """Each set of changed lists, empty where something waits to be ``said``; ends when the stream is over, or after the ``left`` seconds of a token."""
        ends = anyio.current_time() + self._left
        while True:
            with anyio.CancelScope(deadline=ends) as scope:
                await self._wake.wait()
            if scope.cancelled_caught:
                return
            self._wake = anyio.Event()
            if self._pending or self._said:
                lists, self._pending = frozenset(self._pending), set()
                yield lists
            if self._ended:
                return


class Active:
    """Holder of the newest snapshot; before the first one everything is denied."""

    def __init__(self, clock: Clock = utc_now, streams: Headcount | None = None) -> None:
        self.snapshot: Snapshot | None = None
        self.clock, self._streams = clock, streams or Alone()
        self.correspondents = Correspondents()
        self._watchers: set[Watcher] = set()
        self._swapped = anyio.Event()
        self._closed = False

    @property
    def now(self) -> datetime:
        """The time in UTC, which tokens are judged at."""
        return self.clock()

    @property
    def today(self) -> date:
        """The day in UTC, which expiries are compared with."""
        return self.clock().astimezone(UTC).date()

    def swap(self, snapshot: Snapshot) -> None:
        """Serve this from now on, and tell each watcher what changed for it."""
        before, self.snapshot = self.snapshot, snapshot
        self._swapped.set()
        self._swapped = anyio.Event()
        for watcher in tuple(self._watchers):
            self._tell(watcher, before)

    @property
    def swapped(self) -> anyio.Event:
        """Set by the next swap."""
        return self._swapped

    def _tell(self, watcher: Watcher, before: Snapshot | None) -> None:
        after = self._view(self.snapshot, watcher)
        if after is None:
            watcher.end()
        else:
            watcher.tell(changed_lists(self._view(before, watcher), after))

    def _view(self, snapshot: Snapshot | None, watcher: Watcher) -> View | None:
        if snapshot is None:
            return None
        principal = snapshot.keyring.principal(watcher.caller.credential, self.now)
        return None if principal is None else snapshot.view(watcher.endpoint, principal, self.today)

    def upstream_changed(self, server: str, method: str) -> None:
        """A server says that its own lists changed: only live resources are not from the plan."""
        if method != "notifications/resources/list_changed" or self.snapshot is None:
            return
        for watcher in tuple(self._watchers):
            index = self.snapshot.endpoints.get(watcher.endpoint)
            if index is not None and server in index.live:
                watcher.tell(frozenset({"resources"}))

    @contextmanager
    def watch(self, endpoint: str, caller: Caller) -> Generator[Watcher]:
        """Hear of changes while the context is open."""
        left = inf if caller.ends is None else caller.ends - self.now.timestamp()
        watcher = Watcher(endpoint, caller, left)
        self._watchers.add(watcher)
        self._streams.enter(caller.owner, UNBOUNDED)
        if self._closed:
            watcher.end()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            self._streams.leave(caller.owner)

    def watching(self, owner: tuple[str, str]) -> int:
        """How many streams a principal has open in the whole runtime."""
        return self._streams.total(owner)

    def close(self) -> None:
        """End every stream; later ones end at once."""
        self._closed = True
        for watcher in tuple(self._watchers):
            watcher.end()
