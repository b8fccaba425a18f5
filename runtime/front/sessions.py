"""The sessions that this worker keeps: bounded in number, idle ones expire, each bound to who opened it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from meshplan.runtime.errors import OVERLOADED, RpcError
from meshplan.runtime.front.asgi import Receive, Send
from meshplan.runtime.front.session import Session
from meshplan.runtime.headcount import UNBOUNDED, Alone, Headcount
from meshplan.runtime.principal import Caller
from meshplan.runtime.record import new_id

IDLE = 1800.0
"""Seconds after which a session that nobody uses is gone."""
MAX_SESSIONS = 10_000
"""In one process."""
MAX_PER_PRINCIPAL = 1_000
"""In the whole runtime. A principal that opens more loses its oldest idle one, never somebody else's."""


@dataclass(frozen=True, slots=True)
class Passed:
    """One authenticated HTTP request whose session another worker has; its body has been read."""

    endpoint: str
    caller: Caller
    method: str
    headers: Mapping[str, str]
    body: bytes
    receive: Receive
    send: Send


class Locator(Protocol):
    """Knows the other workers of this runtime: a session belongs to the one that opened it."""

    async def forward(self, worker: str, passed: Passed) -> bool:
        """Let the worker answer; False where it is gone, and nothing was sent."""
        ...


class Sessions:
    """Finds sessions by their id; ``worker`` is who keeps them, and ``locator`` knows of other workers, if any.

    ``on_end`` hears of each session that has ended: deleted, expired or made room for.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        worker: str | None = None,
        locator: Locator | None = None,
        counts: Headcount | None = None,
    ) -> None:
        self.now, self.worker, self.locator = now, worker or new_id(), locator
        self.on_end: Callable[[Session], None] | None = None
        self._sessions: dict[str, Session] = {}
        self._counts = counts or Alone()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def add(self, session: Session) -> None:
        """Keep a new session, which has its id; raises ``RpcError`` when there is no room."""
        self._expire()
        owner, full = session.owner, len(self._sessions) >= MAX_SESSIONS
        if full or self._counts.total(owner) >= MAX_PER_PRINCIPAL:
            roomy = self.let_go(owner) or (not full and self._counts.make_room(owner))
            if not roomy:
                raise RpcError(OVERLOADED, "too many sessions", {"reason": "overloaded"})
        self._counts.enter(owner, UNBOUNDED)
        self._sessions[session.id] = session

    def let_go(self, owner: tuple[str, str]) -> bool:
        """End a principal's oldest idle session; False where it has none here."""
        idle = [found for found in self._sessions.values() if found.owner == owner and not found.busy]
        if idle:
            self.remove(min(idle, key=lambda found: found.last_seen))
        return bool(idle)

    def find(self, session_id: str, owner: tuple[str, str], endpoint: str) -> Session | None:
        """The session, if it is this principal's at this endpoint; to anybody else it does not exist."""
        found = self._sessions.get(session_id)
        if found is None or found.owner != owner or found.endpoint != endpoint or self._expired(found):
            return None
        found.last_seen = self.now()
        return found

    def remove(self, session: Session) -> None:
        """End a session and whatever runs in it."""
        if self._sessions.pop(session.id, None) is not None:
            self._counts.leave(session.owner)
        session.end()
        if self.on_end is not None:
            self.on_end(session)

    def _expired(self, session: Session) -> bool:
        return not session.busy and self.now() - session.last_seen > IDLE

    def _expire(self) -> None:
        for session in [found for found in self._sessions.values() if self._expired(found)]:
            self.remove(session)
