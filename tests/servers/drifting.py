"""A stdio MCP server of the handshake era that lists whatever a JSON file says right now, two a page.

Usage: drifting.py FILE. The file maps `tools`, `prompts`, … to definitions. Tool `poke` says that the tools changed.
"""

import json
import sys
from pathlib import Path

METHODS = {"tools/list": "tools", "prompts/list": "prompts", "resources/list": "resources"}


def send(message: dict) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    offered = json.loads(Path(sys.argv[1]).read_text())
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}}, "serverInfo": {}}
        send({"id": number, "result": {**result, "serverInfo": {"name": "drifting", "version": "1"}}})
    elif method in METHODS and METHODS[method] in offered:
        field, start = METHODS[method], int(params.get("cursor", "0"))
        found = offered[field]
        more = {"nextCursor": str(start + 2)} if len(found) > start + 2 else {}
        send({"id": number, "result": {field: found[start : start + 2], **more}})
    elif method == "tools/call":
        if params["name"] == "poke":
            send({"method": "notifications/tools/list_changed"})
        send({"id": number, "result": {"content": []}})
    elif number is not None:
        send({"id": number, "error": {"code": -32601, "message": "Method not found"}})
