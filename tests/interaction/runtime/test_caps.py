"""Caps hold over real HTTP: 64 callers at once, one process and four workers, and a runtime that is killed in the middle."""

import json
import os
import random
import signal
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from plans import Draft, budget, price, recorded, spending
from runtimes import http, runtime
from sites import listening

from meshplan.schemas.bundle import pack
from meshplan.schemas.spending import Rate

CALLERS = 64
LOST = (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError, OSError)
USD = 1_000_000_000
CENT = USD // 100
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


def bundle(port, folder, *, calls):
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
    made.write_text(pack(spending(recorded(draft, path=path), budgets, prices)))
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
            if "error" in answer:
                return status, headers, answer["error"]
            assert status == 200, answer


async def together(base, name):
    """64 callers until each was refused or lost its worker, then one more; what was refused."""
    refused = []

    async def caller():
        try:
            refused.append(await spend(base, name))
        except LOST:
            return

    async with anyio.create_task_group() as tasks:
        for _ in range(CALLERS):
            tasks.start_soon(caller)
    # Some were refused for what others had reserved, and then did not spend.
    refused.append(await spend(base, name))
    return refused


@pytest.mark.parametrize("workers", [1, 4])
async def test_64_callers_never_pass_a_cap(tmp_path, workers):
    server = Executed()

    async def end_one(running):
        """With workers, one of them dies while all callers spend."""
        if workers > 1:
            await server.reached("varied", 60)
            os.kill((await running.status())["workers"][0]["pid"], signal.SIGKILL)

    async with (
        listening(server) as port,
        runtime("--plan", bundle(port, tmp_path, calls=1000), "--workers", workers) as running,
        anyio.create_task_group() as tasks,
    ):
        refusals = await together(running.base, "fixed")
        tasks.start_soon(end_one, running)
        refusals += await together(running.base, "varied")
        budgets = (await running.status())["budgets"]
    # What a dead worker had under way stays charged with the most that it could have cost.
    lost = 0 if workers == 1 else CALLERS * 5 * CENT
    assert server.calls["fixed"] == 1000
    assert 10 * USD - 5 * CENT - lost < server.billed <= 10 * USD
    assert (budgets["calls"]["used"], budgets["fixed"]["used"]) == (1000, "10.00")
    assert server.billed <= Decimal(budgets["varied"]["used"]) * USD <= min(10 * USD, server.billed + lost)
    assert sum(server.calls.values()) <= budgets["seen"]["used"] <= sum(server.calls.values()) + CALLERS
    for status, headers, error in refusals:
        assert (status, error["code"], error["data"]["reason"]) == (429, -31009, "over_budget")
        assert error["data"]["budget"] in ("calls", "fixed", "varied")
        assert int(headers["retry-after"]) == error["data"]["retry_after"]


async def test_a_killed_runtime_has_spent_at_least_what_was_executed(tmp_path):
    server, cap, kills = Executed(), 120, 3
    async with listening(server) as port:
        plan = bundle(port, tmp_path, calls=cap)
        for number in range(kills):
            async with runtime("--plan", plan) as running, anyio.create_task_group() as tasks:
                assert await used(running) >= server.calls["fixed"]

                async def until_it_dies(base=running.base):
                    with suppress(*LOST):
                        await spend(base, "fixed")

                for _ in range(16):
                    tasks.start_soon(until_it_dies)
                await server.reached("fixed", 20 * (number + 1))
                running.process.send_signal(signal.SIGKILL)
        async with runtime("--plan", plan) as running:
            assert await used(running) >= server.calls["fixed"]
            await spend(running.base, "fixed")
            assert await used(running) == cap
    # A kill costs at most what its 16 callers had under way.
    assert cap - 16 * kills <= server.calls["fixed"] <= cap


async def used(running):
    return (await running.status())["budgets"]["calls"]["used"]
