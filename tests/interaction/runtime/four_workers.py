"""A runtime of four workers, and callers that come over a new connection each time."""

from contextlib import asynccontextmanager
from contextvars import ContextVar

import anyio
import httpx2
from runtimes import runtime
from sites import events

MODERN = "2026-07-28"
DISCOVERED = {
    "supportedVersions": [MODERN],
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "u", "version": "1"},
    "ttlMs": 0,
    "cacheScope": "private",
}
NO_TOOLS = {"resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": "private"}
"""What a small server of 2026-07-28 says of itself."""
WEB = ContextVar("web")
"""A client that keeps no connection."""


class Caller:
    """Sends requests of both eras, each over a connection of its own."""

    def __init__(self, running, key="ann"):
        self.running, self.key = running, key
        self.number = 0

    @asynccontextmanager
    async def sent(self, method, body=None, **headers):
        told = {"authorization": f"Bearer secret-{self.key}", "accept": "application/json, text/event-stream"}
        async with WEB.get().stream(method, self.running.url(), json=body, headers={**told, **headers}) as answer:
            yield answer

    async def post(self, body, **headers):
        async with self.sent("POST", body, **headers) as answer:
            await answer.aread()
            return answer

    def message(self, method, params):
        self.number += 1
        return {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}

    async def modern(self, method, params, **capabilities):
        return (await self.post(*self.modern_parts(method, params, capabilities)[:1], **self.headers)).json()

    def modern_parts(self, method, params, capabilities):
        meta = {"io.modelcontextprotocol/protocolVersion": MODERN}
        meta["io.modelcontextprotocol/clientCapabilities"] = capabilities
        self.headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        if "name" in params:
            self.headers["mcp-name"] = params["name"]
        return self.message(method, {**params, "_meta": meta}), self.headers

    async def session(self, **capabilities):
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": {"name": "t", "version": "1"},
        }
        answer = await self.post(self.message("initialize", params))
        return {"mcp-session-id": answer.headers["mcp-session-id"]}

    async def tool(self, session, name, **arguments):
        answer = await self.post(self.message("tools/call", {"name": name, "arguments": arguments}), **session)
        return next(found["result"] for found in events(answer.text) or [answer.json()] if "result" in found)


@asynccontextmanager
async def four(*args):
    alone = httpx2.Limits(max_keepalive_connections=0)
    with anyio.fail_after(60):
        async with runtime("--workers", 4, *args) as running, httpx2.AsyncClient(timeout=30, limits=alone) as web:
            WEB.set(web)
            yield running
        assert not [line for line in running.lines if "Traceback" in line or "Exception" in line], running.lines


async def status_of(running):
    return (await WEB.get().get(f"{running.base}/status")).json()


async def workers_of(running, without=None):
    """The processes of all four workers."""
    found = set()
    while len(found) < 4:
        found = {worker["pid"] for worker in (await status_of(running))["workers"]} - {without}
    return found
