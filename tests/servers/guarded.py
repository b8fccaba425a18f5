"""An MCP server of 2026-07-28 that takes only tokens which its authorization server made for it."""

import json

import anyio
import jwt


class Guarded:
    """Knows its issuer by PyJWT's own client, and what tokens it has seen; ``metadata`` is what it says of itself.

    ``challenge`` is what it says to those who come without a token, ``wants`` a scope without which nobody calls its tool.
    """

    def __init__(self, issuer):
        self.keys, self.issuer, self.url = jwt.PyJWKClient(f"{issuer}/jwks"), issuer, ""
        self.seen, self.bodies, self.refuse = [], [], 0
        self.challenge, self.wants, self.place = None, None, "/.well-known/oauth-protected-resource"
        self.tools = [{"name": "get", "inputSchema": {"type": "object"}}]
        self.metadata = {"authorization_servers": [issuer]}

    async def __call__(self, scope, receive, send):
        text = dict(scope["headers"]).get(b"authorization", b"").decode().removeprefix("Bearer ")
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        if scope["method"] == "GET":
            known = self.metadata is not None and scope["path"].startswith(self.place)
            return await self.answer(send, 200 if known else 404, {"resource": self.url, **(self.metadata or {})})
        claims = await anyio.to_thread.run_sync(self.check, text)
        message = json.loads(body)
        if claims is None or (self.refuse and message["method"] == "tools/call"):
            self.refuse = max(0, self.refuse - 1)
            return await self.answer(send, 401, {}, self.challenge)
        if self.wants and message["method"] == "tools/call" and self.wants not in claims["scope"].split():
            said = f'Bearer error="insufficient_scope", scope="{self.wants}"'
            return await self.answer(send, 403, {}, said)
        self.seen.append((text, claims))
        self.bodies.append(message)
        result = {"resultType": "complete", "content": [{"type": "text", "text": json.dumps(claims)}]}
        if message["method"] == "tools/list":
            result = {"resultType": "complete", "tools": self.tools, "ttlMs": 0, "cacheScope": "private"}
        if message["method"] == "server/discover":
            result = {
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "guarded", "version": "1"}, "ttlMs": 0, "cacheScope": "private",
            }  # fmt: skip
        return await self.answer(send, 200, {"jsonrpc": "2.0", "id": message.get("id"), "result": result})

    def check(self, text):
        try:
            key = self.keys.get_signing_key_from_jwt(text)
            return jwt.decode(text, key, ["RS256"], audience=self.url, issuer=self.issuer)
        except jwt.PyJWTError:
            return None

    async def answer(self, send, status, body, challenge=None):
        headers = [(b"content-type", b"application/json")]
        headers += [(b"www-authenticate", challenge.encode())] if challenge else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})
