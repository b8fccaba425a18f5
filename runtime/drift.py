"""Quarantine: compares what servers offer right now with what the plan reviewed, in the background, again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any, Final, Literal

import anyio

from meshplan.runtime.active import Active, Upstreams
from meshplan.runtime.errors import METHOD_NOT_FOUND
from meshplan.runtime.offered import SECTIONS, NotMcpError, Section, listed
from meshplan.runtime.record import Say
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.upstream.port import Upstream, UpstreamFailure, UpstreamRefusal
from meshplan.schemas.capability import IDENTIFYING_FIELD, CapabilityKey, Kind
from meshplan.schemas.definition import definition_digest
from meshplan.schemas.plan import Transport

PERIOD: Final = 300.0
"""Seconds between two looks at a server that says nothing of itself."""
RETRY: Final = 30.0
"""Seconds until a server that could not be asked is asked again; until then, what was last seen holds."""
SETTLE: Final = 1.0
"""Seconds between two looks at a server that keeps saying that its lists changed."""
CHECK_SECONDS: Final = 30.0
CONCURRENT_CHECKS: Final = 16

Difference = Literal["changed", "missing"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a server was like when it was last looked at; ``digests`` by capability id, ``kinds`` are those asked for.

    ``next`` and ``began`` are in the event loop's seconds; ``error`` says why the last look failed.
    """

    transport: Transport
    digests: Mapping[str, str]
    kinds: frozenset[Kind]
    next: float
    began: float
    checked: str | None = None
    error: str | None = None


class DriftWatch:
    """Knows which capabilities of the newest plan are no longer what was reviewed; before the first look, none is known."""

    def __init__(self, active: Active, say: Say, tell: Callable[[str, Seen], None] | None = None) -> None:
        self._active, self._say, self._tell = active, say, tell
        self._seen: dict[str, Seen] = {}
        self._checking: set[str] = set()
        self._told: set[str] = set()
        self._wake = anyio.Event()
        self._snapshot: Snapshot | None = None
        self._kinds: tuple[Snapshot, Mapping[str, frozenset[Kind]]] | None = None
        self._differences: dict[str, Difference] = {}

    def of(self, snapshot: Snapshot, capability: str | None) -> Difference | None:
        """How a capability of a plan differs from what was reviewed; ``None`` where it does not, as far as is known."""
        if snapshot is not self._snapshot:
            self._compare(snapshot)
        return self._differences.get(capability) if capability is not None else None

    def due(self, server: str) -> None:
        """A server has been connected, or says that its lists changed: look at it soon."""
        self._told.add(server)
        self._wake.set()

    async def run(self, upstreams: Upstreams) -> None:
        """Look at the servers of the newest plan as they come due, a few at a time, until cancelled."""
        limit = anyio.CapacityLimiter(CONCURRENT_CHECKS)
        async with anyio.create_task_group() as tasks:
            while True:
                self._wake = anyio.Event()
                snapshot = self._active.snapshot
                for server in self._due(snapshot) if snapshot is not None else ():
                    self._checking.add(server)
                    self._told.discard(server)
                    tasks.start_soon(self._look, server, upstreams, limit)
                with anyio.move_on_after(self._pause()):
                    await self._wake.wait()

    def _due(self, snapshot: Snapshot) -> list[str]:
        now, found = anyio.current_time(), list[str]()
        if self._kinds is None or self._kinds[0] is not snapshot:
            self._kinds = snapshot, _kinds(snapshot)
        kinds = self._kinds[1]
        for name, server in snapshot.plan.servers.items():
            seen = self._seen.get(name)
            if seen is None or seen.transport != server.transport or not kinds[name] <= seen.kinds:
                self._seen[name] = Seen(server.transport, {}, kinds[name], now, -math.inf)
            if name not in self._checking and self._seen[name].kinds and self._next(name) <= now:
                found.append(name)
        for gone in self._seen.keys() - snapshot.plan.servers.keys():
            del self._seen[gone]
        return found

    def _next(self, server: str) -> float:
        seen = self._seen[server]
        return min(seen.next, seen.began + SETTLE) if server in self._told else seen.next

    def _pause(self) -> float:
        """Until the next look; a new plan is noticed within a second."""
        waiting = [self._next(name) for name, seen in self._seen.items() if name not in self._checking and seen.kinds]
        return min(SETTLE, max(0.01, min(waiting, default=math.inf) - anyio.current_time()))

    async def _look(self, server: str, upstreams: Upstreams, limit: anyio.CapacityLimiter) -> None:
        try:
            async with limit:
                seen = self._seen.get(server)
                if seen is not None:
                    found = await self._asked(server, seen, upstreams)
                    if self._seen.get(server, seen).transport == seen.transport:
                        self._note(server, found)
        finally:
            self._checking.discard(server)
            self._wake.set()

    async def _asked(self, server: str, seen: Seen, upstreams: Upstreams) -> Seen:
        began = anyio.current_time()
        try:
            upstream = upstreams.get(server)
            digests = await _digests(server, upstream, seen.kinds, began + CHECK_SECONDS)
        except (UpstreamFailure, NotMcpError, KeyError) as error:
            reason = "it is being replaced" if isinstance(error, KeyError) else str(error)
            return replace(seen, next=anyio.current_time() + RETRY, began=began, error=reason)
        checked = self._active.clock().astimezone(UTC).isoformat(timespec="seconds")
        return Seen(seen.transport, digests, seen.kinds, anyio.current_time() + PERIOD, began, checked)

    @property
    def seen(self) -> Mapping[str, Seen]:
        """What each server was like."""
        return self._seen

    def take(self, server: str, found: Seen) -> None:
        """What another process of this runtime saw, where that looks for all."""
        self._seen[server], self._snapshot = found, None

    def _note(self, server: str, found: Seen) -> None:
        self._seen[server] = found
        if self._tell is not None:
            self._tell(server, found)
        snapshot = self._active.snapshot
        if snapshot is not None:
            before = _of_server(self._differences, server)
            self._compare(snapshot)
            after = _of_server(self._differences, server)
            if before != after:
                # A list that was read page by page while it changed is wrong: look once more, soon.
                self._seen[server] = replace(found, next=min(found.next, anyio.current_time() + SETTLE))
                self._say("drift", {"server": server, "capabilities": after})

    def _compare(self, snapshot: Snapshot) -> None:
        differences: dict[str, Difference] = {}
        for key, capability in snapshot.plan.capabilities.items():
            seen = self._seen.get(capability.server)
            if seen is None or seen.checked is None or capability.kind not in seen.kinds:
                continue
            if seen.transport != snapshot.plan.servers[capability.server].transport:
                continue
            live = seen.digests.get(key)
            if live != capability.definition:
                differences[key] = "missing" if live is None else "changed"
        self._snapshot, self._differences = snapshot, differences

    def report(self) -> dict[str, Any]:
        """What ``/status`` says: when each server was looked at, and which capabilities differ, and how."""
        snapshot = self._active.snapshot
        if snapshot is not None and snapshot is not self._snapshot:
            self._compare(snapshot)
        return {
            name: {"checked": seen.checked, "error": seen.error, "drifted": _of_server(self._differences, name)}
            for name, seen in sorted(self._seen.items())
            if seen.kinds
        }


def _kinds(snapshot: Snapshot) -> dict[str, frozenset[Kind]]:
    """What to compare of each server; nothing of an API, whose requests are in the plan itself."""
    kinds: dict[str, set[Kind]] = {name: set() for name in snapshot.plan.servers}
    for found in snapshot.plan.capabilities.values():
        if found.server in kinds and snapshot.plan.servers[found.server].transport.kind != "openapi":
            kinds[found.server].add(found.kind)
    return {name: frozenset(found) for name, found in kinds.items()}


def _of_server(differences: Mapping[str, Difference], server: str) -> dict[str, Difference]:
    return {key: how for key, how in sorted(differences.items()) if CapabilityKey.of(key).server == server}


async def _digests(server: str, upstream: Upstream, kinds: frozenset[Kind], deadline: float) -> dict[str, str]:
    found: dict[str, str] = {}
    for section in SECTIONS:
        if section.kind in kinds:
            for definition in await _section(upstream, section, deadline):
                name = definition.get(IDENTIFYING_FIELD[section.kind])
                if isinstance(name, str):
                    key = CapabilityKey(server, section.kind, name).id
                    # A name that is listed twice stands for neither definition.
                    found[key] = "" if key in found else definition_digest(definition)
    return found


async def _section(upstream: Upstream, section: Section, deadline: float) -> list[dict[str, Any]]:
    """A server that lists nothing of a kind any more, because it no longer has the method, offers none."""
    try:
        return await listed(upstream, section, deadline)
    except UpstreamRefusal as refusal:
        if refusal.code == METHOD_NOT_FOUND:
            return []
        raise
