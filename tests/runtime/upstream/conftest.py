"""Real servers for upstream tests: a child process or a listening socket, of either era."""

import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import anyio
import mcp_types as types
import pytest
import uvicorn
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamRequest
from meshplan.schemas.plan import BearerAuth, HttpTransport, Server, StdioTransport

RAW_STDIO = Path(__file__).parents[2] / "servers" / "raw_stdio.py"
SEEN_HEADERS = ("authorization", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-param-region", "x-team")


@dataclass
class Fixture:
    """An HTTP server's state: what it holds back, and what it has seen."""

    sessions_only: bool = False
    token: str | None = None
    calls: int = 0
    held: dict[str, anyio.Event] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    def app(self):
        async def list_tools(_context, _params):
            return types.ListToolsResult(tools=[])

        async def call_tool(_context, _params):
            return types.CallToolResult(content=[])

        server = SdkServer(
            "fixture", on_list_tools=list_tools, on_call_tool=call_tool, get_tool_input_schema=lambda _: None
        )
        server.middleware.append(self.serve)
        return self.guard(server.streamable_http_app())

    def guard(self, app):
        async def guarded(scope, receive, send):
            if scope["type"] == "http":
                headers = Headers(scope=scope)
                self.headers.append({name: headers[name] for name in SEEN_HEADERS if name in headers})
                version = headers.get("mcp-protocol-version")
                if self.token is not None and headers.get("authorization") != f"Bearer {self.token}":
                    return await Response(status_code=401)(scope, receive, send)
                if self.sessions_only and version not in {None, *HANDSHAKE_PROTOCOL_VERSIONS}:
                    return await JSONResponse({"detail": "no such version"}, status_code=400)(scope, receive, send)
            return await app(scope, receive, send)

        return guarded

    async def serve(self, context, call_next):
        if context.method != "tools/call" or context.request_id is None:
            return await call_next(context)
        self.calls += 1
        arguments, meta = context.params.get("arguments", {}), dict(context.params.get("_meta", {}))
        result = {"content": []} if self.sessions_only else {"content": [], "resultType": "complete"}
        match context.params["name"]:
            case "echo":
                content = [{"type": "text", "text": "x", "novel": None}]
                return {**result, "content": content, "futureField": arguments, "meta": meta}
            case "hold":
                return {**result, **await self.hold(context, arguments["key"])}
            case "release":
                self.held[arguments["key"]].set()
            case "seen":
                return {**result, "held": sorted(self.held), "cancelled": self.cancelled}
            case "fail":
                raise MCPError(-32050, "no such luck", {"why": [1, None]})
            case "ask":
                return {**result, "asked": await self.ask(context, arguments["method"])}
            case _:
                raise MCPError(-32602, "unknown tool")
        return result

    async def hold(self, context, key):
        self.held[key] = release = anyio.Event()
        self.changed.set()
        await context.session.report_progress(1, None, key)
        log = types.LoggingMessageNotification(params=types.LoggingMessageNotificationParams(level="error", data=key))
        await context.session.send_notification(log, related_request_id=context.request_id)
        try:
            await release.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.append(key)
            self.changed.set()
            raise
        finally:
            del self.held[key]
        return {"key": key}

    async def ask(self, context, method):
        try:
            if method == "ping":
                await context.session.send_ping()
            else:
                await context.session.elicit(
                    "?", {"type": "object", "properties": {}}, related_request_id=context.request_id
                )
        except MCPError as error:
            return error.code
        return "answered"


class Listener(uvicorn.Server):
    """A uvicorn server in the test's own event loop."""

    def __init__(self, app, port):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.port = self.socket.getsockname()[1]
        self.up, self.down = anyio.Event(), anyio.Event()
        super().__init__(uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=1))

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.up.set()

    async def run_until_stopped(self):
        await self.serve(sockets=[self.socket])
        self.down.set()

    async def stop(self):
        self.should_exit = self.force_exit = True
        with anyio.fail_after(10):
            await self.down.wait()


@dataclass
class Web:
    """Starts HTTP servers, and starts them again on the same port."""

    tasks: anyio.abc.TaskGroup
    listeners: list[Listener] = field(default_factory=list)

    async def start(self, app, port=0) -> Listener:
        listener = Listener(app, port)
        self.listeners.append(listener)
        self.tasks.start_soon(listener.run_until_stopped)
        with anyio.fail_after(10):
            await listener.up.wait()
        return listener


@pytest.fixture
async def web(anyio_backend) -> AsyncGenerator[Web]:
    async with anyio.create_task_group() as tasks:
        found = Web(tasks)
        yield found
        for listener in found.listeners:
            if not listener.down.is_set():
                await listener.stop()


def http_server(port, *, headers=None, token=None) -> Server:
    auth = BearerAuth(token=token) if token is not None else None
    url = f"http://127.0.0.1:{port}/mcp"
    return Server(transport=HttpTransport(url=url, headers=headers or {}, auth=auth), timeout_ms=5000, relays=())


def stdio_server(*args, env=None, cwd=".") -> Server:
    argv = (sys.executable, str(RAW_STDIO), *args)
    return Server(transport=StdioTransport(argv=argv, env=env or {}, cwd=cwd), timeout_ms=5000, relays=())


def call(name, /, *, timeout=10.0, **arguments) -> UpstreamRequest:
    return UpstreamRequest("tools/call", {"name": name, "arguments": arguments}, timeout)


@pytest.fixture
def kit() -> SimpleNamespace:
    """The helpers above, for test modules."""
    return SimpleNamespace(http_server=http_server, stdio_server=stdio_server, call=call, Fixture=Fixture)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    async def check(condition, seconds=10.0):
        with anyio.fail_after(seconds):
            while not await condition():
                await anyio.lowlevel.checkpoint()

    return check


@pytest.fixture(params=["http-modern", "http-legacy", "stdio-modern", "stdio-legacy"])
def flavour(request) -> str:
    return request.param


@pytest.fixture
async def server(flavour, web, kit) -> Server:
    transport, era = flavour.split("-")
    if transport == "stdio":
        return stdio_server(era)
    listener = await web.start(Fixture(sessions_only=era == "legacy").app())
    return http_server(listener.port)


@pytest.fixture
async def upstream(server, tmp_path):
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        yield upstreams.get("s")
