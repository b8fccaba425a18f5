"""The declared issuers' keys: found by discovery, kept fresh in the background, and not believed for longer than stated."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from meshplan.runtime.active import Active
from meshplan.runtime.upstream.egress import Egress
from meshplan.schemas.rules import JwtIssuer

if TYPE_CHECKING:
    import httpx2

    from meshplan.runtime.identity.keys import SigningKeys

REFRESH = 600.0
"""Seconds after which keys are asked for again."""
STALE = 3600.0
"""Seconds for which keys are believed while the issuer cannot be asked: a key withdrawn meanwhile lives no longer."""
MIN_GAP = 10.0
"""Seconds between two questions on behalf of tokens with unknown keys: strangers cannot make us a load on the issuer."""
FIRST_BACKOFF, MAX_BACKOFF = 1.0, 60.0


class IssuerUnavailableError(Exception):
    """The issuer's keys are not known, so its tokens can be neither accepted nor refused."""


@dataclass(frozen=True, slots=True)
class IssuerHealth:
    """What ``/status`` says of an issuer: ``ready``, ``stale``, ``unavailable`` or ``unknown``; ages in whole seconds."""

    state: str
    keys: int
    age: int | None
    error: str | None


class IssuerKeys:
    """One issuer's keys; any task may ask, one question to the issuer is under way at a time."""

    def __init__(self, issuer: JwtIssuer, clock: Callable[[], float]) -> None:
        self._issuer, self._clock = issuer, clock
        self._keys: SigningKeys | None = None
        self._good = self._tried = -float("inf")
        self._failures = 0
        self._error: str | None = None
        self._asking = anyio.Lock()

    @property
    def due(self) -> float:
        """When to ask again, on the clock."""
        if self._failures:
            return self._tried + min(MAX_BACKOFF, FIRST_BACKOFF * 2.0 ** min(self._failures - 1, 10))
        return self._good + REFRESH

    def current(self) -> SigningKeys | None:
        """The keys, while they may be believed."""
        return self._keys if self._clock() - self._good < STALE else None

    async def get(self, client: httpx2.AsyncClient) -> SigningKeys:
        """The keys, asked for where there are none; raises ``IssuerUnavailableError``."""
        found = self.current()
        if found is None:
            await self._ask(client, lambda: self._clock() >= self.due and self.current() is None)
            found = self.current()
        if found is None:
            raise IssuerUnavailableError(self._error or "its keys are not known yet")
        return found

    async def newer(self, client: httpx2.AsyncClient, than: SigningKeys) -> SigningKeys | None:
        """Other keys than these, if the issuer has any and has not been asked a moment ago."""
        await self._ask(client, lambda: self._keys is than and self._clock() - self._tried >= MIN_GAP)
        found = self.current()
        return None if found is than else found

    async def refresh(self, client: httpx2.AsyncClient) -> None:
        """Ask where it is time to."""
        await self._ask(client, lambda: self._clock() >= self.due)

    def health(self) -> IssuerHealth:
        """The state right now."""
        age = None if self._keys is None else int(self._clock() - self._good)
        if self.current() is None:
            return IssuerHealth("unknown" if self._error is None else "unavailable", 0, age, self._error)
        count = len(self._keys.keys) if self._keys else 0
        return IssuerHealth("stale" if self._failures else "ready", count, age, self._error)

    async def _ask(self, client: httpx2.AsyncClient, wanted: Callable[[], bool]) -> None:
        from meshplan.runtime.identity import discovery
        from meshplan.runtime.identity.keys import read_keys

        async with self._asking:
            if not wanted():
                return
            self._tried = self._clock()
            try:
                document = await discovery.key_set(client, self._issuer)
                self._keys = read_keys(document, self._keys)
            except (discovery.FetchError, ValueError) as error:
                self._failures, self._error = self._failures + 1, str(error)
            else:
                self._good, self._failures, self._error = self._clock(), 0, None


class Issuers:
    """The keys of every issuer of the newest plan; an issuer that a new plan leaves as it is keeps its keys."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._egress = clock, Egress()
        self._known: dict[JwtIssuer, IssuerKeys] = {}
        self._client: httpx2.AsyncClient | None = None

    def of(self, issuer: JwtIssuer) -> IssuerKeys:
        """The keys of one issuer as the plan declares it."""
        found = self._known.get(issuer)
        if found is None:
            found = self._known[issuer] = IssuerKeys(issuer, self._clock)
        return found

    @property
    def client(self) -> httpx2.AsyncClient:
        """The HTTP client that all issuers share."""
        if self._client is None:
            from meshplan.runtime.identity import discovery

            self._client = discovery.http_client(self._egress)
        return self._client

    async def refresh(self, issuers: Iterable[JwtIssuer], private_networks: Iterable[str] = ()) -> float:
        """Ask each issuer for which it is time, forget all others; seconds until the next is due.

        From now on, their names may lead into these networks, too.
        """
        self._egress.adopt(private_networks)
        wanted = set(issuers)
        self._known = {issuer: keys for issuer, keys in self._known.items() if issuer in wanted}
        async with anyio.create_task_group() as group:
            for issuer in wanted:
                group.start_soon(self.of(issuer).refresh, self.client)
        return min((self.of(issuer).due - self._clock() for issuer in wanted), default=REFRESH)

    def health(self, issuers: Mapping[str, JwtIssuer]) -> dict[str, IssuerHealth]:
        """The state of each issuer by name."""
        return {name: self.of(issuer).health() for name, issuer in sorted(issuers.items())}

    async def aclose(self) -> None:
        """Let the connections go."""
        if self._client is not None:
            await self._client.aclose()


@asynccontextmanager
async def keep_fresh(issuers: Issuers, active: Active) -> AsyncGenerator[None]:
    """Ask the newest plan's issuers for their keys whenever it is time, while the context is open."""

    async def run() -> None:
        while True:
            swapped, snapshot = active.swapped, active.snapshot
            left = await (
                issuers.refresh(snapshot.keyring.issuers.values(), snapshot.plan.runtime.private_networks)
                if snapshot
                else issuers.refresh(())
            )
            with anyio.move_on_after(max(left, FIRST_BACKOFF)):
                await swapped.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        yield
        group.cancel_scope.cancel()
    await issuers.aclose()
