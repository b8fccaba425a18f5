"""The ASGI application of ``admin_listen``: pages that are read and change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote

from meshplan.runtime.active import Active
from meshplan.runtime.admin.console.console import REFRESH, Console
from meshplan.runtime.admin.console.viewer import Viewer
from meshplan.runtime.admin.gate import LOGIN, Gate, unauthenticated
from meshplan.runtime.admin.port import AdminPort
from meshplan.runtime.budget.gauges import Gauge
from meshplan.runtime.front import guard
from meshplan.runtime.front.asgi import JSON, Receive, Scope, Send, respond
from meshplan.runtime.front.guard import HeadError
from meshplan.runtime.principal import Approach, UnauthenticatedError
from meshplan.runtime.signin.visit import PageError
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
WHOLE = frozenset({"/status", "/metrics"})
"""What is only for those who may see everything."""
STYLE = "/console/style.css"


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    body: bytes
    kind: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class AdminFront:
    """Answers GET, for whom the gate lets in."""

    active: Active
    reports: Reports
    port: AdminPort
    gathered: Gathered
    console: Console
    gate: Gate
    budgets: Callable[[], Sequence[Gauge]] = list

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3.0, HTTP)."""
        del receive
        page = await self._answer(scope)
        await respond(send, page.status, page.body, page.kind, {**HEADERS, **page.headers})

    async def _answer(self, scope: Scope) -> Page:
        try:
            seen = self._seen(scope)
            if scope["method"] != "GET":
                return Page(b"only GET is answered here\n", status=405, headers={"allow": "GET"})
            path, query = str(scope["path"]), scope.get("query_string", b"").decode("latin-1")
            if path == STYLE:
                return Page(_style(), "text/css; charset=utf-8", headers=CONSOLE)
            if not seen.local and (path == LOGIN or path.startswith(f"{LOGIN}/")):
                return await self._login(path.removeprefix(LOGIN).strip("/"), query, seen, scope)
            viewer = await self.gate.viewer(seen, scope)
        except HeadError as error:
            return _said(error.status, str(error))
        except UnauthenticatedError as error:
            return self._stranger(str(scope["path"]), error)
        if viewer is None:
            return _said(403, "these pages are for processes on this machine, and for operators of the plan")
        return await self._page(path, query, viewer)

    def _seen(self, scope: Scope) -> Approach:
        snapshot, binding = self.active.snapshot, self.port.binding
        settings = snapshot.plan.runtime if snapshot else None
        headers = guard.read_headers(scope["headers"], snapshot.keyring.proxies if snapshot else ())
        seen = guard.approach(scope, headers)
        if binding is not None:
            named = settings and settings.model_copy(update={"public_url": settings.admin_url})
            guard.check_host(seen, scope, binding, named)
        guard.check_origin(seen, None)
        return seen

    def _stranger(self, path: str, error: UnauthenticatedError) -> Page:
        """Somebody without a credential is sent to log in, where that is possible and a page was asked for."""
        if error.why == "no_credential" and path.startswith("/console") and self.gate.logins():
            return Page(b"", status=303, headers={"location": LOGIN})
        return Page(b"who are you?\n", status=error.status, headers=unauthenticated(error))

    async def _login(self, name: str, query: str, seen: Approach, scope: Scope) -> Page:
        logins = self.gate.logins()
        try:
            if not name and len(logins) != 1:
                return self._words("Log in", "Where do you log in?" if logins else "Nobody can log in here.", logins)
            if name and query:
                cookie = await self.gate.end(seen, scope, name)
                # A redirect would still count as coming from the issuer, and strict cookies stay at home then.
                page = self._words("Logged in", "You are logged in.", [])
                return replace(page, headers={**page.headers, "set-cookie": cookie, "refresh": "0; url=/console"})
            url, cookie = await self.gate.begin(seen, scope, name or logins[0])
        except PageError as error:
            return replace(self._words("Not logged in", str(error), logins), status=error.status)
        return Page(b"", status=303, headers={"location": url, "set-cookie": cookie})

    def _words(self, title: str, text: str, logins: list[str]) -> Page:
        return Page(_words_page(title, text, logins), HTML, headers=CONSOLE)

    async def _page(self, path: str, query: str, viewer: Viewer) -> Page:
        if path in WHOLE and viewer.endpoints is not None:
            return _said(403, "this page is about all endpoints")
        if path == "/status":
            return Page(json.dumps(await self.reports.page()).encode() + b"\n", JSON)
        if path == "/metrics":
            gathered = self.gathered.look()
            text = render(gathered.meter, gathered.gauges(), await self.reports.page(), self.budgets())
            return Page(text.encode(), CONTENT_TYPE)
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


def _words_page(title: str, text: str, logins: list[str]) -> bytes:
    from meshplan.runtime.admin.console.render import alone

    return alone(title, text, {name: f"{LOGIN}/{quote(name)}" for name in logins})
