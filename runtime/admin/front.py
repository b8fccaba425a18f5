"""The ASGI application of ``admin_listen``: pages that are read and change nothing, for this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from meshplan.runtime.active import Active
from meshplan.runtime.admin.console.console import REFRESH, Console
from meshplan.runtime.admin.console.viewer import LOCAL, Viewer
from meshplan.runtime.admin.port import AdminPort
from meshplan.runtime.front import guard
from meshplan.runtime.front.asgi import JSON, Receive, Scope, Send, respond
from meshplan.runtime.front.guard import HeadError
from meshplan.runtime.status import Reports
from meshplan.runtime.telemetry.exposition import CONTENT_TYPE, render
from meshplan.runtime.telemetry.gathered import Gathered

TEXT, HTML = "text/plain; charset=utf-8", "text/html; charset=utf-8"
HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""What every answer says, so that no browser takes a page for anything else."""
CONSOLE: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
}
"""Pages have a style sheet of ours; nothing in them runs, and nothing is fetched from elsewhere."""
MAX_QUERY = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    body: bytes
    kind: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class AdminFront:
    """Answers GET for whoever is on this machine and speaks to it directly."""

    active: Active
    reports: Reports
    port: AdminPort
    gathered: Gathered
    console: Console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3.0, HTTP)."""
        del receive
        page = await self._answer(scope)
        await respond(send, page.status, page.body, page.kind, {**HEADERS, **page.headers})

    async def _answer(self, scope: Scope) -> Page:
        try:
            self._check(scope)
        except HeadError as error:
            return _said(error.status, str(error))
        if scope["method"] != "GET":
            return Page(b"only GET is answered here\n", status=405, headers={"allow": "GET"})
        return await self._page(str(scope["path"]), scope.get("query_string", b"").decode("latin-1"), LOCAL)

    def _check(self, scope: Scope) -> None:
        snapshot, binding = self.active.snapshot, self.port.binding
        settings = snapshot.plan.runtime if snapshot else None
        headers = guard.read_headers(scope["headers"])
        seen = guard.approach(scope, headers)
        if binding is not None:
            guard.check_host(seen, scope, binding, settings)
        guard.check_origin(seen, settings)
        if not seen.local:
            raise HeadError(403, "these pages are for processes on this machine that come directly")

    async def _page(self, path: str, query: str, viewer: Viewer) -> Page:
        if path == "/status":
            return Page(json.dumps(await self.reports.page()).encode() + b"\n", JSON)
        if path == "/metrics":
            gathered = self.gathered.look()
            text = render(gathered.meter, gathered.gauges(), await self.reports.page())
            return Page(text.encode(), CONTENT_TYPE)
        if path == "/console/style.css":
            return Page(_style(), "text/css; charset=utf-8", headers=CONSOLE)
        if path == "/console" or path.startswith("/console/"):
            return await self._console(path, query, viewer)
        return _said(404, "there is no such page")

    async def _console(self, path: str, query: str, viewer: Viewer) -> Page:
        asked = dict(parse_qsl(query[:MAX_QUERY]))
        text = await self.console.page(path, asked, viewer)
        if text is None:
            return _said(404, "there is no such page")
        again = {"refresh": str(REFRESH)} if asked.get("refresh") == str(REFRESH) else {}
        return Page(text, HTML, headers={**CONSOLE, **again})


def _said(status: int, text: str) -> Page:
    return Page(text.encode() + b"\n", status=status)


def _style() -> bytes:
    from meshplan.runtime.admin.console.render import style

    return style()
