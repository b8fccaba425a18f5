"""A stdio MCP server of the handshake era that asks its client in the middle of calls; without any library.

Usage: asking.py [roots-at-once|by-capability]. With `by-capability`, each capability of the client is a tool, too. Tool `ask` asks what its argument `asks` lists, [method, params] each, one after the
other (all at once with `together`), and answers with what it heard. Tool `seen` answers what the server knows, and says that the elicitations `done` are complete.
Each call of `ask` adds a line to the file that ASKING_LOG names, if it does.
"""

import json
import os
import sys
from pathlib import Path

MODE = (sys.argv[1:] or [""])[0]
declared: dict = {}
calls: dict = {}
"""By call id: what is still to be asked, what was heard, and whether all is asked at once."""
waiting: dict = {}
"""By id of our request: the call, or None."""
seen: dict = {"cancelled": [], "roots": None, "calls": 0}


def send(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def ask(call: object, method: str, params: dict) -> None:
    number = f"ask-{len(waiting)}"
    waiting[number] = call
    send({"id": number, "method": method, "params": params})


def go_on(call: object) -> None:
    state = calls[call]
    if state["asks"]:
        asked = state["asks"][: None if state["together"] else 1]
        del state["asks"][: len(asked)]
        state["open"] = len(asked)
        for method, params in asked:
            ask(call, method, params)
    elif not state["open"]:
        del calls[call]
        result = {"content": [{"type": "text", "text": json.dumps(state["heard"])}], "heard": state["heard"]}
        send({"id": call, "result": result})


def hear(message: dict) -> None:
    call = waiting.pop(message["id"], None)
    heard = message.get("result", {"error": message.get("error")})
    if call == "roots":
        seen["roots"] = heard
    elif call in calls:
        calls[call]["heard"].append(heard)
        calls[call]["open"] -= 1
        if not calls[call]["open"]:
            go_on(call)


def handle(message: dict) -> None:
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method is None:
        hear(message)
    elif method == "initialize":
        declared.update(params["capabilities"])
        info = {"name": "asking", "version": "1"}
        capabilities = {"tools": {}, "resources": {"subscribe": True}}
        send(
            {
                "id": number,
                "result": {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": info},
            }
        )
    elif method == "notifications/initialized" and MODE in ("roots-at-once", "by-capability") and "roots" in declared:
        ask("roots", "roots/list", {})
    elif method == "notifications/cancelled":
        seen["cancelled"].append(params["requestId"])
        calls.pop(params["requestId"], None)
    elif method == "tools/call" and params["name"] == "ask":
        arguments = params.get("arguments", {})
        seen["calls"] += 1
        if log := os.environ.get("ASKING_LOG"):
            with Path(log).open("a") as file:
                file.write(json.dumps(arguments) + "\n")
        calls[number] = {"asks": list(arguments["asks"]), "heard": [], "open": 0, "together": "together" in arguments}
        go_on(number)
    elif method == "tools/call":
        for done in params.get("arguments", {}).get("done", ()):
            send({"method": "notifications/elicitation/complete", "params": {"elicitationId": done}})
        send({"id": number, "result": {"content": [], "pid": os.getpid(), "declared": declared, **seen}})
    elif method == "tools/list":
        names = ["ask", "seen", *(sorted(declared) if MODE == "by-capability" else ())]
        send({"id": number, "result": {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in names]}})
    elif method == "resources/list":
        send({"id": number, "result": {"resources": []}})
    elif number is not None:
        send({"id": number, "error": {"code": -32601, "message": "Method not found"}})


for line in sys.stdin:
    handle(json.loads(line))
