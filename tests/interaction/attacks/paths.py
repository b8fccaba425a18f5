"""The ways in, each to the same mesh in front of the same two oracles: HTTP and standard streams, in both eras."""

import json
import os
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import witness
import worlds
from plans import Draft
from sites import MODERN, site

from meshplan.runtime.active import Active
from meshplan.runtime.drift import DriftWatch
from meshplan.runtime.protocol import encode_header_value
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import HttpTransport, StdioTransport

ORACLE = worlds.ROOT / "tests/servers/witness.py"
TASKS = "io.modelcontextprotocol/tasks"
CLIENT = {"extensions": {TASKS: {}}, "elicitation": {}}
INFO = {"name": "x", "version": "1"}
PATIENCE_S = 60
OWNER = ["==", ["select", ["var", "args"], "owner"], ["lit", "acme"]]
AMOUNT = [">", ["select", ["var", "args"], "amount"], ["lit", 100]]
LABEL = ["startsWith", ["select", ["var", "args"], "label"], ["lit", "secret"]]


def draft(log, port):
    """Ann may call `get_note` and more at `dev`; each thing that she may not has a neighbour that she may."""
    found = Draft(local=("user:ann",))
    child = StdioTransport(argv=(sys.executable, str(ORACLE), str(log), "stdio"), env={}, cwd=".")
    web = HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={}, auth=None)
    found.server("web", web, relays=("completions", "tasks"))
    found.server("pipe", child, relays=("completions", "subscribe"))
    for name in ("ann", "bob", "eve"):
        found.key(name, f"user:{name}")
    for name in ("ann", "bob"):
        found.grant("all", f"user:{name}")
    found.grant("keeper", "user:bob")
    found.grant("past", "user:ann", expires="2020-01-01")
    _tools(found)
    _others(found)
    return found


def _tools(found):
    reviewed = {tool["name"]: tool for tool in witness.TOOLS}
    reviewed["odd"] = {**reviewed["odd"], "description": "as it was reviewed"}
    keys = {
        (server, name): found.define(server, "tool", reviewed[name])
        for server, names in (
            ("web", ("get", "wipe", "lapsed", "open", "file", "place", "run", "ask", "odd")),
            ("pipe", ("get", "drop", "pay", "tag")),
        )
        for name in names
    }
    shown = {("web", "get"): "get_note", ("web", "open"): "open_issue", ("pipe", "get"): "fetch"}
    for which, key in keys.items():
        more = {"fixed": {"owner": '"acme"'}, "hide": ("milestone",)} if which[1] == "open" else {}
        found.offer("dev", key, shown.get(which), **more)
    found.offer("ops", keys["web", "wipe"], "purge")
    found.offer("ops", keys["web", "get"], "read_note")
    found.offer("ops", keys["web", "run"])
    forbidden = ("wipe", "lapsed", "file")
    found.allow("all", *(key for (_, name), key in keys.items() if name not in forbidden))
    found.deny("all", keys["pipe", "drop"])
    found.allow("past", keys["web", "lapsed"])
    found.allow("keeper", keys["web", "wipe"])
    _only_when(found, found.allow("all", keys["web", "file"]), OWNER)
    _only_when(found, found.deny("all", keys["pipe", "pay"]), AMOUNT)
    _only_when(found, found.deny("all", keys["pipe", "tag"]), LABEL)


def _only_when(found, rule, condition):
    found.rules[rule] = found.rules[rule].model_copy(update={"when": condition})


def _others(found):
    prompts = {prompt["name"]: found.define("web", "prompt", prompt) for prompt in witness.PROMPTS}
    resources = {r["uri"]: found.define("pipe", "resource", r) for r in witness.RESOURCES if "note" in r["uri"]}
    templates = {t["name"]: found.define("pipe", "template", t) for t in witness.TEMPLATES}
    for key in (*prompts.values(), *resources.values(), *templates.values()):
        found.offer("dev", key)
    found.offer("ops", prompts["private"])
    found.allow(
        "all", prompts["brief"], resources["note://all"], templates["doc"], live=(("pipe", ("file:///pub/*",)),)
    )
    found.allow("keeper", prompts["private"], resources["note://secret"], templates["key"])
    found.live["dev"] = ("pipe",)


@dataclass
class Oracle:
    """What both servers got, in the order in which it came."""

    log: object

    def new(self):
        """What came since the last time."""
        return [json.loads(line) for line in self.log.read().splitlines()]


@dataclass
class Http:
    """A mesh that listens; ``session`` in the era that has them."""

    site: object
    era: str
    sessions: dict = field(default_factory=dict)

    async def send(self, method, params=None, *, key="ann", endpoint="dev", change=None, headers=None):
        if self.era == "legacy":
            return await self.in_session(method, params, key=key, endpoint=endpoint, change=change)
        message, sent = self.site.modern_parts(method, params, key=key, capabilities=CLIENT)
        if method.startswith("tasks/"):
            sent["mcp-name"] = message["params"].get("taskId", "")
        if "mcp-name" in sent:
            sent["mcp-name"] = encode_header_value(sent["mcp-name"])
        return await self.post(message, {**sent, **(headers or {})}, endpoint, change)

    async def in_session(self, method, params, *, key, endpoint, change):
        if (key, endpoint) not in self.sessions:
            self.sessions[key, endpoint] = await self.site.session(key=key, endpoint=endpoint)
        self.site.numbers += 1
        message = {"jsonrpc": "2.0", "id": self.site.numbers, "method": method, "params": params or {}}
        headers = {"mcp-session-id": self.sessions[key, endpoint], "authorization": f"Bearer secret-{key}"}
        return await self.post(message, {"accept": "application/json, text/event-stream", **headers}, endpoint, change)

    async def post(self, message, headers, endpoint="dev", change=None):
        body = (change or _same)(json.dumps(message, ensure_ascii=True))
        sent = {
            "content-type": "application/json",
            **{name: value for name, value in headers.items() if value is not None},
        }
        answer = await self.site.client.post(self.site.url(endpoint), content=body, headers=sent)
        return answer.json()

    async def outcomes(self):
        """(outcome, reason) of each attempt since the last time."""
        found = [(attempt.outcome, attempt.reason) for attempt in self.site.attempts]
        self.site.attempts.clear()
        await anyio.lowlevel.checkpoint()
        return found


@dataclass
class Pipes:
    """A mesh that a client started; what it records comes over standard error."""

    process: object
    era: str
    answers: object
    events: object
    number: int = 0

    async def send(self, method, params=None, *, change=None, **_):
        self.number += 1
        params = dict(params or {})
        if self.era == "fast":
            params["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": CLIENT,
            }
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        line = (change or _same)(json.dumps(message, ensure_ascii=True))
        await self.process.stdin.send(line.encode() + b"\n")
        with anyio.fail_after(PATIENCE_S):
            while True:
                answer = json.loads(await self.answers.receive())
                if answer.get("id") in (self.number, None) and "method" not in answer:
                    return answer

    async def outcomes(self):
        """(outcome, reason) of each attempt since the last time, up to the one of a question that marks the place."""
        mark = f"mark/{self.number}"
        await self.send(mark)
        found = []
        with anyio.fail_after(PATIENCE_S):
            while True:
                event = json.loads(await self.events.receive())
                if event["event"] != "attempt":
                    continue
                if event["method"] == mark:
                    return found
                found.append((event["outcome"], event.get("reason")))


def _same(text):
    return text


@asynccontextmanager
async def mesh_over_http(bundle, folder):
    """A mesh in this process, with its watch for drift."""
    active = Active()
    watch = DriftWatch(active, lambda *_: None)
    async with (
        open_upstreams(bundle.plan.servers, folder, on_connected=watch.due) as upstreams,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(watch.run, upstreams)
        async with site(bundle, upstreams, active=active, drift=watch) as found:
            yield found
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def mesh_over_pipes(plan, era):
    """`mesh stdio` as a client starts it."""
    words = [sys.executable, "-m", "meshplan.runtime", "stdio", "dev", "--plan", str(plan)]
    (said, answers), (logged, events) = [anyio.create_memory_object_stream(100_000) for _ in range(2)]
    with answers, events:
        async with anyio.create_task_group() as tasks:
            process = await anyio.open_process(words, env={"PATH": os.environ["PATH"]})
            tasks.start_soon(_pump, process.stdout, said)
            tasks.start_soon(_pump, process.stderr, logged)
            found = Pipes(process, era, answers, events)
            try:
                if era == "legacy":
                    await found.send(
                        "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": INFO}
                    )
                yield found
            finally:
                with anyio.CancelScope(shield=True), anyio.move_on_after(15):
                    await process.stdin.aclose()
                    await process.wait()
                if process.returncode is None:
                    process.kill()
                await process.aclose()
                tasks.cancel_scope.cancel()


async def _pump(stream, inlet):
    """Each line of a process, as it comes."""
    rest = b""
    async with inlet:
        async for chunk in stream:
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                await inlet.send(line)


@dataclass
class Field:
    """All ways in to one mesh, and what its servers saw."""

    paths: dict
    oracle: Oracle
    bundle: object
    dirty: bool = False

    async def way(self, name):
        """One way in, where nothing is left of a test that failed."""
        if self.dirty:
            self.oracle.new()
            for path in self.paths.values():
                await path.outcomes()
        self.dirty = True
        return self.paths[name]

    async def settle(self, path):
        """Until drift has been noticed on this way in."""
        with anyio.fail_after(PATIENCE_S):
            while "error" not in await path.send("tools/call", {"name": "odd", "arguments": {}}):
                await anyio.lowlevel.checkpoint()
        await path.outcomes()
        self.oracle.new()


@asynccontextmanager
async def field_of_all_paths(folder):
    """Four ways in, to meshes of one plan; both HTTP ones are the same mesh."""
    log, port = folder / "oracle.log", worlds.free_port()
    log.touch()
    async with AsyncExitStack() as stack:
        stack.enter_context(worlds.process(sys.executable, ORACLE, log, port, cwd=folder, stderr=subprocess.DEVNULL))
        worlds.listening(port)
        bundle = draft(log, port).bundle()
        plan = folder / "plan.json"
        plan.write_text(pack(bundle))
        web = await stack.enter_async_context(mesh_over_http(bundle, folder))
        paths = {"fast": Http(web, "fast"), "legacy": Http(web, "legacy")}
        for name, era in (("stdio", "legacy"), ("stdio-modern", "fast")):
            paths[name] = await stack.enter_async_context(mesh_over_pipes(plan, era))
        found = Field(paths, Oracle(stack.enter_context(log.open())), bundle)
        for path in paths.values():
            await found.settle(path)
        yield found
