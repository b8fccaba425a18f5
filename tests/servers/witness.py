"""An MCP server without any library that writes down every request that it gets: the oracle of what got through.

Usage: witness.py LOG PORT (2026-07-28 over HTTP) or witness.py LOG stdio (2025-11-25 over standard streams). A line of LOG
is written before the answer is sent. Lists and handshakes are not written down.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOKS = {"initialize", "server/discover", "ping", "logging/setLevel", "resources/unsubscribe"}


def tool(name, *arguments, **properties):
    return {
        "name": name,
        "inputSchema": {
            "type": "object",
            "properties": {**{argument: {"type": "string"} for argument in arguments}, **properties},
        },
    }


TOOLS = [
    tool("get", "id"),
    tool("wipe", "id"),
    tool("drop", "id"),
    tool("lapsed", "id"),
    tool("open", "owner", "title", "milestone"),
    tool("file", "owner", "note"),
    tool("pay", amount={"type": "integer"}),
    tool("tag", "label"),
    tool(
        "place", region={"type": "string", "x-mcp-header": "Region"}, size={"type": "integer", "x-mcp-header": "Size"}
    ),
    tool("run", "id"),
    tool("ask", "id"),
    {**tool("odd", "id"), "description": "not what was reviewed"},
]
PROMPTS = [{"name": name, "arguments": [{"name": "topic"}]} for name in ("brief", "private")]
RESOURCES = [
    {"uri": uri, "name": uri} for uri in ("note://all", "note://secret", "file:///pub/a", "file:///etc/passwd")
]
TEMPLATES = [{"uriTemplate": f"{scheme}://store/{{name}}", "name": scheme} for scheme in ("doc", "key")]
LISTS = {
    "tools/list": ("tools", TOOLS),
    "prompts/list": ("prompts", PROMPTS),
    "resources/list": ("resources", RESOURCES),
    "resources/templates/list": ("resourceTemplates", TEMPLATES),
}
ABILITIES = {"tools": {}, "prompts": {}, "resources": {"subscribe": True}, "completions": {}}
TASK = {"taskId": "t-1", "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:00Z", "ttlMs": None}
UNKNOWN = {"code": -32601, "message": "Method not found"}
FORM = {"message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}


def answer(method, params):
    match method:
        case "initialize":
            return {
                "protocolVersion": "2025-11-25",
                "capabilities": ABILITIES,
                "serverInfo": {"name": "o", "version": "1"},
            }
        case "server/discover":
            extensions = {"io.modelcontextprotocol/tasks": {}}
            return {
                "supportedVersions": ["2026-07-28"], "capabilities": {**ABILITIES, "extensions": extensions},
                "serverInfo": {"name": "o", "version": "1"}, "ttlMs": 0, "cacheScope": "private",
            }  # fmt: skip
        case "tools/call" if params["name"] == "run":
            return {**TASK, "resultType": "task", "status": "working"}
        case "tools/call" if params["name"] == "ask" and "requestState" not in params:
            asked = {"sure": {"method": "elicitation/create", "params": FORM}}
            return {"resultType": "input_required", "inputRequests": asked, "requestState": "of the oracle"}
        case "tools/call":
            return {"content": [{"type": "text", "text": json.dumps(params.get("arguments"))}]}
        case "tasks/get":
            return {**TASK, "status": "working"}
        case "prompts/get":
            return {"messages": []}
        case "resources/read":
            return {"contents": [{"uri": params["uri"], "text": "x"}], "ttlMs": 0, "cacheScope": "private"}
        case "completion/complete":
            return {"completion": {"values": ["x"]}}
        case _ if method in LISTS:
            member, found = LISTS[method]
            return {member: found, "ttlMs": 0, "cacheScope": "private"}
        case _:
            return {}


def handle(log, message, *, stdio=False):
    method, params = message.get("method"), message.get("params", {})
    if "id" not in message:
        return None
    if method == "subscriptions/listen" and not params["notifications"].get("resourceSubscriptions"):
        return {"jsonrpc": "2.0", "id": message["id"], "error": UNKNOWN}
    if method == "server/discover" and stdio:
        return {"jsonrpc": "2.0", "id": message["id"], "error": UNKNOWN}
    if method not in LOOKS and method not in LISTS:
        os.write(log, (json.dumps({"method": method, "params": params}) + "\n").encode())
    return {"jsonrpc": "2.0", "id": message["id"], "result": {"resultType": "complete", **answer(method, params)}}


def post(self):
    """Answer one POST, as a method of a handler."""
    found = handle(self.log, json.loads(self.rfile.read(int(self.headers["content-length"]))))
    body = b"" if found is None else json.dumps(found).encode()
    self.send_response(202 if found is None else 200)
    self.send_header("content-type", "application/json")
    self.send_header("content-length", str(len(body)))
    self.end_headers()
    self.wfile.write(body)


def silent(*_):
    """Log nothing."""


def main(path, place):
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if place == "stdio":
        for line in sys.stdin:
            found = handle(log, json.loads(line), stdio=True)
            if found is not None:
                sys.stdout.write(json.dumps(found) + "\n")
                sys.stdout.flush()
    else:
        members = {"do_POST": post, "log_message": silent, "log": log, "protocol_version": "HTTP/1.1"}
        handler = type("Handler", (BaseHTTPRequestHandler,), members)
        ThreadingHTTPServer(("127.0.0.1", int(place)), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
