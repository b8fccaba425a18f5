"""Calls that wait for their caller: a server asked something in the middle of one, and its client answers by a retry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import anyio
import anyio.abc

from meshplan.runtime.errors import INTERNAL_ERROR, OVERLOADED, RpcError
from meshplan.runtime.headcount import UNBOUNDED, Alone, Headcount
from meshplan.runtime.record import new_id
from meshplan.runtime.shapes import members
from meshplan.runtime.upstream.port import OnAsk, OnNotify, UpstreamFailure, UpstreamRefusal

MAX_PARKED: Final = 1000
MAX_PARKED_PER_PRINCIPAL: Final = 16
"""In the whole runtime. One more, and the oldest is given up: clients that never come back must not keep others of the principal waiting."""
MAX_QUESTIONS: Final = 16
"""Open questions of one call."""
MAX_AGE: Final = 300.0
"""Seconds that a client (and its user) has to answer."""
TOGETHER: Final = 0.02
"""Seconds within which one question follows another that a server asks at once."""

_EVERYBODY: Final = ("",)

Send = Callable[[OnAsk, OnNotify], Awaitable[dict[str, Any]]]
"""Sends the request upstream, with somebody to ask and somebody to tell; raises ``UpstreamFailure``."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What the client has to answer before the call goes on, by name; ``round`` is good for one answer."""

    parked: str
    round: str
    asked: Mapping[str, dict[str, Any]]


@dataclass(slots=True)
class _Question:
    method: str
    params: dict[str, Any]
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: dict[str, Any] | None = None


class ParkedError(Exception):
    """There is no such parked call, or its round has been answered."""


class Conversation:
    """One call under way upstream. Either a request of its caller waits for it, or it is parked: then ``round`` is set."""

    def __init__(self, owner: tuple[str, str]) -> None:
        self.id, self.owner, self.round = new_id(), owner, ""
        self.scope = anyio.CancelScope()
        self._questions: dict[str, _Question] = {}
        self._asked = 0
        self._outcome: dict[str, Any] | UpstreamFailure | None = None
        self._over = False
        self._turn, self._resumed = anyio.Event(), anyio.Event()
        self._on_notify: OnNotify | None = None

    async def run(self, send: Send) -> None:
        """Send the request and keep what came of it."""
        try:
            with self.scope:
                self._outcome = await send(self._ask, self._tell)
        except UpstreamFailure as failure:
            self._outcome = failure
        finally:
            self._over = True
            self._turn.set()
            for question in self._questions.values():
                question.answered.set()

    async def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self._over or len(self._questions) >= MAX_QUESTIONS:
            raise UpstreamRefusal(INTERNAL_ERROR, "the caller cannot be asked any more")
        self._asked += 1
        name, question = f"q{self._asked}", _Question(method, params)
        self._questions[name] = question
        self._turn.set()
        try:
            await question.answered.wait()
        finally:
            self._questions.pop(name, None)
        if question.answer is None:
            raise UpstreamRefusal(INTERNAL_ERROR, "the caller has left")
        return question.answer

    async def _tell(self, method: str, params: dict[str, Any]) -> None:
        if self._on_notify is not None:
            await self._on_notify(method, params)

    async def attend(self, on_notify: OnNotify | None) -> dict[str, Any] | Questions:
        """Wait for the result or for questions; raises ``UpstreamFailure``. A caller that leaves ends the call."""
        self.round, self.scope.deadline, self._on_notify = "", float("inf"), on_notify
        self._resumed.set()
        try:
            while not self._over and not self._unanswered():
                self._turn = anyio.Event()
                await self._turn.wait()
            await self._gather()
        except anyio.get_cancelled_exc_class():
            self.scope.cancel()
            raise
        finally:
            self._on_notify = None
        if isinstance(self._outcome, UpstreamFailure):
            raise self._outcome
        if self._outcome is not None:
            return self._outcome
        if self._over:
            raise UpstreamRefusal(INTERNAL_ERROR, "the call was ended before its answer")
        self.round, self.scope.deadline, self._resumed = new_id(), anyio.current_time() + MAX_AGE, anyio.Event()
        asked = {name: {"method": q.method, "params": q.params} for name, q in self._unanswered().items()}
        return Questions(self.id, self.round, asked)

    async def _gather(self) -> None:
        """Let the other questions come that the server asks along with the first: they are one round."""
        before = 0
        while not self._over and before < len(self._questions):
            before, self._turn = len(self._questions), anyio.Event()
            with anyio.move_on_after(TOGETHER):
                await self._turn.wait()

    def drop(self) -> None:
        """Give a parked call up: its retry finds nothing."""
        self.round = ""
        self._resumed.set()
        self.scope.cancel()

    async def kept(self) -> None:
        """Wait while there is a result that the retry of a parked call will fetch."""
        if self.round and self._outcome is not None:
            with anyio.move_on_after(MAX_AGE):
                await self._resumed.wait()

    def _unanswered(self) -> dict[str, _Question]:
        return {name: question for name, question in self._questions.items() if not question.answered.is_set()}

    def answer(self, responses: Mapping[str, Any]) -> None:
        """Take the client's answers; whatever has none, or none that is an object, is asked again."""
        for name, question in self._unanswered().items():
            question.answer = members(responses.get(name))
            if question.answer is not None:
                question.answered.set()


class Waiting(Protocol):
    """Where calls wait for their callers."""

    async def begin(self, owner: tuple[str, str], send: Send, on_notify: OnNotify | None) -> dict[str, Any] | Questions:
        """See ``Lot``."""
        ...

    async def resume(
        self,
        questions: tuple[str, str],
        owner: tuple[str, str],
        responses: Mapping[str, Any],
        on_notify: OnNotify | None,
    ) -> dict[str, Any] | Questions:
        """See ``Lot``."""
        ...


class Lot:
    """All calls that may be asked about; made by ``open_lot``. It is bounded, and nothing in it survives a restart."""

    def __init__(self, tasks: anyio.abc.TaskGroup, counts: Headcount) -> None:
        self._tasks, self._counts = tasks, counts
        self._calls: dict[str, Conversation] = {}
        self._parked: dict[str, Conversation] = {}

    def __len__(self) -> int:
        return len(self._calls)

    async def begin(self, owner: tuple[str, str], send: Send, on_notify: OnNotify | None) -> dict[str, Any] | Questions:
        """Send a request whose server may ask, and wait for the first turn; raises ``UpstreamFailure``, ``RpcError``."""
        call = Conversation(owner)
        self._calls[call.id] = call
        self._tasks.start_soon(self._carry, call, send)
        return self._admit(call, await call.attend(on_notify))

    async def resume(
        self,
        questions: tuple[str, str],
        owner: tuple[str, str],
        responses: Mapping[str, Any],
        on_notify: OnNotify | None,
    ) -> dict[str, Any] | Questions:
        """Answer a parked call (its id and round) and wait for the next turn; raises ``ParkedError`` where it is gone."""
        number, found_round = questions
        call = self._calls.get(number)
        if call is None or call.owner != owner or not call.round or call.round != found_round:
            raise ParkedError
        self._unpark(call)
        call.answer(responses)
        return self._admit(call, await call.attend(on_notify))

    def _admit(self, call: Conversation, turn: dict[str, Any] | Questions) -> dict[str, Any] | Questions:
        if isinstance(turn, Questions):
            self._parked[call.id] = call
            for who in (call.owner, _EVERYBODY):
                self._counts.enter(who, UNBOUNDED)
            if self._counts.total(call.owner) > MAX_PARKED_PER_PRINCIPAL or self._counts.total(_EVERYBODY) > MAX_PARKED:
                self._make_room(call)
        return turn

    def _make_room(self, call: Conversation) -> None:
        oldest = min(self._of(call.owner), key=_parked_until)
        if oldest is call and self._counts.make_room(call.owner):
            return
        self._drop(oldest)
        if oldest is call:
            raise RpcError(OVERLOADED, "too many calls wait for their callers", {"reason": "overloaded"})

    def give_up(self, owner: tuple[str, str]) -> None:
        """Give up the oldest parked call that a principal has here."""
        if parked := self._of(owner):
            self._drop(min(parked, key=_parked_until))

    def _of(self, owner: tuple[str, str]) -> list[Conversation]:
        return [call for call in self._parked.values() if call.owner == owner]

    def _drop(self, call: Conversation) -> None:
        self._unpark(call)
        call.drop()

    def _unpark(self, call: Conversation) -> None:
        if self._parked.pop(call.id, None) is not None:
            for who in (call.owner, _EVERYBODY):
                self._counts.leave(who)

    async def _carry(self, call: Conversation, send: Send) -> None:
        try:
            await call.run(send)
            await call.kept()
        finally:
            self._calls.pop(call.id, None)
            self._unpark(call)


def _parked_until(call: Conversation) -> float:
    return call.scope.deadline


@asynccontextmanager
async def open_lot(counts: Headcount | None = None) -> AsyncGenerator[Lot]:
    """A lot; on exit, every call in it is ended."""
    async with anyio.create_task_group() as tasks:
        yield Lot(tasks, counts or Alone())
        tasks.cancel_scope.cancel()
