"""A fixed MCP server of 2026-07-28 and 2025-11-25 for measuring what stands before it: one process, one port a server."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from functools import partial

import httptools
import uvloop
from data_plan import definition

MODERN, LEGACY = "2026-07-28", "2025-11-25"
OLDER = ("2025-03-26", "2025-06-18")
COMPLETE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class Server(asyncio.Protocol):
    """One connection; answers at once, in order."""

    def __init__(self, number: int, tools: int, *, modern: bool) -> None:
        self.modern = modern
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        names = ("echo", *(f"t{tool}" for tool in range(1, tools)))
        self.tools = [definition(name, number) for name in names]
        self.info = {"name": f"s{number:02d}", "version": "1"}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if self.parser.get_method() != b"POST":
            return self.write(b"405 Method Not Allowed", b"")
        request = json.loads(body)
        if "id" not in request:
            return self.write(b"202 Accepted", b"")
        if request["method"] == "server/discover" and not self.modern:
            error = {"code": -32601, "message": "Method not found"}
            return self.write(b"200 OK", dump({"jsonrpc": "2.0", "id": request["id"], "error": error}))
        result = self.answer(request["method"], request.get("params") or {})
        text = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (dump(request["id"]), dump(result))
        session = b"mcp-session-id: s\r\n" if request["method"] == "initialize" else b""
        return self.write(b"200 OK", text, session)

    def answer(self, method: str, params: dict) -> dict:
        if method == "tools/call":
            text = str(params.get("arguments", {}).get("text", ""))
            return {"content": [{"type": "text", "text": text}], "isError": False, "resultType": "complete"}
        if method == "tools/list":
            return {"tools": self.tools, **COMPLETE}
        if method == "server/discover":
            meta = {"io.modelcontextprotocol/serverInfo": self.info}
            return {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, **COMPLETE, "_meta": meta}
        if method == "initialize":
            asked = params.get("protocolVersion")
            version = asked if asked in OLDER else LEGACY
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": self.info}
        return {}

    def write(self, status: bytes, body: bytes, extra: bytes = b"") -> None:
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
        self.transport.write(head % (status, extra, len(body)) + body)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-port", type=int, default=29000)
    parser.add_argument("--servers", type=int, default=50)
    parser.add_argument("--tools", type=int, default=10)
    parser.add_argument("--older", action="store_true", help="one more server, which knows only 2025-11-25")
    found = parser.parse_args()
    loop = asyncio.get_running_loop()
    for number in range(found.servers + found.older):
        modern = number < found.servers
        make = partial(Server, number if modern else 0, found.tools, modern=modern)
        await loop.create_server(make, "127.0.0.1", found.base_port + number, backlog=1024)
    print("READY", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
