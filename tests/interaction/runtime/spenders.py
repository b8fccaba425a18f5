"""Callers that spend as fast as they can, and the server that counts what it really did."""

import json
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from plans import Draft, budget, price, recorded, spending
from runtimes import http

from meshplan.schemas.bundle import pack, seal
from meshplan.schemas.plan import Counters
from meshplan.schemas.spending import Rate

CALLERS = 64
LOST = (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError, OSError)
USD = 1_000_000_000
CENT = USD // 100
UNAVAILABLE = 503
RETRY = 0.05
COMPLETE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Executed:
    """A server that counts what it really did, and bills between one and five cents for `varied`."""

    calls: Counter = field(default_factory=Counter)
    billed: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    waiting: dict = field(default_factory=dict)

    async def reached(self, name, calls):
        """Wait until so many calls of a tool were executed."""
        event = self.waiting[name, calls] = anyio.Event()
        if self.calls[name] >= calls:
            event.set()
        with anyio.fail_after(30):
            await event.wait()

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        request = json.loads(body)
        await anyio.lowlevel.checkpoint()
        text = json.dumps({"jsonrpc": "2.0", "id": request.get("id"), "result": self.answer(request)}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    def answer(self, request):
        if request["method"] == "server/discover":
            return {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, **COMPLETE}
        if request["method"] != "tools/call":
            tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("fixed", "varied")]
            return {"tools": tools, **COMPLETE}
        name = request["params"]["name"]
        self.calls[name] += 1
        if (event := self.waiting.get((name, self.calls[name]))) is not None:
            event.set()
        cents = self.dice.randint(1, 5)
        self.billed += cents * CENT if name == "varied" else 0
        return {"content": [], "structuredContent": {"usage": {"output_tokens": cents}}, "resultType": "complete"}


def bundle(port, folder, *, calls, redis=None):
    """A plan file; ``redis`` is a reference to the URL of shared counters."""
    draft = Draft()
    draft.server("shop", http(port), timeout_ms=20_000)
    fixed, varied = (draft.tool("dev", "shop", name) for name in ("fixed", "varied"))
    draft.key("ann", "user:ann")
    draft.grant("all", "user:ann")
    usage = ["select", ["var", "result"], "usage"]
    budgets = {
        "calls": budget(calls, covers=(fixed,), counted_as="calls"),
        "fixed": budget(calls * CENT, "money", covers=(fixed,), counted_as="fixed"),
        "varied": budget(10 * USD, "money", covers=(varied,), counted_as="varied"),
        "seen": budget(1, each="user", window="hour", on_exceed="warn", counted_as="seen"),
    }
    prices = {
        fixed: price(CENT),
        varied: price(usage=usage, output=Rate(nano=CENT, per=1), max_nano=5 * CENT),
    }
    made = folder / "plan.json"
    path = str(folder / "ledger")
    found = spending(recorded(draft, path=path), budgets, prices)
    if redis is not None:
        counters = Counters(redis=redis, fail="closed")
        runtime = found.plan.runtime.model_copy(update={"counters": counters})
        found = seal(found.plan.model_copy(update={"runtime": runtime}), found.definitions, found.source_map)
    made.write_text(pack(found))
    return made


class Connection:
    """One caller's own connection: HTTP as bytes, so that 64 of them cost little."""

    def __init__(self, stream):
        self._stream, self._reader = stream, BufferedByteReceiveStream(stream)

    async def call(self, name):
        """The HTTP status, the headers and the JSON-RPC answer."""
        params = {"name": name, "arguments": {}, "_meta": META}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        head = (
            "POST /mcp/dev HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer secret-ann\r\n"
            "content-type: application/json\r\naccept: application/json, text/event-stream\r\n"
            f"mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {name}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        await self._stream.send(head.encode() + body)
        lines = (await self._reader.receive_until(b"\r\n\r\n", 16_384)).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        answer = await self._reader.receive_exactly(int(headers["content-length"]))
        return int(lines[0].split(" ")[1]), headers, json.loads(answer)


@asynccontextmanager
async def connection(base):
    host, port = base.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        yield Connection(stream)


async def spend(base, name):
    """Call until a budget refuses; what was refused."""
    async with connection(base) as caller:
        while True:
            status, headers, answer = await caller.call(name)
            if status == UNAVAILABLE:
                # The counters are put together again: worth another try.
                await anyio.sleep(RETRY)
                continue
            if "error" in answer:
                return status, headers, answer["error"]
            assert status == 200, answer
            assert "ratelimit" in headers
            assert answer["result"]["_meta"]["meshplan/budgets"]


async def together(name, *bases):
    """64 callers until each was refused or lost its worker, then one more; what was refused."""
    refused = []

    async def caller(base):
        try:
            refused.append(await spend(base, name))
        except LOST:
            return

    async with anyio.create_task_group() as tasks:
        for number in range(CALLERS):
            tasks.start_soon(caller, bases[number % len(bases)])
    # Some were refused for what others had reserved, and then did not spend.
    refused.append(await spend(bases[0], name))
    return refused
