"""The ASGI application: one endpoint per virtual MCP at ``/mcp/NAME``, and pages that say how it is; changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from meshplan.runtime.errors import (
    INVALID_REQUEST,
    RpcError,
    insufficient_scope,
    issuer_unavailable,
    not_ready,
    unauthenticated,
)
from meshplan.runtime.front import head, jsonrpc, legacy_http, modern_http
from meshplan.runtime.front.asgi import BodyError, Receive, Scope, Send, direct_of, read_body, respond
from meshplan.runtime.front.connect import CONNECTING, Connect
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.guard import Binding, HeadError
from meshplan.runtime.front.head import Head
from meshplan.runtime.front.session import Session
from meshplan.runtime.front.sessions import Sessions
from meshplan.runtime.identity import metadata
from meshplan.runtime.identity.door import Door
from meshplan.runtime.identity.issuers import Issuers
from meshplan.runtime.identity.metadata import ENDPOINTS
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.principal import CHALLENGE, Approach, Caller, UnauthenticatedError
from meshplan.runtime.protocol import HANDSHAKE_PROTOCOL_VERSIONS, MCP_PROTOCOL_VERSION_HEADER
from meshplan.runtime.signin.sign_ins import PATH as CONNECT
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.status import Reports
from meshplan.runtime.telemetry.context import HEADERS, TRACEPARENT
from meshplan.runtime.telemetry.port import Tracer

MAX_NAME = 100
"""How much of an endpoint's name a record of a refusal keeps."""
_BODY_REASONS = {408: "slow_body", 413: "body_too_large", 499: "client_left"}
_BODY_ERRORS = {408: "the body took too long", 413: "the body is too large", 499: "the client left"}


@dataclass(frozen=True, slots=True)
class HttpFront:
    """Everything that HTTP needs to know; ``local_secret`` is ``None`` where the local profile is off."""

    desk: Desk
    status: Reports
    binding: Binding
    local_secret: str | None = None
    sessions: Sessions = field(default_factory=Sessions)
    verifier: Verifier = field(default_factory=lambda: Verifier(Issuers()))
    tracer: Tracer | None = None
    doors: dict[str, dict[str, Door]] = field(default_factory=dict[str, dict[str, Door]])
    sign_ins: SignIns | None = None

    def __post_init__(self) -> None:
        """What ends here ends at the servers, too."""

        def ended(session: Session) -> None:
            self.desk.invoker.left(session.owner, session.endpoint, session.number)
            self._tell(session)

        self.sessions.on_end = ended

    def _tell(self, session: Session) -> None:
        if self.tracer is not None:
            self.tracer.session_ended(session.version, time.monotonic() - session.began)

    def stop(self) -> None:
        """No more requests come in, and so no answers: calls that wait for one must not hold the end up."""
        for session in self.sessions:
            session.stop_asking()

    def close(self) -> None:
        """The runtime ends, and with it the sessions that are open."""
        for session in self.sessions:
            self._tell(session)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Serve one connection event of ASGI 3.0; anything but HTTP is not for us."""
        return self._http(scope, receive, send) if scope["type"] == "http" else _other(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope["path"])
        try:
            snapshot = self.desk.active.snapshot
            seen = (read := head.read(scope, snapshot, self.binding)).seen
            HEADERS.set(seen.headers if TRACEPARENT in seen.headers else None)
            if path.startswith(ENDPOINTS):
                await self._endpoint(path.removeprefix(ENDPOINTS), scope, read, receive, send)
            elif path.startswith(CONNECT) and snapshot is not None and self.sign_ins is not None:
                connect = Connect(self.desk, self.sign_ins, self.verifier)
                await connect.serve(scope, seen, self._door(snapshot, ""), snapshot, receive, send)
            else:
                await self._page(path, scope, seen, send)
        except HeadError as error:
            HEADERS.set(None)  # The task is the connection's: nothing of the request before is of this one.
            if path.startswith(ENDPOINTS):
                name = path.removeprefix(ENDPOINTS)[:MAX_NAME]
                self.desk.invoker.turn_away(name, error.why, "invalid", code=error.code)
            elif path.startswith(CONNECT):
                self.desk.invoker.turn_away("", error.why, "invalid", method=CONNECTING)
            await respond(send, error.status, jsonrpc.error_text(None, RpcError(error.code, str(error))))
        except UnauthenticatedError as error:
            challenge = {"www-authenticate": error.challenge} if error.status in (401, 403) else {}
            await respond(send, error.status, jsonrpc.error_text(None, _answer(error)), headers=challenge)

    async def _endpoint(self, name: str, scope: Scope, read: Head, receive: Receive, send: Send) -> None:
        method, snapshot, headers = str(scope["method"]), self.desk.active.snapshot, read.headers
        if snapshot is None:
            await respond(send, 503, jsonrpc.error_text(None, not_ready()))
            return
        caller = await self._authenticate(snapshot, name, scope, read.seen)
        if name not in snapshot.endpoints:
            self.desk.invoker.turn_away(name[:MAX_NAME], "no_such_endpoint", "denied", code=INVALID_REQUEST)
            await respond(send, 404, jsonrpc.error_text(None, RpcError(INVALID_REQUEST, "there is no such endpoint")))
            return
        version = headers.get(MCP_PROTOCOL_VERSION_HEADER)
        is_legacy = version is None or version in HANDSHAKE_PROTOCOL_VERSIONS
        if method not in (("POST", "GET", "DELETE") if is_legacy else ("POST",)):
            await respond(send, 405, headers={"allow": "POST, GET, DELETE" if is_legacy else "POST"})
            return
        direct, body = direct_of(scope), b""
        if method == "POST":
            read.check_post()
            limit = snapshot.plan.runtime.limits.body_bytes
            found = direct.whole(limit) if direct is not None else None
            if found is None:
                found = await self._body(name, caller, headers, limit, receive, send)
            if found is None:
                return
            body = found
        if not is_legacy:
            await modern_http.post(self.desk, name, caller, headers, body, receive, send, direct)
            return
        visit = legacy_http.Visit(
            self.desk, self.sessions, name, caller, headers, receive, send, method, body, direct=direct
        )
        await legacy_http.METHODS[method](visit)

    async def _body(
        self, endpoint: str, caller: Caller, headers: dict[str, str], limit: int, receive: Receive, send: Send
    ) -> bytes | None:
        """The body of a message, or ``None`` where its refusal was sent."""
        try:
            return await read_body(receive, headers.get("content-length"), limit)
        except BodyError as error:
            why = RpcError(INVALID_REQUEST, _BODY_ERRORS[error.status])
            self.desk.invoker.turn_away(endpoint, _BODY_REASONS[error.status], "invalid", caller, code=why.code)
            await respond(send, error.status, jsonrpc.error_text(None, why), headers={"connection": "close"})
            return None

    async def _authenticate(self, snapshot: Snapshot, endpoint: str, scope: Scope, seen: Approach) -> Caller:
        try:
            return await self._door(snapshot, endpoint).admit(
                seen, scope.get("query_string", b""), self.desk.active.now
            )
        except UnauthenticatedError as error:
            self.desk.invoker.turn_away(endpoint[:MAX_NAME], error.why, code=_answer(error).code)
            raise

    def _door(self, snapshot: Snapshot, endpoint: str) -> Door:
        """The way to one endpoint; doors are kept for as long as their plan."""
        known = self.doors.get(snapshot.digest)
        if known is None:
            self.doors.clear()
            known = self.doors[snapshot.digest] = {}
        found = known.get(endpoint)
        if found is None:
            base = self._base(snapshot)
            found = Door(endpoint, snapshot.keyring, self.verifier, snapshot.plan.runtime, base, self.local_secret)
            if endpoint in snapshot.endpoints:
                known[endpoint] = found
        return found

    def _base(self, snapshot: Snapshot) -> str | None:
        """What the mesh is reached by: as declared, else where it listens on this machine; never what Host says."""
        return snapshot.plan.runtime.public_url or (self.binding.origin if self.binding.loopback else None)

    async def _page(self, path: str, scope: Scope, seen: Approach, send: Send) -> None:
        snapshot = self.desk.active.snapshot
        about = self._metadata(path, snapshot) if path.startswith(metadata.WELL_KNOWN) and snapshot else None
        apart = snapshot is not None and snapshot.plan.runtime.admin_listen is not None
        if about is None and path not in (("/healthz", "/readyz") if apart else ("/healthz", "/readyz", "/status")):
            await respond(send, 404, b"not found\n", "text/plain; charset=utf-8")
        elif scope["method"] != "GET":
            await respond(send, 405, headers={"allow": "GET"})
        elif about is not None:
            await respond(send, 200, about)
        elif path == "/status":
            if not seen.local:
                if snapshot is None:
                    raise UnauthenticatedError(CHALLENGE, "no_plan")
                await self._authenticate(snapshot, "", scope, seen)
            await respond(send, 200, json.dumps(await self.status.page()).encode() + b"\n")
        else:
            fine = path == "/healthz" or self.status.ready
            text = b"ok\n" if fine else b"no plan is active\n"
            await respond(send, 200 if fine else 503, text, "text/plain; charset=utf-8")

    def _metadata(self, path: str, snapshot: Snapshot) -> bytes | None:
        """The protected-resource metadata at its path; at the root only where there is one endpoint."""
        base = self._base(snapshot)
        name = metadata.endpoint_at(base, path)
        if path == metadata.WELL_KNOWN and len(snapshot.endpoints) == 1:
            name = next(iter(snapshot.endpoints))
        found = metadata.document(base, name, snapshot.keyring.issuers.values()) if name else None
        return None if found is None else json.dumps(found).encode() + b"\n"


def _answer(error: UnauthenticatedError) -> RpcError:
    if error.status == 403:
        return insufficient_scope()
    if error.status == 503:
        return issuer_unavailable()
    if error.status == 400:
        return RpcError(INVALID_REQUEST, "the request does not present one credential in its proper place")
    return unauthenticated()


async def _other(scope: Scope, receive: Receive, send: Send) -> None:
    """Nothing is opened or closed here: the composition root owns what lives longer than a request."""
    while scope["type"] == "lifespan":
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
