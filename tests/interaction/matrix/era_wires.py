"""Clients of each revision over HTTP and standard input and output, on raw JSON: no library has a say in what is right."""

import http.client
import json
import queue
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2

MODERN, META = "2026-07-28", "io.modelcontextprotocol/"
TASKS = "io.modelcontextprotocol/tasks"
SECONDS = 30
ROUNDS = 4
TRIES, OK, CONFLICT = 50, 200, 409
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri", "tasks/get": "taskId"}
ROOTS = {"listChanged": True}
CAPABILITIES = {
    "2025-03-26": {"sampling": {}, "roots": ROOTS},
    "2025-06-18": {"sampling": {}, "roots": ROOTS, "elicitation": {}},
    "2025-11-25": {"sampling": {}, "roots": ROOTS, "elicitation": {"form": {}, "url": {}}},
    MODERN: {"sampling": {}, "roots": {}, "elicitation": {"form": {}, "url": {}}, "extensions": {TASKS: {}}},
}
"""What a client of each revision can declare."""
SAMPLE = {"role": "assistant", "content": {"type": "text", "text": "sampled"}, "model": "m"}
ANSWERS = {
    "form": {"action": "accept", "content": {"name": "ann"}},
    "url": {"action": "accept"},
    "sampling/createMessage": SAMPLE,
    "roots/list": {"roots": [{"uri": "file:///a"}]},
}


class Absent(Exception):
    """The mesh said in so many words that it does not have this."""


class Leave(Exception):
    """Raised by whoever hears of a running call, to give the call up."""


def answer(method, params):
    """What this user and its model say to a question."""
    return ANSWERS[params.get("mode", "form") if method == "elicitation/create" else method]


@dataclass
class Heard:
    """How a request ended, what was said while it ran, and what its client was asked."""

    final: dict | None = None
    notes: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    questions: list = field(default_factory=list)

    @property
    def result(self):
        assert self.final is not None, "the stream ended without a response"
        if "error" in self.final:
            raise Absent(self.final["error"])
        return self.final["result"]


class Wire:
    """One client; a subclass knows how messages travel."""

    def __init__(self, version):
        self.version, self.modern, self.numbers = version, version == MODERN, 0
        self.declared = CAPABILITIES[version]
        self.in_place_of_an_answer = None
        self.offered = {}

    def start(self):
        """Learn what the server can do: by a handshake, or by asking."""
        if self.modern:
            self.offered = self.call("server/discover").result
            return
        info = {"name": "raw", "version": "1"}
        params = {"protocolVersion": self.version, "capabilities": self.declared, "clientInfo": info}
        self.offered = self.call("initialize", params).result
        assert self.offered["protocolVersion"] == self.version
        self.tell({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def message(self, method, params=None, meta=None):
        self.numbers += 1
        params = dict(params or {})
        if self.modern:
            meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": self.declared, **(meta or {})}
        if meta:
            params["_meta"] = meta
        return {"jsonrpc": "2.0", "id": self.numbers, "method": method, "params": params}

    def call(self, method, params=None, *, meta=None, on_note=None):
        """One request to its end, with as many rounds as the server wants."""
        heard = Heard()
        for _ in range(ROUNDS):
            request = self.message(method, params, meta)
            self.exchange(request, heard, on_note)
            result = (heard.final or {}).get("result") or {}
            if result.get("resultType") != "input_required":
                return heard
            assert self.modern, "an older revision has no rounds"
            heard.asked += [question["method"] for question in result["inputRequests"].values()]
            heard.questions += [question["params"] for question in result["inputRequests"].values()]
            answers = {key: answer(q["method"], q["params"]) for key, q in result["inputRequests"].items()}
            params = {**params, "inputResponses": answers, "requestState": result["requestState"]}
        raise AssertionError(f"more than {ROUNDS} rounds")

    def tool(self, name, arguments=None, **more):
        return self.call("tools/call", {"name": name, "arguments": arguments or {}}, **more)

    def take(self, message, heard, on_note):
        """A message that came while a request runs; a question is answered at once."""
        if "method" not in message:
            heard.final = message
        elif "id" in message:
            assert not self.modern, "this revision has no requests of servers"
            heard.asked.append(message["method"])
            heard.questions.append(message["params"])
            if self.in_place_of_an_answer is not None:
                self.in_place_of_an_answer()
                return
            token = (message["params"].get("_meta") or {}).get("progressToken")
            if token is not None:
                params = {"progressToken": token, "progress": 1}
                self.tell({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
            found = answer(message["method"], message["params"])
            self.tell({"jsonrpc": "2.0", "id": message["id"], "result": found})
        else:
            heard.notes.append(message)
            if on_note is not None:
                on_note(message)

    def cancel(self, number):
        self.tell({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})


class HttpWire(Wire):
    def __init__(self, url, version):
        super().__init__(version)
        self.url, self.session = url, None
        self.web = httpx2.Client(timeout=SECONDS)

    def headers(self, message):
        found = {"authorization": "Bearer secret-ann", "accept": "application/json, text/event-stream"}
        if self.modern:
            params = message["params"]
            found |= {"mcp-protocol-version": MODERN, "mcp-method": message["method"]}
            name = params.get(NAMED.get(message["method"], ""))
            return found | ({"mcp-name": name} if name else {})
        if self.session is not None:
            found |= {"mcp-session-id": self.session}
            found |= {"mcp-protocol-version": self.version} if self.version > "2025-03-26" else {}
        return found

    def exchange(self, request, heard, on_note):
        with self.web.stream("POST", self.url, json=request, headers=self.headers(request)) as response:
            self.session = response.headers.get("mcp-session-id", self.session)
            try:
                for message in _messages(response):
                    self.take(message, heard, on_note)
            except Leave:
                # Leaving is a cancellation for 2026-07-28 only; before, it has to be said.
                if not self.modern:
                    self.cancel(request["id"])

    def tell(self, message):
        assert self.web.post(self.url, json=message, headers=self.headers(message)).status_code == 202

    def batch(self, messages):
        response = self.web.post(self.url, json=messages, headers=self.headers(messages[0]))
        return response.json()

    @contextmanager
    def listening(self, wanted):
        """A queue of what is said outside of requests."""
        found = queue.Queue()
        request = self.message("subscriptions/listen", {"notifications": wanted})
        for _ in range(TRIES):
            connection = http.client.HTTPConnection(httpx2.URL(self.url).netloc.decode(), timeout=None)
            sent = {**self.headers(request), "content-type": "application/json"}
            method, body = ("POST", json.dumps(request)) if self.modern else ("GET", None)
            connection.request(method, httpx2.URL(self.url).path, body, sent)
            response = connection.getresponse()
            # The end of an earlier stream of the session may not have been noticed yet.
            if response.status != CONFLICT:
                break
            response.read()
            connection.close()
        assert response.status == OK, response.read()
        reader = threading.Thread(target=_gather, args=[response, found])
        reader.start()
        try:
            if self.modern:
                assert found.get(timeout=SECONDS)["method"] == "notifications/subscriptions/acknowledged"
            yield found
        finally:
            connection.sock.shutdown(socket.SHUT_RDWR)
            reader.join(SECONDS)
            response.close()
            connection.close()

    def close(self):
        self.web.close()


def _messages(response):
    if not response.headers["content-type"].startswith("text/event-stream"):
        response.read()
        yield response.json()
        return
    for line in response.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line[6:])


def _gather(response, found):
    try:
        for line in response:
            if line.startswith(b"data: {"):
                found.put(json.loads(line[6:]))
    except (OSError, http.client.HTTPException):
        return


class StdioWire(Wire):
    def __init__(self, process, version):
        super().__init__(version)
        self.process, self.inbox = process, queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.inbox.put(json.loads(line))

    def exchange(self, request, heard, on_note):
        self.tell(request)
        while True:
            message = self.inbox.get(timeout=SECONDS)
            if "method" not in message and message.get("id") != request["id"]:
                continue
            try:
                self.take(message, heard, on_note)
            except Leave:
                self.cancel(request["id"])
                return
            if "method" not in message:
                return

    def tell(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def batch(self, messages):
        self.tell(messages)
        while True:  # What an earlier request or stream still said comes before.
            found = self.inbox.get(timeout=SECONDS)
            if isinstance(found, list) or ("error" in found and found.get("id") is None):
                return found

    @contextmanager
    def listening(self, wanted):
        if self.modern:
            request = self.message("subscriptions/listen", {"notifications": wanted})
            self.tell(request)
            # What an earlier subscription still said comes before.
            while self.inbox.get(timeout=SECONDS).get("method") != "notifications/subscriptions/acknowledged":
                pass
        yield self.inbox
        if self.modern:
            self.cancel(request["id"])

    def close(self):
        self.process.stdin.close()
        self.process.wait(SECONDS)
        self.process.stdout.close()


def stdio(command, version):
    """Start a command and speak with it."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return StdioWire(process, version)


def runtime(*words):
    return [sys.executable, "-m", "meshplan.runtime", *map(str, words)]
