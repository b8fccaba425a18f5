"""The load client for peers that have only HTTP+SSE (MCP 2024-11-05): requests by POST, answers on one long stream."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from data_load import Client, Wire

VERSION = "2024-11-05"


@dataclass
class SseClient(Client):
    """One stream for the answers and one connection for the requests."""

    streams: tuple = field(default=())
    target: str = ""
    waiting: dict[int, asyncio.Future[bytes]] = field(default_factory=dict)
    listener: asyncio.Task[None] | None = None

    async def open(self) -> None:
        where = urlsplit(self.url)
        self.streams = await asyncio.open_connection(where.hostname, where.port, limit=32 << 20)
        _, self.wire = await asyncio.get_running_loop().create_connection(Wire, where.hostname, where.port)
        self.streams[1].write(
            f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept: text/event-stream\r\n\r\n".encode()
        )
        where_to = asyncio.get_running_loop().create_future()
        self.listener = asyncio.create_task(self._listen(where_to))
        self.target = await where_to
        about = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        await self.request("initialize", about)
        await self.request("notifications/initialized", {}, notify=True)

    async def _listen(self, where_to: asyncio.Future[str]) -> None:
        reader = self.streams[0]
        try:
            _check(await reader.readuntil(b"\r\n\r\n"))
            text = b""
            while size := int((await reader.readline()).split(b";")[0], 16):
                text += await reader.readexactly(size)
                await reader.readline()
                *events, text = text.replace(b"\r\n", b"\n").split(b"\n\n")
                for event in events:
                    data = b"".join(line[5:].lstrip() for line in event.split(b"\n") if line.startswith(b"data:"))
                    if b"event: endpoint" in event:
                        where_to.set_result(data.decode())
                    elif data and (found := self.waiting.pop(json.loads(data).get("id"), None)) is not None:
                        found.set_result(data)
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            for one in (where_to, *self.waiting.values()):
                if not one.done():
                    one.set_exception(OSError(f"the stream ended: {error}"))

    async def exchange(self, method: str, params: dict, *, notify: bool = False) -> tuple[bytes, bool]:
        message: dict = {"jsonrpc": "2.0", "method": method, "params": params}
        answer: asyncio.Future[bytes] | None = None
        if not notify:
            self.number += 1
            message["id"] = self.number
            answer = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        body, host = json.dumps(message).encode(), urlsplit(self.url).netloc
        head = f"POST {self.target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        assert self.wire is not None
        await self.wire.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return (await answer if answer is not None else b""), False

    def close(self) -> None:
        if self.listener is not None:
            self.listener.cancel()
        if self.streams:
            self.streams[1].close()
        super().close()


def _check(head: bytes) -> None:
    if b" 200 " not in head.splitlines()[0]:
        raise ValueError(head.splitlines()[0])
