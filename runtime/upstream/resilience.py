"""One server behind its retries, breaker and replicas: never a second run of a call that may not be repeated."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import Any, Final, Generic, TypeVar

import anyio
from msgspec import structs

from meshplan.runtime.upstream.breaker import Breaker, OwnStanding, Standing
from meshplan.runtime.upstream.failures import SecretUnavailable
from meshplan.runtime.upstream.port import (
    FollowedTask,
    Health,
    OnTask,
    OnUpdate,
    Upstream,
    UpstreamFailure,
    UpstreamRefusal,
    UpstreamRequest,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from meshplan.schemas.plan import Server

T = TypeVar("T")
_Send = Callable[[Upstream, UpstreamRequest], Awaitable[T]]

_READS: Final = frozenset(
    {"completion/complete", "prompts/get", "prompts/list", "resources/list", "resources/read", "tools/list"}
    | {"resources/templates/list", "tasks/get"}
)
"""Methods of MCP that change nothing, whatever the server; of tools, the plan knows."""

_AWAY: Final = frozenset({"unavailable", "connecting", "closed"})
"""States of an upstream that has no connection."""

_random = SystemRandom()


def _spread() -> float:
    return _random.uniform(0.5, 1)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as it passes here: ``now`` and ``sleep`` in seconds, ``spread`` the share of a pause that is waited."""

    now: Callable[[], float] = anyio.current_time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    spread: Callable[[], float] = _spread


@dataclass(eq=False, slots=True)
class _Member:
    """The server at one of its URLs."""

    upstream: Upstream
    breaker: Breaker


@dataclass(slots=True)
class _Tries:
    """What one call has come to: its last failure, at which member, and whether the call may have run then.

    ``tried``: some member was asked in this round.
    """

    deadline: float
    failure: UpstreamUnavailable | UpstreamTimeout | None = None
    member: _Member | None = None
    tried: bool = False
    maybe_run: bool = False


@dataclass(frozen=True, slots=True)
class _Result(Generic[T]):
    value: T


class Resilient:
    """See ``port.Upstream``; ``server`` is the newest policy, and may be replaced while calls run."""

    def __init__(
        self,
        server: Server,
        upstreams: Sequence[Upstream],
        clock: Clock | None = None,
        standings: Sequence[Standing] | None = None,
    ) -> None:
        self._clock = clock or Clock()
        known = standings or [OwnStanding() for _ in upstreams]
        self._members = [_Member(one, Breaker(self._clock.now, of)) for one, of in zip(upstreams, known, strict=True)]
        self.adopt(server)

    def adopt(self, server: Server) -> None:
        """Keep to this policy from now on; what the breakers know stays."""
        self._server, self._retry = server, server.retry
        for member in self._members:
            member.breaker.policy = server.breaker

    async def request(self, request: UpstreamRequest) -> dict[str, Any]:
        """See ``port.Upstream``."""
        return await self._sent(request, lambda upstream, sent: upstream.request(sent))

    async def forward(self, request: UpstreamRequest) -> dict[str, Any] | bytes:
        """See ``port.Upstream``."""
        return await self._sent(request, lambda upstream, sent: upstream.forward(sent))

    async def _sent(self, request: UpstreamRequest, send: _Send[T]) -> T:
        """Every round tries the members in turn; rounds are repeated only for a call that may be."""
        repeatable = request.on_ask is None and (request.repeatable or request.method in _READS)
        tries = _Tries(self._clock.now() + request.timeout)
        attempts = self._retry.attempts if self._retry is not None and repeatable else 1
        pause = self._retry.backoff_ms / 1000 if self._retry is not None else 0.0
        for attempt in range(attempts):
            if attempt:
                waits = pause * 2 ** (attempt - 1) * self._clock.spread()
                if self._clock.now() + waits >= tries.deadline:
                    break
                await self._clock.sleep(waits)
                if request.before_retry is not None:
                    request.before_retry()
            tries.tried = False
            found = await self._round(request, send, tries)
            if found is not None:
                return found.value
            if not tries.tried or isinstance(tries.failure, UpstreamTimeout):
                break
        if tries.failure is None and request.sends is not None:
            request.sends.unsent()
        raise tries.failure or self._all_open()

    async def _round(self, request: UpstreamRequest, send: _Send[T], tries: _Tries) -> _Result[T] | None:
        """The first answer of a member; the next one is tried only where that cannot run a call twice."""
        for member in self._in_order(tries.member):
            left = tries.deadline - self._clock.now()
            if left <= 0 or (probe := member.breaker.begin()) is None:
                continue
            found = await self._once(member, structs.replace(request, timeout=left), send, tries, probe=probe)
            if found is not None or tries.maybe_run:
                return found
        return None

    async def _once(
        self, member: _Member, request: UpstreamRequest, send: _Send[T], tries: _Tries, *, probe: bool
    ) -> _Result[T] | None:
        failed = None
        tries.member, tries.tried = member, True
        if request.sends is not None:
            request.sends.sending(request, self._server, member.upstream, self._members.index(member))
        try:
            found = _Result(await send(member.upstream, request))
        except UpstreamRefusal:
            failed = False
            raise
        except UpstreamTimeout as error:
            tries.failure, tries.maybe_run, failed = error, True, True
            return _missed(request, error)
        except UpstreamUnavailable as error:
            tries.failure, tries.maybe_run = error, error.sent
            failed = None if isinstance(error, SecretUnavailable) else True
            return _missed(request, error)
        else:
            failed = False
            return found
        finally:
            member.breaker.ended(failed=failed, probe=probe)

    def _in_order(self, last: _Member | None = None) -> list[_Member]:
        """The members that are known to be there come first, the one that failed last after its equals."""
        if len(self._members) == 1:
            return self._members
        return sorted(self._members, key=lambda member: (member.upstream.health().state in _AWAY, member is last))

    def _all_open(self) -> UpstreamUnavailable:
        left = min(member.breaker.left() for member in self._members)
        return UpstreamUnavailable("it kept failing, and is left alone for a while", retry_after=left)

    @asynccontextmanager
    async def subscribe(self, uri: str, on_update: OnUpdate) -> AsyncGenerator[None]:
        """See ``port.Upstream``: held at the first member that is there."""
        async with self._in_order()[0].upstream.subscribe(uri, on_update):
            yield

    @asynccontextmanager
    async def follow(self, task: FollowedTask, on_task: OnTask) -> AsyncGenerator[None]:
        """See ``port.Upstream``: as ``subscribe``."""
        async with self._in_order()[0].upstream.follow(task, on_task):
            yield

    def health(self) -> Health:
        """The state of the member that calls would go to first, and of each where there are replicas."""
        states = [replace(member.upstream.health(), breaker=member.breaker.state) for member in self._members]
        if len(states) == 1:
            return states[0]
        first = next((state for state in states if state.state not in _AWAY), states[0])
        return replace(
            first,
            sessions=sum(state.sessions for state in states),
            refused_asks=sum(state.refused_asks for state in states),
            members=tuple(states),
        )


def _missed(request: UpstreamRequest, failure: UpstreamFailure) -> None:
    if request.sends is not None:
        request.sends.missed(failure)
