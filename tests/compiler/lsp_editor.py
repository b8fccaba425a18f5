"""An editor for tests: starts `mesh lsp` as a process and speaks JSON-RPC with it over its standard streams."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 60


class Editor:
    """One connection."""

    def __init__(self, folder, process):
        self.folder = folder
        self.diagnostics = {}
        self._process = process
        self._inbox = queue.Queue()
        self._number = 0
        self._versions = {}
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()

    def _listen(self):
        stream = self._process.stdout
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline() not in (b"\r\n", b""):
                pass
            self._inbox.put(json.loads(stream.read(length)))
        self._inbox.put(None)

    def send(self, method, params=None, **more):
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def receive(self, wanted):
        """The next message that ``wanted`` takes; what it does not take is handled on the way."""
        while True:
            message = self._inbox.get(timeout=PATIENCE_S)
            assert message is not None, "the server ended"
            if message.get("method") == "textDocument/publishDiagnostics":
                self.diagnostics[message["params"]["uri"]] = message["params"]
            elif "method" in message and "id" in message:
                body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": None}).encode()
                self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                self._process.stdin.flush()
            if wanted(message):
                return message

    def ask(self, method, params=None):
        self._number += 1
        number = self._number
        self.send(method, params, id=number)
        answer = self.receive(lambda message: message.get("id") == number and "method" not in message)
        assert "error" not in answer, answer
        return answer["result"]

    def start(self, **general):
        capabilities = {
            "general": general,
            "workspace": {"didChangeWatchedFiles": {"dynamicRegistration": True}},
        }
        params = {"processId": None, "rootUri": self.uri("."), "capabilities": capabilities}
        found = self.ask("initialize", params)
        self.send("initialized", {})
        return found["capabilities"]

    def uri(self, name):
        return (self.folder / name).resolve().as_uri()

    def open(self, name, text):
        self._versions[name] = 1
        document = {"uri": self.uri(name), "languageId": "yaml", "version": 1, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})

    def change(self, name, *changes):
        self._versions[name] += 1
        document = {"uri": self.uri(name), "version": self._versions[name]}
        self.send("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})

    def findings(self, name, version=None):
        """The diagnostics of a file, as of its newest version."""
        uri, version = self.uri(name), version or self._versions[name]

        def current(message):
            params = message.get("params") or {}
            told = message.get("method") == "textDocument/publishDiagnostics" and params["uri"] == uri
            return told and params.get("version") == version

        if self.diagnostics.get(uri, {}).get("version") != version:
            self.receive(current)
        return self.diagnostics[uri]["diagnostics"]

    def told(self, name):
        """The next diagnostics of a file, whatever they are of."""
        uri = self.uri(name)
        method = "textDocument/publishDiagnostics"
        return self.receive(lambda m: m.get("method") == method and m["params"]["uri"] == uri)["params"]["diagnostics"]

    def at(self, method, name, line, character):
        position = {"line": line, "character": character}
        return self.ask(method, {"textDocument": {"uri": self.uri(name)}, "position": position})

    def complete(self, name, line, character):
        return {i["label"]: i for i in self.at("textDocument/completion", name, line, character)["items"]}

    def hover(self, name, line, character):
        found = self.at("textDocument/hover", name, line, character)
        return found and found["contents"]["value"]

    def define(self, name, line, character):
        found = self.at("textDocument/definition", name, line, character)
        return [(Path(place["uri"]).name, place["range"]["start"]["line"]) for place in found]

    def stop(self):
        self.ask("shutdown")
        self.send("exit")
        return self._process.wait(PATIENCE_S)


@contextmanager
def editor(folder):
    """A running server in ``folder``, ended however the test goes."""
    command = [sys.executable, "-m", "meshplan.compiler", "lsp"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    found = Editor(folder, process)
    try:
        yield found
    finally:
        process.kill()
        process.wait()
        found.listener.join()
        process.stdin.close()
        process.stdout.close()
