"""The ASGI application: one endpoint per virtual MCP at ``/mcp/NAME``, and three pages to look at; changes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from meshplan.runtime.errors import INVALID_REQUEST, RpcError, not_ready, unauthenticated
from meshplan.runtime.front import guard, jsonrpc, legacy_http, modern_http
from meshplan.runtime.front.asgi import BodyError, Receive, Scope, Send, read_body, respond
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.guard import Binding, HeadError
from meshplan.runtime.front.sessions import Sessions
from meshplan.runtime.principal import CHALLENGE, Approach, Caller, UnauthenticatedError, authenticate
from meshplan.runtime.protocol import HANDSHAKE_PROTOCOL_VERSIONS, MCP_PROTOCOL_VERSION_HEADER
from meshplan.runtime.status import Status

PREFIX = "/mcp/"
_BODY_ERRORS = {408: "the body took too long", 413: "the body is too large", 499: "the client left"}


@dataclass(frozen=True, slots=True)
class HttpFront:
    """Everything that HTTP needs to know; ``local_secret`` is ``None`` where the local profile is off."""

    desk: Desk
    status: Status
    binding: Binding
    local_secret: str | None = None
    sessions: Sessions = field(default_factory=Sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event of ASGI 3.0; anything but HTTP is not for us."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = guard.read_headers(scope["headers"])
            seen = guard.approach(scope, headers)
            snapshot = self.desk.active.snapshot
            settings = snapshot.plan.runtime if snapshot else None
            guard.check_host(seen, scope, self.binding, settings)
            guard.check_origin(seen, settings)
            path, method = str(scope["path"]), str(scope["method"])
            if path.startswith(PREFIX):
                await self._endpoint(path.removeprefix(PREFIX), method, seen, headers, receive, send)
            else:
                await self._page(path, method, seen, send)
        except HeadError as error:
            body = jsonrpc.error_text(None, RpcError(error.code, str(error)))
            await respond(send, error.status, body)
        except UnauthenticatedError as error:
            body = jsonrpc.error_text(None, unauthenticated())
            await respond(send, 401, body, headers={"www-authenticate": error.challenge})

    async def _endpoint(
        self, name: str, method: str, seen: Approach, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        snapshot = self.desk.active.snapshot
        if snapshot is None:
            await respond(send, 503, jsonrpc.error_text(None, not_ready()))
            return
        caller = self._authenticate(name, seen)
        if name not in snapshot.endpoints:
            await respond(send, 404, jsonrpc.error_text(None, RpcError(INVALID_REQUEST, "there is no such endpoint")))
            return
        version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
        is_legacy = version is None or version in HANDSHAKE_PROTOCOL_VERSIONS
        if method not in (("POST", "GET", "DELETE") if is_legacy else ("POST",)):
            await respond(send, 405, headers={"allow": "POST, GET, DELETE" if is_legacy else "POST"})
            return
        visit = legacy_http.Visit(self.desk, self.sessions, name, caller, headers, receive, send)
        if method == "GET":
            await legacy_http.get(visit)
        elif method == "DELETE":
            await legacy_http.delete(visit)
        else:
            guard.check_post(headers)
            await self._post(visit, snapshot.plan.runtime.limits.body_bytes, is_legacy=is_legacy)

    async def _post(self, visit: legacy_http.Visit, limit: int, *, is_legacy: bool) -> None:
        try:
            body = await read_body(visit.receive, visit.headers.get("content-length"), limit)
        except BodyError as error:
            why = RpcError(INVALID_REQUEST, _BODY_ERRORS[error.status])
            await respond(visit.send, error.status, jsonrpc.error_text(None, why), headers={"connection": "close"})
            return
        if is_legacy:
            await legacy_http.post(visit, body)
        else:
            await modern_http.post(
                self.desk, visit.endpoint, visit.caller, visit.headers, body, visit.receive, visit.send
            )

    def _authenticate(self, endpoint: str, seen: Approach) -> Caller:
        snapshot = self.desk.active.snapshot
        if snapshot is None:
            raise UnauthenticatedError(CHALLENGE, "no_plan")
        try:
            return authenticate(snapshot.keyring, seen, self.local_secret, self.desk.active.today)
        except UnauthenticatedError as error:
            self.desk.invoker.turn_away(endpoint, error.why)
            raise

    async def _page(self, path: str, method: str, seen: Approach, send: Send) -> None:
        if path not in ("/healthz", "/readyz", "/status"):
            await respond(send, 404, b"not found\n", "text/plain; charset=utf-8")
        elif method != "GET":
            await respond(send, 405, headers={"allow": "GET"})
        elif path == "/status":
            if not seen.local:
                self._authenticate("", seen)
            await respond(send, 200, json.dumps(self.status.report()).encode() + b"\n")
        else:
            fine = path == "/healthz" or self.status.ready
            text = b"ok\n" if fine else b"no plan is active\n"
            await respond(send, 200 if fine else 503, text, "text/plain; charset=utf-8")


async def _lifespan(receive: Receive, send: Send) -> None:
    """Nothing is opened or closed here: the composition root owns what lives longer than a request."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
