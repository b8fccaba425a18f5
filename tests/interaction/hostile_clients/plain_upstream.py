"""A server of 2026-07-28 that answers at once: python plain_upstream.py; prints its port."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers every POST, over connections that are kept."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        result = {"resultType": "complete", "content": [{"type": "text", "text": "here"}]}
        if asked["method"] == "server/discover":
            result = {
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "u", "version": "1"},
            }
        if asked["method"] == "tools/call" and asked["params"]["name"] == "big":
            result["content"][0]["text"] = "x" * 8_000_000
        if asked["method"] == "tools/call" and asked["params"]["name"] == "get":
            result["content"].append({"type": "text", "text": json.dumps(dict(self.headers))})
        body = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": result}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
