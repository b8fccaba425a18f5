"""What a plan bounds holds for all four workers together, by the count of the servers behind them."""

import json
import os
import signal
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx2
from four_workers import DISCOVERED, NO_TOOLS, Caller, four, status_of, workers_of
from plans import Draft
from sites import listening

from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import Breaker, HttpTransport, Limits

CALLS, TURNS, STREAMS = 8, 6, 6
FAILURES, COOLDOWN_MS = 5, 3000


@dataclass
class Counting:
    """A server of 2026-07-28 that holds its calls, and knows how many it has; while ``broken`` it takes none."""

    free: bool = False
    broken: bool = False
    now: int = 0
    most: int = 0
    calls: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event)
    crowds: list = field(default_factory=list)

    def turn(self, by):
        self.now += by
        self.most = max(self.most, self.now)
        self.calls += by > 0
        self.tell()

    def tell(self):
        self.changed.set()
        self.changed = anyio.Event()

    def let_go(self):
        self.free = True
        self.tell()

    def settled(self):
        """Whether every call that is under way is here."""
        return self.now == sum(crowd.under_way for crowd in self.crowds)

    async def until(self, true):
        while not true():
            await self.changed.wait()

    async def __call__(self, _scope, receive, send):
        message = json.loads((await receive())["body"])
        status, found = 200, {"resultType": "complete", "content": []}
        if message["method"] == "server/discover":
            found |= DISCOVERED
        elif message["method"] == "tools/list":
            found = NO_TOOLS
        elif self.broken:
            self.turn(1)
            self.turn(-1)
            status = 503
        else:
            await self.held(receive)
        body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": found}).encode()
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": body})

    async def held(self, receive):
        """Until all may go, or the caller goes."""
        self.turn(1)
        try:
            async with anyio.create_task_group() as group:

                async def gone():
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                group.start_soon(gone)
                await self.until(lambda: self.free)
                group.cancel_scope.cancel()
        finally:
            self.turn(-1)


def drafted(port, **servers):
    draft = Draft()
    for name, breaker in {"u": None, **servers}.items():
        draft.server(name, HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={}, auth=None), timeout_ms=20_000)
        draft.servers[name] = draft.servers[name].model_copy(update={"breaker": breaker, "on_drift": "warn"})
        draft.tool("dev", name, "go", f"{name}_go")
    for key in ("ann", "bob"):
        draft.key(key, f"user:{key}")
        draft.grant("all", f"user:{key}")
    return draft


@asynccontextmanager
async def counted(tmp_path, draft_of, **limits):
    server = Counting()
    async with listening(server) as port:
        draft = draft_of(port)
        draft.limits = Limits(**{"body_bytes": 100_000, "concurrency_per_principal": 64, **limits})
        path = tmp_path / "plan.json"
        path.write_text(pack(draft.bundle()))
        async with four("--plan", path) as running:
            yield running, server
            server.let_go()


class Crowd:
    """Calls of one caller, over a connection each, and how those ended that are not under way any more."""

    def __init__(self, running, server, group, key="ann", name="u_go"):
        self.running, self.server, self.group, self.key, self.name = running, server, group, key, name
        self.under_way, self.ended = 0, []
        server.crowds.append(self)

    async def one(self):
        caller = Caller(self.running, self.key)
        try:
            answer = await caller.modern("tools/call", {"name": self.name, "arguments": {}})
        except httpx2.TransportError:
            self.ended.append("lost")
        else:
            self.ended.append(answer["error"]["data"]["reason"] if "error" in answer else "ok")
        self.under_way -= 1
        self.server.tell()

    async def come(self, count):
        """So many more calls, until each is at the server or has ended; returns how they ended."""
        before = len(self.ended)
        self.under_way += count
        for _ in range(count):
            self.group.start_soon(self.one)
        await self.server.until(self.server.settled)
        return set(self.ended[before:])


async def test_a_caller_has_as_many_calls_as_it_may_in_all_workers_and_a_killed_worker_gives_its_share_back(tmp_path):
    async with (
        counted(tmp_path, drafted, concurrency_per_principal=CALLS) as (running, server),
        anyio.create_task_group() as group,
    ):
        ann, bob = Crowd(running, server, group), Crowd(running, server, group, "bob")
        assert await ann.come(40) == {"overloaded"}
        while ann.under_way < CALLS:
            assert await ann.come(1) <= {"overloaded"}
        assert (server.now, server.most) == (CALLS, CALLS)
        assert await ann.come(8) == {"overloaded"}
        assert await bob.come(CALLS) == set()
        for victim in sorted(await workers_of(running))[:2]:
            os.kill(victim, signal.SIGKILL)
            await workers_of(running, without=victim)
            await server.until(server.settled)
            while ann.under_way < CALLS:
                assert await ann.come(1) <= {"overloaded", "lost"}
            assert await ann.come(8) == {"overloaded"}
        assert "lost" in ann.ended + bob.ended
        assert server.most == 2 * CALLS
        server.let_go()
        await server.until(lambda: not ann.under_way + bob.under_way)
        assert ann.ended.count("ok") == CALLS


async def test_streams_are_counted_in_all_workers_and_those_of_a_killed_one_no_more(tmp_path):
    async with (
        counted(tmp_path, drafted, idle_streams=STREAMS) as (running, server),
        anyio.create_task_group() as group,
    ):
        found = Counter()

        async def stream():
            caller = Caller(running)
            body, headers = caller.modern_parts("subscriptions/listen", {"notifications": {}}, {})
            try:
                async with caller.sent("POST", body, **headers) as answer:
                    found[answer.status_code] += 1
                    server.tell()
                    async for _ in answer.aiter_lines():
                        pass
            except httpx2.TransportError:
                found["lost"] += 1
            else:
                found["over"] += answer.status_code == 200
            server.tell()

        async def come(count):
            wanted = found[200] + found[429] + count
            for _ in range(count):
                group.start_soon(stream)
            await server.until(lambda: found[200] + found[429] == wanted)

        def there():
            return found[200] - found["lost"] - found["over"]

        await come(24)
        while there() < STREAMS:
            await come(1)
        assert there() == STREAMS
        workers = await workers_of(running)
        while not found["lost"]:
            victim = workers.pop()
            os.kill(victim, signal.SIGKILL)
            await workers_of(running, without=victim)
        while there() < STREAMS:
            await come(1)
        await come(4)
        assert there() == STREAMS
        group.cancel_scope.cancel()


async def test_calls_wait_for_turns_that_another_worker_has_and_a_breaker_opens_once_for_all(tmp_path):
    def draft_of(port):
        return drafted(port, b=Breaker(failures=FAILURES, cooldown_ms=COOLDOWN_MS))

    async with (
        counted(tmp_path, draft_of, concurrency_per_upstream=TURNS) as (running, server),
        anyio.create_task_group() as group,
    ):
        ann = Crowd(running, server, group)
        ann.under_way = 2 * TURNS
        for _ in range(2 * TURNS):
            group.start_soon(ann.one)
        await server.until(lambda: server.now == TURNS)
        server.let_go()
        await server.until(lambda: not ann.under_way)
        assert (ann.ended, server.most) == (["ok"] * 2 * TURNS, TURNS)

        before, server.broken, server.free = server.calls, True, False
        ann = Crowd(running, server, group, name="b_go")
        for _ in range(2 * FAILURES):
            assert await ann.come(1) == {"upstream_unavailable"}
        assert server.calls - before == FAILURES
        assert (await status_of(running))["upstreams"]["b"]["breaker"] == "open"
        server.broken = False
        while not server.now:
            assert await ann.come(4) <= {"upstream_unavailable"}
        assert await ann.come(8) == {"upstream_unavailable"}
        assert (server.now, server.calls - before) == (1, FAILURES + 1)
        assert (await status_of(running))["upstreams"]["b"]["breaker"] == "half_open"
        server.let_go()
        await server.until(lambda: not ann.under_way)
        assert await ann.come(8) == {"ok"}
        assert (await status_of(running))["upstreams"]["b"]["breaker"] == "closed"
