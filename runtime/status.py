"""What the runtime says of itself: alive, ready, and what it serves; holds no secret and can change nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from meshplan.runtime.active import Active, Upstreams
from meshplan.runtime.budget.counting import Counting
from meshplan.runtime.budget.report import standing
from meshplan.runtime.drift import DriftWatch
from meshplan.runtime.identity.issuers import Issuers
from meshplan.runtime.ledger.book import Book


@dataclass(slots=True)
class Desired:
    """What should be served, as the last look at the source found it; ``refused`` says why it is not."""

    digest: str | None = None
    seq: int | None = None
    refused: dict[str, Any] | None = None


class Reports(Protocol):
    """Knows what the three pages say."""

    @property
    def ready(self) -> bool:
        """Whether there is a plan to enforce."""
        ...

    async def page(self) -> dict[str, Any]:
        """The document of ``/status``."""
        ...


@dataclass(frozen=True, slots=True)
class Status:
    """Answers ``/healthz``, ``/readyz`` and ``/status``."""

    active: Active
    upstreams: Upstreams
    desired: Desired
    drift: DriftWatch | None = None
    issuers: Issuers = field(default_factory=Issuers)
    counters: Counting | None = None
    book: Book | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a plan to enforce."""
        return self.active.snapshot is not None

    async def page(self) -> dict[str, Any]:
        """See ``Reports``."""
        return self.report()

    def report(self) -> dict[str, Any]:
        """The document of ``/status``, version 1."""
        snapshot = self.active.snapshot
        return {
            "v": 1,
            "ready": self.ready,
            "mesh": snapshot.plan.mesh if snapshot else None,
            "active": {"plan": snapshot.digest, "seq": snapshot.seq} if snapshot else None,
            "desired": {"plan": self.desired.digest, "seq": self.desired.seq} if self.desired.digest else None,
            "refused": self.desired.refused,
            "endpoints": sorted(snapshot.endpoints) if snapshot else [],
            "budgets": {}
            if snapshot is None or self.counters is None
            else standing(snapshot.plan, self.counters.counting()),
            "counters": None if self.counters is None else self.counters.report(),
            "ledger": self.book.report() if self.book else None,
            "drift": self.drift.report() if self.drift else {},
            "issuers": self._issuers(),
            "upstreams": {name: asdict(health) for name, health in sorted(self.upstreams.health().items())},
        }

    def _issuers(self) -> dict[str, Any]:
        snapshot = self.active.snapshot
        health = self.issuers.health(snapshot.keyring.issuers) if snapshot else {}
        return {name: asdict(state) for name, state in health.items()}
