"""A stdio MCP server without any library, for what a well-behaved one never does; starts in milliseconds.

Usage: raw_stdio.py modern|legacy [hang|silent-probe|late-probe|die-at-start|noise]
"""

import json
import os
import sys
from pathlib import Path

ERA, MODE = sys.argv[1], (sys.argv[2:] or [""])[0]
MODERN = "2026-07-28"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"
SUBSCRIBE = {"subscriptions/listen", "resources/subscribe", "resources/unsubscribe"}
held: dict = {}
cancelled: list = []
asked: list = []
late: list = []
subscribed: dict = {}
followed: dict = {}
"""Tasks, by the number of a listening request."""
"""By URI, or by id of a listening request: what it is for."""
subscribes: list = []
lists_wanted: list = []


def send(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(id: object, result: dict) -> None:
    send({"id": id, "result": {**result, **({"resultType": "complete"} if ERA == "modern" else {})}})


def refuse(id: object, code: int, message: str, data: object = None) -> None:
    send({"id": id, "error": {"code": code, "message": message, "data": data}})


def call(id: object, params: dict) -> None:
    name, arguments, meta = params["name"], params.get("arguments", {}), params.get("_meta", {})
    match name:
        case "echo":
            answer(
                id, {"content": [{"type": "text", "text": "x", "novel": None}], "futureField": arguments, "meta": meta}
            )
        case "hold":
            held[arguments["key"]] = id
            if "progressToken" in meta:
                progress = {
                    "progressToken": meta["progressToken"],
                    "progress": 1,
                    "key": arguments["key"],
                    "extra": None,
                }
                send({"method": "notifications/progress", "params": progress})
        case "release":
            answer(held.pop(arguments["key"]), {"content": [], "key": arguments["key"]})
            answer(id, {"content": []})
        case "seen":
            answer(
                id,
                {"held": sorted(held), "cancelled": cancelled, "asked": asked, "pid": os.getpid(), **subscriptions()},
            )
        case "environment":
            answer(id, {"env": dict(os.environ), "cwd": str(Path.cwd())})
        case "fail":
            refuse(id, -32050, "no such luck", {"why": [1, None]})
        case "log":
            send({"method": "notifications/message", "params": {"level": "error", "data": "whose?"}})
            answer(id, {"content": []})
        case "ask":
            send({"id": "mine", "method": arguments["method"], "params": {}})
            answer(id, {"content": []})
        case "changed":
            send({"method": "notifications/tools/list_changed"})
            answer(id, {"content": []})
        case "die":
            sys.stderr.write("so long\n")
            sys.stderr.flush()
            os._exit(3)
        case _:
            refuse(id, -32602, "unknown tool")


def subscriptions() -> dict:
    return {
        "subscribed": sorted({uri for uris in subscribed.values() for uri in uris}),
        "subscribes": len(subscribes),
        "lists": lists_wanted,
    }


def tell(uri: str | None, task: str | None) -> None:
    """A modern server tells each stream that listens for it; an older one just tells."""
    for number in [number for number, tasks in followed.items() if task in tasks]:
        meta = {SUBSCRIPTION_KEY: number, "mine": 1}
        send({"method": "notifications/tasks", "params": {"taskId": task, "_meta": meta}})
    if uri is None:
        return
    for number in [number for number, uris in subscribed.items() if any(uri.startswith(one) for one in uris)]:
        meta = {"_meta": {SUBSCRIPTION_KEY: number}} if ERA == "modern" else {}
        send({"method": "notifications/resources/updated", "params": {"uri": uri, **meta}})


def subscribe(id: object, method: str, params: dict) -> None:
    subscribes.append(id)
    if method == "subscriptions/listen":
        wanted = params["notifications"].get("resourceSubscriptions", [])
        lists_wanted[:] = sorted(name for name, value in params["notifications"].items() if value is True)
        honoured = [uri for uri in wanted if not uri.startswith("secret")]
        subscribed[id] = honoured
        followed[id] = [task for task in params["notifications"].get("taskIds", []) if not task.startswith("secret")]
        told = {"resourceSubscriptions": honoured} | ({"taskIds": followed[id]} if followed[id] else {})
        agreed = {"notifications": told, "_meta": {SUBSCRIPTION_KEY: id}}
        send({"method": "notifications/subscriptions/acknowledged", "params": agreed})
    elif params["uri"].startswith("secret"):
        refuse(id, -32602, "no such resource")
    elif method == "resources/subscribe":
        subscribed[params["uri"]] = [params["uri"]]
        answer(id, {})
    else:
        del subscribed[params["uri"]]
        answer(id, {})


def lists(method: str, params: dict) -> dict:
    match method:
        case "tools/list" if params.get("cursor") is None:
            return {"tools": [{"name": "echo", "inputSchema": {"type": "object"}, "future": 1.5}], "nextCursor": "2"}
        case "tools/list":
            return {"tools": [{"name": "hold", "inputSchema": {"type": "object"}}]}
        case "resources/list":
            return {"resources": [{"uri": "a:b", "name": "b"}]}
    return {}


def handle(message: dict) -> None:
    method, id, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method is None:
        asked.append(message.get("error", {}).get("code", "answered"))
    elif id is None:
        hear(method, params)
    elif method in {"server/discover", "initialize"}:
        greet(id, method)
    elif method == "tools/call" and params["name"] == "update":
        tell(params["arguments"].get("uri"), params["arguments"].get("task"))
        answer(id, {"content": []})
    elif method == "tools/call":
        call(id, params)
    elif method == ("subscriptions/listen" if ERA == "modern" else method) and method in SUBSCRIBE:
        subscribe(id, method, params)
    elif found := lists(method, params):
        answer(id, found)
    else:
        refuse(id, -32601, "Method not found")


def hear(method: str, params: dict) -> None:
    if method == "notifications/cancelled":
        subscribed.pop(params["requestId"], None)
        followed.pop(params["requestId"], None)
        for key in [key for key, waiting in held.items() if waiting == params["requestId"]]:
            cancelled.append(key)
            del held[key]


def greet(id: object, method: str) -> None:
    capabilities = {"tools": {"listChanged": True}, "resources": {}}
    if method == "server/discover" and MODE == "late-probe" and not late:
        late.append(id)
    elif method == "server/discover" and ERA == "modern":
        answer(id, {"supportedVersions": [MODERN], "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private"})
    elif method == "server/discover" and MODE != "silent-probe":
        refuse(id, -32601, "Method not found")
    elif method == "initialize" and ERA == "modern":
        refuse(id, -32022, "Unsupported protocol version", {"supported": [MODERN], "requested": "2025-11-25"})
    elif method == "initialize":
        info = {"name": "raw", "version": "1", "future": True}
        answer(id, {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info})


if MODE == "die-at-start":
    sys.exit(1)
if MODE == "noise":
    sys.stderr.write("\x1b[31mstarting\tup\n" + "y" * 10000 + "\n")
    sys.stderr.flush()
for line in sys.stdin:
    if MODE != "hang":
        handle(json.loads(line))
