"""A load client for MCP over HTTP: so many calls over so many kept-alive connections, timed one by one."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

MODERN, LEGACY = "2026-07-28", "2025-11-25"


@dataclass
class Client:
    """One connection and, for the handshake era, one session."""

    url: str
    modern: bool
    key: str | None = None
    session: str | None = None
    number: int = 0
    streams: tuple = field(default=())

    async def request(self, method: str, params: dict, *, notify: bool = False) -> dict:
        return message_in(*await self.exchange(method, params, notify=notify))

    async def exchange(self, method: str, params: dict, *, notify: bool = False) -> tuple[bytes, bool]:
        """The body of the response, unread, and whether it is a stream of events."""
        where = urlsplit(self.url)
        if not self.streams:
            self.streams = await asyncio.open_connection(where.hostname, where.port, limit=32 << 20)
        message: dict = {"jsonrpc": "2.0", "method": method, "params": params}
        lines = [f"POST {where.path} HTTP/1.1", f"Host: {where.netloc}", "Content-Type: application/json"]
        lines.append("Accept: application/json, text/event-stream")
        if self.key:
            lines.append(f"Authorization: Bearer {self.key}")
        if self.modern:
            message["params"] = {
                **params,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            }
            lines += [f"MCP-Protocol-Version: {MODERN}", f"Mcp-Method: {method}"]
            lines += [f"Mcp-Name: {params['name']}"] if "name" in params else []
        elif self.session:
            lines += [f"Mcp-Session-Id: {self.session}", f"MCP-Protocol-Version: {LEGACY}"]
        if not notify:
            self.number += 1
            message["id"] = self.number
        body = json.dumps(message).encode()
        lines.append(f"Content-Length: {len(body)}")
        reader, writer = self.streams
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await self._answer(reader)

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[bytes, bool]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        for line in head.split("\r\n"):
            if line.lower().startswith("mcp-session-id: "):
                self.session = line.partition(": ")[2]
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int((await reader.readline()).split(b";")[0], 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        return body, "event-stream" in headers.get("content-type", "")

    async def open(self) -> None:
        if not self.modern:
            about = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
            await self.request("initialize", about)
            await self.request("notifications/initialized", {}, notify=True)

    def close(self) -> None:
        if self.streams:
            self.streams[1].close()


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

    async def worker(client: Client, share: int) -> None:
        for _ in range(share):
            begun = time.perf_counter()
            answer = await client.request("tools/call", {"name": tool, "arguments": {"text": "0123456789abcdef" * 2}})
            times.append(time.perf_counter() - begun)
            if answer.get("result", {}).get("content", [{}])[0].get("text") != "0123456789abcdef" * 2:
                raise RuntimeError(f"{client.url}: {json.dumps(answer)[:300]}")

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
