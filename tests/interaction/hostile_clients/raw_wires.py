"""Bytes on a socket, a mesh to send them to, and a client that behaves while others do not."""

import json
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from plans import Draft

from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import HttpTransport, Limits

BODY, HEADERS, DEPTH, STREAMS = 1_000_000, 16_384, 32, 1000
SECONDS = 25.0
"""How long any one answer may take; no test waits so long unless something is wrong."""


@dataclass
class Answer:
    """One response: ``status`` 0 where the server closed without one."""

    status: int
    headers: dict
    body: bytes

    @property
    def error(self):
        return json.loads(self.body)["error"]


class Wire:
    """One connection of an attacker."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """True while the server takes it."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _more(self):
        try:
            found = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.rest += found
        return bool(found)

    def closed(self):
        """Whether the server closes without another word."""
        while self._more():
            pass
        return self.rest == b""

    def head(self):
        while b"\r\n\r\n" not in self.rest:
            if not self._more():
                return Answer(0, {}, b"")
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Answer(int(first.split()[1]), headers, b"")

    def answer(self):
        """The next whole response."""
        found = self.head()
        if found.status == 0:
            return found
        if found.headers.get("transfer-encoding") == "chunked":
            while not self.rest.endswith(b"0\r\n\r\n") and self._more():
                pass
            found.body, self.rest = self.rest, b""
            return found
        length = int(found.headers.get("content-length", 0))
        while len(self.rest) < length and self._more():
            pass
        found.body, self.rest = self.rest[:length], self.rest[length:]
        return found


def modern(port, method="tools/call", params=None, *, key="ann", more=(), drop=(), number=1):
    """Head and body of a good request of 2026-07-28, less the headers ``drop`` and with the lines ``more``."""
    params = {"name": "get_note", "arguments": {}} if params is None else params
    meta = {"protocolVersion": "2026-07-28", "clientCapabilities": {}}
    params = {**params, "_meta": {f"io.modelcontextprotocol/{name}": value for name, value in meta.items()}}
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
    headers = {
        "Host": f"127.0.0.1:{port}",
        "Authorization": f"Bearer secret-{key}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": method,
        "Content-Length": str(len(body)),
    }
    if "name" in params:
        headers["Mcp-Name"] = params["name"]
    lines = [f"{name}: {value}" for name, value in headers.items() if name not in drop]
    return "\r\n".join(["POST /mcp/dev HTTP/1.1", *lines, *more]).encode("latin-1") + b"\r\n\r\n", body


def legacy(port, message, *, key="ann", session=None, more=()):
    """Head and body of a POST of the handshake era."""
    body = json.dumps(message).encode()
    more = [*more, *([f"Mcp-Session-Id: {session}"] if session else [])]
    head, _ = modern(
        port, key=key, more=more, drop=("MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Content-Length")
    )
    return head[:-2] + b"content-length: %d\r\n\r\n" % len(body), body


@dataclass
class Friend:
    """Calls a tool again and again on one connection, and notes every answer that is not right."""

    port: int
    calls: int = 0
    wrong: list = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    went_on: threading.Condition = field(default_factory=threading.Condition)

    def run(self):
        with Wire(self.port) as wire:
            head, body = modern(self.port, key="friend")
            while not self.stop.wait(0.02):
                wire.send(head + body)
                answer = wire.answer()
                if answer.status != 200 or b"here" not in answer.body:
                    self.wrong.append(answer)
                    return
                with self.went_on:
                    self.calls += 1
                    self.went_on.notify_all()

    def begin(self):
        return self.calls

    def got_on(self, *, since):
        """It was answered meanwhile, and is answered now."""
        with self.went_on:
            assert self.went_on.wait_for(lambda: self.wrong or self.calls >= since + 2, SECONDS)
        assert not self.wrong, self.wrong


@dataclass
class Mesh:
    """The runtime under attack."""

    port: int
    process: subprocess.Popen
    friend: Friend
    memory_at_start: int = 0
    MAX_GROWTH = 120_000_000
    """Bytes; ten bodies of 100 MB are sent, and 1,000 streams opened."""

    def wire(self):
        return Wire(self.port)

    def once(self, data):
        """What is answered to these bytes on a connection of their own."""
        with self.wire() as wire:
            wire.send(data)
            return wire.answer()

    def good(self, **more):
        return b"".join(modern(self.port, **more))

    def processes(self):
        """The runtime's own processes: with workers, the supervisor and those that it has started."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def memory(self):
        """Resident bytes, with workers of all processes."""
        return sum(_resident(pid) for pid in self.processes())

    def session(self, key="ann"):
        asked = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}
        answer = self.once(b"".join(legacy(self.port, message, key=key)))
        assert answer.status == 200, answer
        return answer.headers["mcp-session-id"]


def _resident(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


def _first_line(stream, start):
    for line in iter(stream.readline, b""):
        if line.startswith(start):
            return line.decode()
    raise AssertionError("the process ended")


@contextmanager
def _process(*command, **more):
    with subprocess.Popen([sys.executable, *map(str, command)], **more) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _plan(port):
    draft = Draft()
    draft.server("notes", HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={}, auth=None), timeout_ms=20_000)
    draft.tool("dev", "notes", "get", "get_note")
    draft.tool("dev", "notes", "big")
    for name in ("ann", "bob", "friend"):
        draft.key(name, f"user:{name}")
        draft.grant("all", f"user:{name}")
    draft.limits = Limits(
        body_bytes=BODY, header_bytes=HEADERS, json_depth=DEPTH, idle_streams=STREAMS, concurrency_per_principal=8
    )
    return draft.bundle()


@contextmanager
def mesh(folder, workers=1):
    """The runtime, its server and the client that behaves."""
    with ExitStack() as stack:
        server = stack.enter_context(_process(Path(__file__).with_name("plain_upstream.py"), stdout=subprocess.PIPE))
        (folder / "plan").write_text(pack(_plan(int(server.stdout.readline()))))
        command = (
            "-m",
            "meshplan.runtime",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--plan",
            folder / "plan",
            "--workers",
            workers,
        )
        process = stack.enter_context(_process(*command, stderr=subprocess.PIPE))
        port = int(_first_line(process.stderr, b"serving").split("/")[2].rpartition(":")[2])
        log = threading.Thread(target=process.stderr.read, daemon=True)
        log.start()
        friend = Friend(port)
        found = Mesh(port, process, friend)
        thread = threading.Thread(target=friend.run, daemon=True)
        thread.start()
        friend.got_on(since=0)
        found.memory_at_start = found.memory()
        try:
            yield found
        finally:
            friend.stop.set()
            thread.join(SECONDS)
