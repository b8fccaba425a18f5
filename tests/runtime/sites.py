"""A runtime that really listens on 127.0.0.1, in the test's own event loop, with upstreams of the test's choice."""

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx2

from meshplan.runtime.active import Active
from meshplan.runtime.app import listen_on
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.front.http import HttpFront
from meshplan.runtime.front.http1.server import HttpServer
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.parked import open_lot
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.status import Desired, Status
from meshplan.runtime.telemetry.telemetry import Telemetry

MODERN = "2026-07-28"
ACCEPT = "application/json, text/event-stream"


@asynccontextmanager
async def listening(app, port=0):
    """Serve an ASGI application; yields its port."""
    server, ready = HttpServer(app), anyio.Event()
    with listen_on(Binding("127.0.0.1", port)) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, listener, ready.set, 3)
            await ready.wait()
            yield listener.getsockname()[1]
            server.stop()


async def nothing(scope, receive, send):
    """An ASGI application that has nothing to say."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@dataclass
class Site:
    """What a test holds of a running site."""

    front: HttpFront
    active: Active
    upstreams: object
    attempts: list
    port: int = 0
    client: httpx2.AsyncClient | None = None
    numbers: int = field(default=0)
    telemetry: object = None

    def url(self, endpoint="dev"):
        return f"http://127.0.0.1:{self.port}/mcp/{endpoint}"

    async def modern(
        self, method, params=None, *, key="ann", endpoint="dev", headers=None, meta=None, capabilities=None
    ):
        """One request of 2026-07-28; returns the HTTP response."""
        request, sent = self.modern_parts(method, params, key=key, meta=meta, capabilities=capabilities)
        return await self.client.post(self.url(endpoint), json=request, headers={**sent, **(headers or {})})

    def modern_parts(self, method, params=None, *, key="ann", meta=None, capabilities=None):
        self.numbers += 1
        params = dict(params or {})
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": capabilities or {},
            **(meta or {}),
        }
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method, "accept": ACCEPT, **bearer(key)}
        name = params.get("uri") if method == "resources/read" else params.get("name")
        if isinstance(name, str) and method in ("tools/call", "prompts/get", "resources/read"):
            headers["mcp-name"] = name
        return {"jsonrpc": "2.0", "id": self.numbers, "method": method, "params": params}, headers

    async def legacy(self, message, *, key="ann", session=None, endpoint="dev", headers=None):
        """One POST of the handshake era."""
        sent = {"accept": ACCEPT, "content-type": "application/json", **bearer(key), **(headers or {})}
        if session:
            sent["mcp-session-id"] = session
        return await self.client.post(self.url(endpoint), content=json.dumps(message), headers=sent)

    @asynccontextmanager
    async def told(self, session, *, key="ann", endpoint="dev"):
        """What is said on the session's own stream, one message after the other."""
        sent = {"accept": "text/event-stream", "mcp-session-id": session, **bearer(key)}
        async with self.client.stream("GET", self.url(endpoint), headers=sent) as response:
            assert response.status_code == 200, await response.aread()
            yield (json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: {"))

    async def session(self, *, key="ann", version="2025-11-25", capabilities=None, endpoint="dev"):
        """Initialize, and return the session id."""
        params = {
            "protocolVersion": version,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        answer = await self.legacy(request("initialize", params), key=key, endpoint=endpoint)
        assert answer.status_code == 200, answer.text
        return answer.headers["mcp-session-id"]


def bearer(key):
    return {} if key is None else {"authorization": f"Bearer secret-{key}"}


def request(method, params=None, number=1):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}


def events(text):
    """The messages of an event stream."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


@asynccontextmanager
async def site(
    bundle,
    upstreams,
    *,
    local_secret=None,
    seq=None,
    active=None,
    drift=None,
    tracer=None,
    port=0,
    sign_ins=None,
    book=None,
):
    """Serve a bundle (or nothing at all) with these upstreams."""
    active, attempts = active or Active(), []
    if bundle is not None:
        active.swap(Snapshot(bundle, seq))
    async with open_lot() as lot, anyio.create_task_group() as group:
        telemetry = Telemetry(active, tracer=tracer)
        invoker = Invoker(
            active,
            upstreams,
            attempts.append,
            lot=lot,
            drift=drift,
            telemetry=telemetry,
            ledger=book,
            sign_ins=sign_ins,
        )
        desk, status = Desk(active, invoker), Status(active, upstreams, Desired(), drift, book=book)
        front = HttpFront(desk, status, Binding("127.0.0.1", 0), local_secret, tracer=tracer, sign_ins=sign_ins)
        group.start_soon(desk.background.run)
        if sign_ins is not None:
            group.start_soon(sign_ins.awaited.run)
        async with listening(front, port) as bound, httpx2.AsyncClient(timeout=20) as client:
            yield Site(front, active, upstreams, attempts, bound, client, telemetry=telemetry)
            active.close()
            await front.verifier.issuers.aclose()
        group.cancel_scope.cancel()
