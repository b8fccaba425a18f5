"""A load client for MCP over HTTP: so many calls over so many kept-alive connections, timed one by one."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

MODERN, LEGACY = "2026-07-28", "2025-11-25"
SESSION = rb"(?im)^mcp-session-id: *([^\r\n]+)"
TEXT = "0123456789abcdef" * 2
ECHO = f'"text":"{TEXT}"'.encode()


class Wire(asyncio.Protocol):
    """One connection, one request at a time: as little as a client can do, so that the cores are left to what is measured."""

    def __init__(self) -> None:
        self.got, self.head = b"", b""
        self.size: int | None = 0
        self.answer: asyncio.Future[tuple[bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(OSError(f"the connection was closed: {exc}"))

    def send(self, request: bytes) -> asyncio.Future[tuple[bytes, bytes]]:
        """The head and the body of the response, once they are there."""
        self.got, self.answer = b"", asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self.answer

    def data_received(self, data: bytes) -> None:
        self.got = got = self.got + data if self.got else data
        end = got.find(b"\r\n\r\n")
        if end < 0 or self.answer is None or self.answer.done():
            return
        if got[:end] != self.head:  # What repeats is not read again.
            self.head = got[:end]
            size = re.search(rb"(?im)^content-length: *(\d+)", self.head)
            self.size = int(size[1]) if size else None if b"chunked" in self.head.lower() else 0
        body = got[end + 4 :]
        if self.size is not None:
            if len(body) >= self.size:
                self.answer.set_result((self.head, body))
        elif body.endswith(b"0\r\n\r\n"):
            self.answer.set_result((self.head, _joined(body)))


def _joined(chunks: bytes) -> bytes:
    found, at = b"", 0
    while True:
        end = chunks.index(b"\r\n", at)
        size = int(chunks[at:end].split(b";")[0], 16)
        if not size:
            return found
        found += chunks[end + 2 : end + 2 + size]
        at = end + size + 4


@dataclass
class Client:
    """One connection and, for the handshake era, one session."""

    url: str
    modern: bool
    key: str | None = None
    session: str | None = None
    number: int = 0
    wire: Wire | None = None
    made: tuple[dict | None, bytes, bytes] = (None, b"", b"")

    async def request(self, method: str, params: dict, *, notify: bool = False) -> dict:
        return message_in(*await self.exchange(method, params, notify=notify))

    async def exchange(self, method: str, params: dict, *, notify: bool = False) -> tuple[bytes, bool]:
        """The body of the response, unread, and whether it is a stream of events; the same ``params`` are spelled once."""
        where = urlsplit(self.url)
        if self.wire is None:
            _, self.wire = await asyncio.get_running_loop().create_connection(Wire, where.hostname, where.port)
        if self.made[0] is not params:
            self.made = params, *self._spelled(method, params)
        _, head, body = self.made
        if not notify:
            self.number += 1
            body += b',"id":%d' % self.number
        answer = await self.wire.send(b"%bContent-Length: %d\r\n\r\n%b}" % (head, len(body) + 1, body))
        if not self.modern and self.session is None and (found := re.search(SESSION, answer[0])):
            self.session, self.made = found[1].decode(), (None, b"", b"")
        return answer[1], b"event-stream" in answer[0]

    def _spelled(self, method: str, params: dict) -> tuple[bytes, bytes]:
        """The head without its length, and the message without its id and its last brace."""
        where = urlsplit(self.url)
        lines = [f"POST {where.path} HTTP/1.1", f"Host: {where.netloc}", "Content-Type: application/json"]
        lines.append("Accept: application/json, text/event-stream")
        if self.key:
            lines.append(f"Authorization: Bearer {self.key}")
        if self.modern:
            about = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            params = {**params, "_meta": about}
            lines += [f"MCP-Protocol-Version: {MODERN}", f"Mcp-Method: {method}"]
            lines += [f"Mcp-Name: {params['name']}"] if "name" in params else []
        elif self.session:
            lines += [f"Mcp-Session-Id: {self.session}", f"MCP-Protocol-Version: {LEGACY}"]
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()
        return "".join(f"{line}\r\n" for line in lines).encode(), body[:-1]

    async def open(self) -> None:
        if not self.modern:
            about = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
            await self.request("initialize", about)
            await self.request("notifications/initialized", {}, notify=True)

    def close(self) -> None:
        if self.wire is not None:
            self.wire.transport.close()


Make = Callable[[], Client]
"""Makes one client of a target, not connected yet."""


def message_in(body: bytes, streamed: bool) -> dict:
    if streamed:
        return [json.loads(line[5:]) for line in body.decode().splitlines() if line.startswith("data:")][-1]
    return json.loads(body) if body else {}


@dataclass(frozen=True)
class Measured:
    """Calls a second; latencies in ms; CPU of the target's processes in ms a call."""

    rate: float
    p50: float
    p99: float
    cpu: float


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        below = children.read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in below for found in tree(int(child)))]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree; finer than the clock tick where the kernel counts so."""
    total = 0.0
    for one in tree(pid):
        try:
            total += int(Path(f"/proc/{one}/schedstat").read_text().split()[0]) / 1e9
            for thread in Path(f"/proc/{one}/task").iterdir():
                if thread.name != str(one):
                    total += int((thread / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
    return total


def resident_mib(pid: int) -> float:
    """Resident memory of a process tree."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in tree(pid))
    return pages * 4096 / (1 << 20)


async def load(make: Make, *, tool: str, calls: int, concurrency: int, pid: int | None) -> Measured:
    """``calls`` calls of one tool; raises where any is not answered as it should be."""
    clients = [make() for _ in range(concurrency)]
    times: list[float] = []

    params = {"name": tool, "arguments": {"text": TEXT}}

    async def worker(client: Client, share: int) -> None:
        for _ in range(share):
            begun = time.perf_counter()
            body, streamed = await client.exchange("tools/call", params)
            times.append(time.perf_counter() - begun)
            if (ECHO not in body or b'"error"' in body) and _echoed(message_in(body, streamed)) != TEXT:
                raise RuntimeError(f"{client.url}: {body[:300]!r}")

    async def warm(client: Client) -> None:
        await client.open()
        await worker(client, 2)

    await asyncio.gather(*(warm(client) for client in clients))
    times.clear()
    before, begun = cpu_seconds(pid) if pid else 0.0, time.perf_counter()
    await asyncio.gather(*(worker(client, max(1, calls // concurrency)) for client in clients))
    wall, spent = time.perf_counter() - begun, (cpu_seconds(pid) if pid else 0.0) - before
    for client in clients:
        client.close()
    cuts = statistics.quantiles(times, n=100)
    return Measured(len(times) / wall, cuts[49] * 1e3, cuts[98] * 1e3, spent / len(times) * 1e3)


def _echoed(answer: dict) -> str | None:
    return answer.get("result", {}).get("content", [{}])[0].get("text")


async def listing(make: Make, *, rounds: int, pid: int | None = None) -> tuple[int, float, float]:
    """How many tools are listed; until the last byte of all pages, the median time and the CPU of the target, in ms."""
    client, times = make(), []
    try:
        await client.open()
        before = cpu_seconds(pid) if pid else 0.0
        for _ in range(rounds):
            count, spent = await _all_pages(client)
            times.append(spent * 1e3)
    finally:
        client.close()
    cpu = (cpu_seconds(pid) - before if pid else 0.0) / rounds * 1e3
    return count, statistics.median(times), cpu


async def _all_pages(client: Client) -> tuple[int, float]:
    cursor, count, spent = None, 0, 0.0
    while True:
        begun = time.perf_counter()
        found = await client.exchange("tools/list", {"cursor": cursor} if cursor else {})
        spent += time.perf_counter() - begun
        result = message_in(*found)["result"]
        count += len(result["tools"])
        cursor = result.get("nextCursor")
        if cursor is None:
            return count, spent
