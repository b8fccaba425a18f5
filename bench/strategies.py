"""What the strategies cost a model: the same ten tasks of several steps over the example servers, done by a script.

A round is one turn of the model that calls tools, all that it knows at once. `entered` are the tokens of what comes into its
context (the list, its calls, their results), `read` what it reads in all rounds together, as each reads everything again.
Tokens are estimates (schemas/tokens.py). No model is asked: the script makes no mistakes, so nothing here says which
strategy a model is better at.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from strategies_tasks import TASKS, Ask, Task

from meshplan.compiler.tokens import counted_text
from meshplan.runtime.strategies.code.strategy import CodeStrategy
from meshplan.runtime.strategies.port import Surface, Tool
from meshplan.runtime.strategies.search.strategy import SearchStrategy
from meshplan.schemas import jsontext
from meshplan.schemas.plan import Code, Search
from meshplan.schemas.tokens import estimate

EXAMPLES = Path(__file__).parent.parent / "examples" / "servers"
LOCKS = Path(__file__).parent.parent / "mesh.lock"
STRATEGIES = ("passthrough", "search", "code")
MANY = 500


def main() -> None:
    print(f"{'':<52}" + "".join(f"{kind:>27}" for kind in STRATEGIES))
    print(f"{'':<52}" + f"{'rounds':>11}{'entered':>8}{'read':>8}" * len(STRATEGIES))
    runs = {kind: asyncio.run(_run(kind)) for kind in STRATEGIES}
    for at, task in enumerate(TASKS):
        answers = [json.dumps(runs[kind][at].answer) for kind in STRATEGIES]
        if len(set(answers)) > 1:
            raise SystemExit(f"{task.title}: the strategies come to different answers: {answers}")
        print(f"{task.title:<52}" + "".join(_row(runs[kind][at]) for kind in STRATEGIES))
    print(f"{'all':<52}" + "".join(_row(_sum(runs[kind])) for kind in STRATEGIES))
    _surfaces()


@dataclass
class Context:
    """What a model has in its context while it does one task."""

    entered: int
    rounds: int = 0
    read: int = 0
    answer: Any = None
    seen: list[list[Any]] = field(default_factory=list)

    def turn(self, texts: list[str]) -> None:
        """The model reads all that there is, and calls; calls and results come into the context."""
        self.rounds += 1
        self.read += self.entered
        self.entered += sum(estimate(text) for text in texts)


def _row(context: Context) -> str:
    return f"{context.rounds:>11}{context.entered:>8,}{context.read:>8,}"


def _sum(contexts: list[Context]) -> Context:
    return Context(sum(c.entered for c in contexts), sum(c.rounds for c in contexts), sum(c.read for c in contexts))


async def _run(kind: str) -> list[Context]:
    """All tasks by one strategy, on servers that have just started."""
    with tempfile.TemporaryDirectory() as folder, _servers() as ports:
        plan = _plan(Path(folder), ports)
        command = StdioServerParameters(
            command=sys.executable, args=["-m", "meshplan.runtime", "stdio", kind, "--plan", str(plan)], cwd=folder
        )
        async with AsyncExitStack() as stack:
            stderr = stack.enter_context((Path(folder) / "log").open("w"))
            client = await stack.enter_async_context(Client(stdio_client(command, errlog=stderr)))
            tools = (await client.list_tools()).tools
            listed = sum(_listed(tool.model_dump(mode="json", by_alias=True, exclude_none=True)) for tool in tools)
            found: list[Context] = []
            for task in TASKS:
                context = Context(listed)
                await _DO[kind](client, task, context)
                found.append(context)
            return found


def _listed(definition: dict[str, Any]) -> int:
    return estimate(counted_text(jsontext.canonical(definition)))


async def _calls(client: Client, context: Context, asks: list[Ask]) -> list[Any]:
    """One turn: all calls at once."""
    results = await asyncio.gather(*[client.call_tool(name, arguments) for name, arguments in asks])
    texts: list[str] = []
    for (name, arguments), result in zip(asks, results, strict=True):
        if result.is_error:
            raise RuntimeError(f"{name} {arguments}: {result.content}")
        texts += [json.dumps({"name": name, "arguments": arguments}), *[block.text for block in result.content]]
    context.turn(texts)
    return [result.structured_content for result in results]


async def _passthrough(client: Client, task: Task, context: Context) -> None:
    for turn in task.turns:
        context.seen.append(await _calls(client, context, turn(context.seen)))
    context.answer = task.answer(context.seen)


async def _search(client: Client, task: Task, context: Context) -> None:
    [found] = await _calls(client, context, [("search_tools", {"queries": task.queries})])
    known = {tool["tool"]: tool for one in found["results"] for tool in one["tools"] if "signature" in tool}
    for turn in task.turns:
        asks: list[Ask] = []
        for name, arguments in turn(context.seen):
            how = "read_tool" if known[name]["readOnly"] else "call_tool"
            asks.append((how, {"tool": name, "arguments": arguments}))
        context.seen.append(await _calls(client, context, asks))
    context.answer = task.answer(context.seen)


async def _code(client: Client, task: Task, context: Context) -> None:
    names = {tool.name for tool in (await client.list_tools()).tools}
    if "search_tools" in names:
        await _calls(client, context, [("search_tools", {"queries": task.queries})])
    [ran] = await _calls(client, context, [("run_code", {"code": "import asyncio" + task.program})])
    context.answer = ran["value"]


_DO = {"passthrough": _passthrough, "search": _search, "code": _code}


@contextmanager
def _servers() -> Generator[dict[str, int]]:
    ports = {name: _free_port() for name in ("tickets", "catalog")}
    started = [
        subprocess.Popen(
            [sys.executable, EXAMPLES / f"{name}.py", "--port", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, port in ports.items()
    ]
    try:
        for port in ports.values():
            _wait(port)
        yield ports
    finally:
        for process in started:
            process.terminate()
            process.wait(10)


def _surfaces() -> None:
    """What a client sees of many tools: those of the examples again and again, under other names."""
    tools = _many(MANY)
    visible = frozenset(tool.capability for tool in tools)
    surface = Surface("many", tools)
    bounds = Code(wall_ms=5_000, memory_bytes=1 << 26, calls=50, output_bytes=1 << 18, logs_bytes=1 << 14)
    listed = {
        "passthrough": [tool.definition for tool in tools],
        "search": SearchStrategy(surface, Search(max_results=10, pinned=())).listed(visible),
        "code": CodeStrategy(surface, bounds).listed(visible),
    }
    costs = {kind: sum(_listed(json.loads(one)) for one in found) for kind, found in listed.items()}
    shown = ", ".join(f"{kind} {cost:,} ({100 * cost / costs['passthrough']:.1f} %)" for kind, cost in costs.items())
    print(f"\nthe list of {MANY} tools: {shown}")


def _many(count: int) -> tuple[Tool, ...]:
    definitions = [
        (path.stem, tool["definition"])
        for path in sorted(LOCKS.glob("*.json"))
        for tool in json.loads(path.read_text())["tools"].values()
    ]
    found: list[Tool] = []
    for number in range(count):
        server, definition = definitions[number % len(definitions)]
        name = f"{definition['name']}_{number}"
        text = jsontext.canonical({**definition, "name": name})
        found.append(Tool(f"{server}/tool/{name}", server, name, text.encode(), "read"))
    return tuple(found)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def _wait(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def _plan(folder: Path, ports: dict[str, int]) -> Path:
    """A mesh with one endpoint a strategy, locked and compiled as users do it."""
    include = [{"server": name, "tools": "all"} for name in ("notes", "tickets", "catalog")]
    mesh = {
        "mesh": "v1",
        "name": "bench",
        "servers": {
            "notes": {"stdio": [sys.executable, str(EXAMPLES / "notes.py")]},
            **{name: {"http": f"http://127.0.0.1:{port}/mcp"} for name, port in ports.items()},
        },
        "virtual": {kind: {"strategy": kind, "include": include} for kind in STRATEGIES},
        "identity": {"teams": {"all": {}}, "local": {"teams": ["all"]}},
        "roles": {"any": {"allow": [{"server": ["notes", "tickets", "catalog"]}]}},
        "grants": [{"role": "any", "to": [{"team": "all"}]}],
    }
    (folder / "mesh.yaml").write_text(json.dumps(mesh))
    for command in (["lock"], ["plan", "--out", "plan.mesh"]):
        done = subprocess.run(
            [sys.executable, "-m", "meshplan.compiler", *command],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"mesh {' '.join(command)}: {done.stdout}{done.stderr}")
    return folder / "plan.mesh"


if __name__ == "__main__":
    main()
