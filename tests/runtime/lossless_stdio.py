"""A server on standard input and output that answers a call with the text that its argument holds, or with its arguments."""

import json
import sys

for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request:
        continue
    if request["method"] == "initialize":
        about = {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "s", "version": "1"},
        }
        text = json.dumps(about)
    elif request["method"] == "tools/call":
        given = request["params"]["arguments"]
        text = given["text"] if "text" in given else json.dumps({"content": [], "heard": given})
    else:
        error = {"code": -32601, "message": "no such method"}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}), flush=True)
        continue
    print(f'{{"jsonrpc":"2.0","id":{json.dumps(request["id"])},"result":{text}}}', flush=True)
