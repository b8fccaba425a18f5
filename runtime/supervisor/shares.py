"""A worker's part in what is counted for the whole runtime: calls, turns at servers, streams, sessions, parked calls."""

from __future__ import annotations

from collections.abc import Callable

from meshplan.runtime.crowd import Crowd
from meshplan.runtime.headcount import Who
from meshplan.runtime.supervisor.board import Shared
from meshplan.runtime.supervisor.lines import CommonLine
from meshplan.runtime.supervisor.peer import Peer
from meshplan.runtime.supervisor.setup import Setup
from meshplan.runtime.upstream.breaker import Standing
from meshplan.schemas.plan import Transport


class Shares:
    """Those of one worker; ``give_up`` has, by kind, how a principal's oldest is let go."""

    def __init__(self, setup: Setup, column: int, keeper: Peer) -> None:
        self._setup, self._column, self._keeper = setup, column, keeper
        self.streams, self.sessions, self.parked = self._of("streams"), self._of("sessions"), self._of("parked")
        self.give_up: dict[str, Callable[[tuple[str, str]], object]] = {}

    def _of(self, kind: str) -> Shared:
        return Shared(self._setup.board, self._column, kind, self._ask_for_room)

    def crowd(self) -> Crowd:
        """The calls of this worker among those of all."""
        turns, waits = self._of("turns"), self._of("waits")
        return Crowd(self._of("calls"), lambda server: CommonLine(server, turns, waits))

    def standing(self, server: str, transport: Transport) -> Standing:
        """See ``surroundings.StandingOf``."""
        return self._setup.standings.of(self._column, server, transport)

    def _ask_for_room(self, kind: str, who: Who) -> None:
        if not self._keeper.lost.is_set():
            self._keeper.tell("room", [kind, list(who)])

    def make_room(self, kind: str, owner: tuple[str, str]) -> None:
        """Another worker has no room for a principal's next one: let one go, if this worker has the most of them."""
        counts = {"sessions": self.sessions, "parked": self.parked}[kind]
        if counts.most(owner):
            self.give_up[kind](owner)
