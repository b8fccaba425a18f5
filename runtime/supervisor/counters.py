"""The keeper's counters as a worker sees them, and how the keeper answers for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import anyio

from meshplan.runtime.background import Background
from meshplan.runtime.budget.port import Charge, Counters, CountersUnavailableError, Exceeded, Granted, Standing
from meshplan.runtime.supervisor.peer import LinkLostError, Peer, RefusalError

REMEMBERED: Final = 8192
"""Reservations that can still be taken back because nobody heard that they were granted."""


class KeeperCounters:
    """See ``port.Counters``: what all workers share is counted by the keeper."""

    def __init__(self, keeper: Peer) -> None:
        self._keeper = keeper

    async def reserve(self, decision: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        """See ``port.Counters``."""
        heard, found = False, dict[str, Any]()
        try:
            # A caller that leaves must not break off what the keeper has begun.
            with anyio.CancelScope(shield=True):
                found = await self._asked("reserve", [decision, charges])
            heard = True
        finally:
            if not heard and not self._keeper.lost.is_set():
                self._keeper.tell("unreserve", decision)
        standings = tuple([Standing(*standing) for standing in found["standings"]])
        if "buckets" in found:
            return Granted(tuple(found["buckets"]), standings, tuple(found["warned"]), tuple(found["passed"]))
        return Exceeded(tuple(found["over"]), tuple(found["retry_after"]), standings)

    async def settle(self, decision: str, charges: Sequence[Charge], granted: Granted, actual: Sequence[int]) -> None:
        """See ``port.Counters``."""
        if not self._keeper.lost.is_set():
            self._keeper.tell("settle", [decision, charges, granted.buckets, actual])

    async def read(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """See ``port.Counters``."""
        return tuple([Standing(*standing) for standing in await self._asked("standings", charges)])

    async def _asked(self, name: str, arguments: Any) -> Any:
        try:
            return await self._keeper.call(name, arguments)
        except RefusalError as refusal:
            raise CountersUnavailableError(str(refusal.value.get("reason"))) from None
        except LinkLostError as error:
            raise CountersUnavailableError("the process that keeps the counters has gone") from error


class Till:
    """The keeper's side."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.background = Background()
        self._granted: dict[str, tuple[list[Charge], Granted]] = {}
        self._taken_back: dict[str, None] = {}

    async def answer(self, name: str, arguments: Any) -> Any:
        """Answer a worker."""
        try:
            if name == "standings":
                return await self._counters.read(_charges(arguments))
            decision, charges = arguments[0], _charges(arguments[1])
            found = await self._counters.reserve(decision, charges)
        except CountersUnavailableError as error:
            raise RefusalError({"reason": str(error)}) from None
        if isinstance(found, Exceeded):
            return found._asdict()
        if decision in self._taken_back:
            await self._counters.settle(decision, charges, found, [0] * len(charges))
        self._granted[decision] = charges, found
        if len(self._granted) > REMEMBERED:
            del self._granted[next(iter(self._granted))]
        return found._asdict()

    def hear(self, name: str, arguments: Any) -> None:
        """Take what a worker tells."""
        if name == "settle":
            decision, charges, buckets, actual = arguments
            self._settle(decision, _charges(charges), Granted(tuple(buckets), ()), actual)
            return
        found = self._granted.get(arguments)
        if found is not None:
            self._settle(arguments, *found, [0] * len(found[0]))
            return
        # It can be heard before the task that answers the reservation has begun.
        self._taken_back[arguments] = None
        if len(self._taken_back) > REMEMBERED:
            del self._taken_back[next(iter(self._taken_back))]

    def _settle(self, decision: str, charges: Sequence[Charge], granted: Granted, actual: Sequence[int]) -> None:
        self.background.start(partial(self._counters.settle, decision, charges, granted, actual))


def _charges(sent: Sequence[Sequence[Any]]) -> list[Charge]:
    return [Charge(*charge) for charge in sent]
