"""The pages of the console: what each shows, for whoever looks."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread

from meshplan.runtime.active import Active
from meshplan.runtime.admin.console import calls
from meshplan.runtime.admin.console.plots import bars
from meshplan.runtime.admin.console.summary import DIMENSIONS, Ledgers
from meshplan.runtime.admin.console.surfaces import SurfaceView, surfaces
from meshplan.runtime.admin.console.viewer import Viewer
from meshplan.runtime.status import Reports
from meshplan.runtime.telemetry.gathered import Gathered

PAGES: Final = {
    "": "Overview",
    "calls": "Calls",
    "latency": "Latency and errors",
    "spend": "Spend",
    "surfaces": "Surfaces",
    "servers": "Servers",
}
"""By path below ``/console/``."""
REFRESH: Final = 5
"""Seconds between two looks of a page that is asked to refresh itself."""
_ID: Final = re.compile(r"[0-9a-f]{1,64}")

View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Console:
    """Makes pages; ``run`` keeps what is slow to find ready."""

    active: Active
    reports: Reports
    gathered: Gathered
    ledgers: Ledgers

    async def run(self) -> None:
        """Load what pages need before the first is asked for, and follow the ledger, until cancelled."""
        await anyio.to_thread.run_sync(_load)
        await self.ledgers.run()

    async def page(self, path: str, query: Mapping[str, str], viewer: Viewer) -> bytes | None:
        """The HTML at a path below ``/console``; ``None`` where there is none."""
        name = path.removeprefix("/console").strip("/")
        refresh = query.get("refresh") == str(REFRESH)
        if name.startswith("trace/"):
            chain = await self._trace(name.removeprefix("trace/"), viewer)
            return None if chain is None else await _rendered("trace", "Chain of calls", viewer, chain)
        made = self._pages().get(name)
        if made is None:
            return None
        return await _rendered(name or "overview", PAGES[name], viewer, await made(viewer), refresh=refresh)

    def _pages(self) -> Mapping[str, Callable[[Viewer], Awaitable[View]]]:
        return {
            "": self._overview,
            "calls": self._calls,
            "latency": self._latency,
            "spend": self._spend,
            "surfaces": self._surfaces,
            "servers": self._servers,
        }

    async def _overview(self, viewer: Viewer) -> View:
        gathered, summary = self.gathered.look(), self.ledgers.look()
        servers = await self._servers(viewer)
        return {
            **servers,
            "minutes": bars(calls.by_minute(gathered, viewer, time.time())),
            "day": None if summary is None else bars(summary.day(viewer)),
            "day_until": None if summary is None else summary.until,
            "ledger_kept": self.ledgers.kept,
            "ledger_error": self.ledgers.error,
            "gauges": gathered.gauges(),
            "running": len(calls.under_way(gathered, viewer)),
            "latencies": calls.latencies(gathered, viewer)[:8],
            "wrong": calls.ended(gathered, viewer, wrong=True)[:5],
            "surfaces": self._seen(viewer),
        }

    async def _calls(self, viewer: Viewer) -> View:
        gathered = self.gathered.look()
        return {"running": calls.under_way(gathered, viewer), "ended": calls.ended(gathered, viewer)}

    async def _latency(self, viewer: Viewer) -> View:
        return {"latencies": calls.latencies(self.gathered.look(), viewer)}

    async def _spend(self, viewer: Viewer) -> View:
        report, summary = await self.reports.page(), self.ledgers.look()
        spent = {} if summary is None else {name: summary.spent(name, viewer) for name in DIMENSIONS}
        return {
            "budgets": report.get("budgets", {}) if viewer.endpoints is None else None,
            "counters": report.get("counters"),
            "spent": spent,
            "until": None if summary is None else summary.until,
            "ledger_kept": self.ledgers.kept,
            "ledger_error": self.ledgers.error,
        }

    async def _surfaces(self, viewer: Viewer) -> View:
        return {"surfaces": self._seen(viewer)}

    async def _servers(self, viewer: Viewer) -> View:
        report, snapshot = await self.reports.page(), self.active.snapshot
        mine: set[str] = set()
        if snapshot is not None:
            mine = {name for name in snapshot.plan.servers if self._serves(name, viewer)}
        upstreams = {name: found for name, found in report.get("upstreams", {}).items() if name in mine}
        drift = {name: seen for name, seen in report.get("drift", {}).items() if name in mine}
        return {
            "report": report,
            "upstreams": upstreams,
            "drift": drift,
            "took": {name: self.gathered.meter.upstreams.get(name) for name in upstreams},
            "on_drift": {} if snapshot is None else {name: snapshot.plan.servers[name].on_drift for name in mine},
        }

    def _serves(self, server: str, viewer: Viewer) -> bool:
        """Whether a server stands behind an endpoint that may be seen."""
        snapshot = self.active.snapshot
        return snapshot is not None and (
            viewer.endpoints is None
            or any(viewer.sees(name) and server in index.timeouts for name, index in snapshot.endpoints.items())
        )

    def _seen(self, viewer: Viewer) -> list[SurfaceView]:
        snapshot = self.active.snapshot
        return [] if snapshot is None else [one for one in surfaces(snapshot) if viewer.sees(one.name)]

    async def _trace(self, wanted: str, viewer: Viewer) -> View | None:
        if not _ID.fullmatch(wanted):
            return None
        rows = [*self.gathered.look().running(), *self.gathered.recent]
        mine = [row for row in rows if wanted in (row["decision"], row["call"], row["trace"], row["parent"])]
        entries = [row for row in await self.ledgers.trace(wanted) if viewer.sees(row["endpoint"])]
        nodes = calls.chains([], [row for row in mine if viewer.sees(row["endpoint"])])
        return {"wanted": wanted, "nodes": nodes, "entries": entries} if nodes or entries else None


def _load() -> None:
    from meshplan.runtime.admin.console import render

    render.load()


async def _rendered(name: str, title: str, viewer: Viewer, view: View, *, refresh: bool = False) -> bytes:
    """Beside the event loop: calls do not wait for a page."""
    return await anyio.to_thread.run_sync(partial(_render, name, title, viewer, view, refresh=refresh))


def _render(name: str, title: str, viewer: Viewer, view: View, *, refresh: bool) -> bytes:
    from meshplan.runtime.admin.console import render

    now = datetime.now(UTC)
    return render.page(name, {"title": title, "viewer": viewer, "now": now, "refresh": refresh, **view})
