"""A server of either era over HTTP or standard input and output, without any library, that has every feature of MCP.

Usage: era_upstream.py modern|legacy BELL [PORT]. What is appended to the file BELL is said to whoever listens, a line each:
`resources` (the list changed), `task` (it has ended), `done ID` (of a link that a user was given) or the URI of a resource that changed.
"""

import itertools
import json
import queue
import select
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODERN, META = "2026-07-28", "io.modelcontextprotocol/"
TASKS = "io.modelcontextprotocol/tasks"
WAIT = 10.0
NOVEL = "org.example/novel"
ANY, VALUES = {"type": "object"}, {"type": "array", "items": {"type": "number"}}
TOOLS = (
    "ask", "closed", "echo", "fail", "hang", "hung", "link", "logs", "rounds", "slow", "task", "told", "values", "withdrawn",
)  # fmt: skip
PAGE = {"text": "<p>hi</p>", "mimeType": "text/html;profile=mcp-app", "_meta": {"ui": {"csp": {"connectDomains": []}}}}
OFFERED = {
    "tool": [
        {
            "name": name,
            "inputSchema": ANY,
            **({"_meta": {"ui": {"resourceUri": "ui://page"}}} if name == "echo" else {}),
            **({"outputSchema": VALUES} if name == "values" else {}),
        }
        for name in TOOLS
    ],
    "prompt": [{"name": "greet", "arguments": [{"name": "name", "required": True}]}],
    "resource": [{"uri": "test://doc", "name": "doc"}, {"uri": "ui://page", "name": "page"}],
    "template": [{"uriTemplate": "test://item/{id}", "name": "item"}],
}
LISTS = {
    "tools/list": ("tools", "tool"),
    "prompts/list": ("prompts", "prompt"),
    "resources/list": ("resources", "resource"),
    "resources/templates/list": ("resourceTemplates", "template"),
}
STRANGE = {"type": "novel", "n": 12345678901234567890, "t": "\u2028é\U0001f600", "_meta": {"x": None}}
QUESTIONS = {
    "form": ("elicitation", "elicitation/create", {"message": "Who?", "requestedSchema": {**ANY, "properties": {}}}),
    "url": ("elicitation", "elicitation/create", {"mode": "url", "message": "Go", "url": "https://x.test/"}),
    "sample": ("sampling", "sampling/createMessage", {"messages": [], "maxTokens": 5}),
    "roots": ("roots", "roots/list", {}),
}


class Error(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.body = {"code": code, "message": message, **({} if data is None else {"data": data})}


class Peer:
    """One client: its declared capabilities, what runs for it, and what is said to it outside of requests."""

    def __init__(self):
        self.declared, self.running, self.waiting = {}, {}, {}
        self.subscribed, self.aside, self.told = set(), queue.Queue(), []


class Exchange:
    """One request that is being answered: `write` sends a message, `gone` says that its client has left."""

    def __init__(self, peer, request, write, gone=lambda: False):
        self.peer, self.id, self.method = peer, request["id"], request["method"]
        self.params, self.write, self.gone = request.get("params") or {}, write, gone
        self.meta = self.params.get("_meta") or {}
        self.cancelled = threading.Event()

    def notify(self, method, **params):
        self.write({"jsonrpc": "2.0", "method": f"notifications/{method}", "params": params})


class Everything:
    def __init__(self, bell, *, modern):
        self.bell, self.modern, self.numbers = bell, modern, itertools.count()
        self.listeners, self.peers = {}, []

    def answer(self, exchange):
        """Handle one request to its end, and send the response unless it was cancelled."""
        exchange.peer.running[exchange.id] = exchange
        head = {"jsonrpc": "2.0", "id": exchange.id}
        try:
            result = self.result(exchange)
            if self.modern:
                result = {"resultType": "complete", **result}
            final = {**head, "result": result}
        except Error as error:
            final = {**head, "error": error.body}
        del exchange.peer.running[exchange.id]
        if not exchange.cancelled.is_set():
            exchange.write(final)

    def take(self, peer, message):
        """A response or a notification of the client."""
        if "method" not in message:
            peer.waiting.pop(message["id"]).put(message)
        elif message["method"] == "notifications/cancelled":
            found = peer.running.get(message["params"]["requestId"])
            if found is not None:
                found.cancelled.set()
        else:
            peer.told.append(message)

    def result(self, exchange):
        method, params = exchange.method, exchange.params
        if self.modern != (META + "protocolVersion" in exchange.meta):
            raise Error(-32601 if self.modern else -32600, "this is another revision")
        if self.modern:
            exchange.peer.declared = exchange.meta[META + "clientCapabilities"]
        found = LISTS.get(method)
        if found is not None:
            return {found[0]: OFFERED[found[1]], **self.cached}
        name = f"on_{method.replace('/', '_')}"
        handler = getattr(self, name, None) or getattr(self, f"{'modern' if self.modern else 'legacy'}_{name}", None)
        if handler is None:
            raise Error(-32601, "Method not found")
        return handler(exchange, params)

    @property
    def cached(self):
        return {"ttlMs": 0, "cacheScope": "private"} if self.modern else {}

    def modern_on_server_discover(self, exchange, params):
        capabilities = self.capabilities() | {"extensions": {TASKS: {}, NOVEL: {}}}
        return {"supportedVersions": [MODERN], "capabilities": capabilities, **self.cached}

    def legacy_on_initialize(self, exchange, params):
        exchange.peer.declared = params["capabilities"]
        info = {"name": "everything", "version": "1"}
        capabilities = self.capabilities() | {"experimental": {NOVEL: {}}}
        return {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info}

    def on_resources_read(self, exchange, params):
        uri = params["uri"]
        content = PAGE if uri == "ui://page" else {"text": f"read {uri}", "novel": None}
        return {"contents": [{"uri": uri, **content}], **self.cached}

    def on_prompts_get(self, exchange, params):
        said = text(f"Hello, {params['arguments']['name']}")
        return {"messages": [{"role": "user", "content": said}], "novel": [1.0]}

    def on_completion_complete(self, exchange, params):
        reference = params["ref"].get("name") or params["ref"]["uri"]
        return {"completion": {"values": [f"{reference} {params['argument']['value']}"], "novel": 1}}

    def legacy_on_resources_subscribe(self, exchange, params):
        exchange.peer.subscribed.add(params["uri"])
        return {}

    def legacy_on_resources_unsubscribe(self, exchange, params):
        exchange.peer.subscribed.discard(params["uri"])
        return {}

    def modern_on_tasks_get(self, exchange, params):
        if params["taskId"] != "t-1":
            raise Error(-32602, "no such task")
        return {**task("completed"), "result": {"content": [text("worked")]}}

    def on_tools_call(self, exchange, params):
        return getattr(self, f"tool_{params['name']}")(exchange, params.get("arguments") or {})

    def capabilities(self):
        resources = {"listChanged": True, "subscribe": True}
        return {"tools": {}, "prompts": {}, "completions": {}, "logging": {}, "resources": resources}

    def modern_on_subscriptions_listen(self, exchange, params):
        wanted = params["notifications"]
        if "taskIds" in wanted and TASKS not in exchange.peer.declared.get("extensions", {}):
            raise Error(-32021, "no tasks without the extension")
        mark = {META + "subscriptionId": exchange.id}
        exchange.notify("subscriptions/acknowledged", notifications=wanted, _meta=mark)
        self.listeners[exchange] = wanted
        until(lambda: exchange.cancelled.is_set() or exchange.gone(), 3600)
        del self.listeners[exchange]
        exchange.cancelled.set()
        return {}

    def ring(self, line):
        """Say to all who listen that something changed, or to every client that a link is done with."""
        if line.startswith("done "):
            for peer in tuple(self.peers):
                params = {"elicitationId": line.removeprefix("done ")}
                peer.aside.put({"jsonrpc": "2.0", "method": "notifications/elicitation/complete", "params": params})
            return
        if line == "task":
            done = {**task("completed"), "result": {"content": [text("worked")]}, "novel": [1.0, None]}
            for exchange, wanted in tuple(self.listeners.items()):
                if done["taskId"] in wanted.get("taskIds", ()):
                    exchange.notify("tasks", **done, _meta={META + "subscriptionId": exchange.id, "x/y": 1})
            return
        list_changed = line == "resources"
        name = "resources/list_changed" if list_changed else "resources/updated"
        params = {} if list_changed else {"uri": line}
        for exchange, wanted in tuple(self.listeners.items()):
            if wanted.get("resourcesListChanged") if list_changed else line in wanted.get("resourceSubscriptions", ()):
                exchange.notify(name, **params, _meta={META + "subscriptionId": exchange.id})
        for peer in tuple(self.peers):
            if not self.modern and (list_changed or line in peer.subscribed):
                peer.aside.put({"jsonrpc": "2.0", "method": f"notifications/{name}", "params": params})

    def tool_echo(self, exchange, arguments):
        return {"content": [text("echo"), STRANGE], "structuredContent": arguments, "novel": {"deep": [None, 1.0]}}

    def tool_values(self, exchange, arguments):
        return {"content": [], "structuredContent": [1, 12345678901234567890]}

    def tool_fail(self, exchange, arguments):
        raise Error(-32099, "broken", {"why": ["dust", None]})

    def tool_slow(self, exchange, arguments):
        for done in (1, 2):
            self.progress(exchange, done)
        return {"content": [text("done")]}

    def progress(self, exchange, done):
        if "progressToken" in exchange.meta:
            exchange.notify("progress", progressToken=exchange.meta["progressToken"], progress=done, novel=done)

    def tool_hang(self, exchange, arguments):
        self.progress(exchange, 1)
        if until(lambda: exchange.cancelled.is_set() or exchange.gone(), WAIT):
            self.bell.with_name(arguments["mark"]).touch()
            exchange.cancelled.set()
        return {"content": [text("not cancelled")]}

    def tool_hung(self, exchange, arguments):
        return {"content": [text(str(until(self.bell.with_name(arguments["mark"]).exists, WAIT)))]}

    def tool_logs(self, exchange, arguments):
        if not self.modern or META + "logLevel" in exchange.meta:
            exchange.notify("message", level="error", data={"novel": None})
        return {"content": [text("logged")]}

    def tool_task(self, exchange, arguments):
        if TASKS not in exchange.peer.declared.get("extensions", {}):
            return {"content": [text("worked at once")]}
        return {"resultType": "task", **task("working")}

    def tool_ask(self, exchange, arguments):
        heard = self.ask(exchange, arguments["kind"], "one")
        return heard if "resultType" in heard else {"content": [text("heard")], "structuredContent": heard}

    def tool_link(self, exchange, arguments):
        heard = self.ask(exchange, "url", "one", arguments["mark"])
        return heard if "resultType" in heard else {"content": [text("heard")], "structuredContent": heard}

    def tool_closed(self, exchange, arguments):
        if self.modern or "url" not in exchange.peer.declared.get("elicitation", {}):
            return {"content": [], "structuredContent": {"undeclared": "elicitation"}}
        asked = {**QUESTIONS["url"][2], "elicitationId": arguments["mark"]}
        raise Error(-32042, "open the link first", {"elicitations": [asked]})

    def tool_withdrawn(self, exchange, arguments):
        if self.modern:
            return {"content": [text("never asked in a session")]}
        asked, heard = self.bell.with_name(arguments["mark"]), self.bell.with_name(f"{arguments['mark']}-heard")
        _, method, params = QUESTIONS["sample"]
        number = f"ask-{next(self.numbers)}"
        exchange.peer.waiting[number] = answered = queue.Queue()
        exchange.write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        until(lambda: asked.exists() or answered.qsize(), WAIT)
        exchange.notify("cancelled", requestId=number, reason="no longer wanted")
        until(lambda: heard.exists() or answered.qsize(), WAIT)
        return {"content": [text("went on")]}

    def tool_told(self, exchange, arguments):
        """What the server heard of its client's roots, and how far the answer to a question had come."""
        if self.modern:
            return {"content": [], "structuredContent": {"declared": False, "progress": []}}
        declared, told = exchange.peer.declared, exchange.peer.told
        if "sample" in arguments:
            number = f"ask-{next(self.numbers)}"
            exchange.peer.waiting[number] = answered = queue.Queue()
            _, method, params = QUESTIONS["sample"]
            asked = {**params, "_meta": {"progressToken": number}}
            exchange.write({"jsonrpc": "2.0", "id": number, "method": method, "params": asked})
            answered.get(timeout=WAIT)
        progress = [note["params"]["progress"] for note in told if note["method"] == "notifications/progress"]
        changed = any(note["method"] == "notifications/roots/list_changed" for note in told)
        roots = {"declared": "listChanged" in declared.get("roots", {}), "changed": changed}
        return {"content": [], "structuredContent": {**roots, "progress": progress}}

    def tool_rounds(self, exchange, arguments):
        if not self.modern:
            heard = [self.ask(exchange, "form", ""), self.ask(exchange, "form", "")]
        elif exchange.params.get("requestState") != "two":
            first = self.ask(exchange, "form", "one")
            return first if "resultType" in first else self.question("form", "two")
        else:
            heard = ["kept in the state", self.ask(exchange, "form", "two")]
        return {"content": [text("heard")], "structuredContent": {"rounds": heard}}

    def ask(self, exchange, kind, state, link="e-1"):
        """The client's answer, or the result that asks for it; a client that cannot answer is not asked."""
        capability, method, params = QUESTIONS[kind]
        declared = exchange.peer.declared.get(capability)
        if declared is None or (kind == "url" and "url" not in declared):
            return {"undeclared": capability}
        if self.modern:
            if exchange.params.get("requestState") != state:
                return self.question(kind, state)
            return exchange.params["inputResponses"]["q"]
        number = f"ask-{next(self.numbers)}"
        exchange.peer.waiting[number] = answered = queue.Queue()
        more = {"elicitationId": link} if kind == "url" else {}
        exchange.write({"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, **more}})
        message = answered.get(timeout=WAIT)
        return message["result"] if "result" in message else {"refused": message["error"]["code"]}

    def question(self, kind, state):
        _, method, params = QUESTIONS[kind]
        asked = {"q": {"method": method, "params": params}}
        return {"resultType": "input_required", "inputRequests": asked, "requestState": state}


def text(value):
    return {"type": "text", "text": value}


def task(status):
    at = "2026-01-01T00:00:00Z"
    return {"taskId": "t-1", "status": status, "createdAt": at, "lastUpdatedAt": at, "ttlMs": None}


def until(condition, seconds):
    """Wait for something that only looking tells; whether it came true."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def follow(server):
    """Say what is appended to the bell's file."""
    with server.bell.open() as stream:
        stream.seek(0, 2)
        while True:
            for line in stream.read().splitlines():
                server.ring(line)
            time.sleep(0.02)


def serve_stdio(server):
    lock, peer = threading.Lock(), Peer()
    server.peers.append(peer)

    def write(message):
        with lock:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()

    def aside():
        while True:
            write(peer.aside.get())

    threading.Thread(target=aside, daemon=True).start()
    for line in sys.stdin:
        message = json.loads(line)
        if "method" in message and "id" in message:
            threading.Thread(target=server.answer, args=[Exchange(peer, message, write)], daemon=True).start()
        else:
            server.take(peer, message)


class Handler(BaseHTTPRequestHandler):
    """Streamable HTTP: each request is answered by a stream; sessions where the revision has them."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def plain(self, status, body=None, **headers):
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        found = {"content-type": "application/json", "content-length": str(len(content)), **headers}
        for name, value in found.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def begin(self):
        self.send_response(200)
        for name, value in {"content-type": "text/event-stream", "transfer-encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()

    def event(self, message):
        data = f"data: {json.dumps(message)}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self.wfile.flush()

    def left(self):
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, 2) == b""

    def peer(self):
        """Who speaks: with sessions, whoever opened this one."""
        if self.server.everything.modern:
            return Peer()
        return self.server.sessions.get(self.headers.get("mcp-session-id"))

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server.everything
        if message.get("method") == "initialize" and not server.modern:
            number, peer = f"s-{len(self.server.sessions)}", Peer()
            self.server.sessions[number] = peer
            server.peers.append(peer)
            found = []
            server.answer(Exchange(peer, message, found.append))
            self.plain(200, found[0], mcp_session_id=number)
            return
        peer, wrong = self.peer(), self.wrong(message)
        if peer is None or wrong:
            error = {"code": -32600, "message": f"no session, or header {wrong}"}
            self.plain(400, {"jsonrpc": "2.0", "id": message.get("id"), "error": error})
        elif "method" in message and "id" in message:
            self.begin()
            server.answer(Exchange(peer, message, self.event, self.left))
            self.wfile.write(b"0\r\n\r\n")
        else:
            server.take(peer, message)
            self.plain(202)

    def wrong(self, message):
        """The first header that does not say what the body says."""
        params = message.get("params") or {}
        name = params.get("uri") or params.get("name") or params.get("taskId")
        wanted = {"mcp-protocol-version": MODERN, "mcp-method": message.get("method"), "mcp-name": name}
        if not self.server.everything.modern:
            return "" if self.headers.get("mcp-protocol-version") != MODERN else "mcp-protocol-version"
        return next((key for key, value in wanted.items() if value and self.headers.get(key) != value), "")

    def do_GET(self):
        peer = self.peer()
        if self.server.everything.modern or peer is None:
            self.plain(405)
            return
        self.begin()
        while not self.left():
            try:
                self.event(peer.aside.get(timeout=0.05))
            except queue.Empty:
                continue
        self.close_connection = True

    def do_DELETE(self):
        self.plain(200)


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port, everything):
        super().__init__(("127.0.0.1", port), Handler)
        self.everything, self.sessions = everything, {}

    def handle_error(self, request, client_address):
        """A client that leaves in the middle of its stream is no error."""


def main():
    era, bell, *port = sys.argv[1:]
    server = Everything(Path(bell), modern=era == "modern")
    threading.Thread(target=follow, args=[server], daemon=True).start()
    if not port:
        serve_stdio(server)
        return
    listener = Listener(int(port[0]), server)
    print("ready", flush=True)
    listener.serve_forever()


if __name__ == "__main__":
    main()
