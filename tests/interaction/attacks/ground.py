"""Where attacks happen: a mesh that listens, issuers that listen, and upstreams that remember what reached them.

An attack is a row: how its request looks, how the nearest request looks that is permitted, and the reason that must be
recorded for it, once. ``PATHS`` are the ways on which every row is tried.
"""

import hashlib
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from idp import issuing
from plans import Draft, FakeUpstreams
from sites import ACCEPT, MODERN, request, site

from meshplan.schemas.plan import Claim, JwtIssuer, Key, ProxyIssuer, UserClaim

PUBLIC = "https://mesh.example"
RESOURCE = f"{PUBLIC}/mcp/dev"
ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")
TOOL = "get_note"

Headers = list[tuple[str, str]]


@dataclass
class Ground:
    """One mesh under attack; ``idp`` is declared as `corp`, ``scoped`` as `guild`, ``foreign`` is nobody's."""

    site: object = None
    upstreams: FakeUpstreams = field(default_factory=FakeUpstreams)
    idp: object = None
    scoped: object = None
    foreign: object = None

    def token(self, audience=RESOURCE, **more):
        """A good token of an engineer, except for what a test changes."""
        return self.idp.token(audience, **{"groups": ["eng"], **more})

    def bearer(self, audience=RESOURCE, **more):
        return bearer(self.token(audience, **more))

    @property
    def calls(self):
        """How many requests reached an upstream."""
        return sum(len(server.requests) for server in self.upstreams.servers.values())

    @property
    def refusals(self):
        """What was recorded of refused requests: (outcome, reason)."""
        return [(a.outcome, a.reason) for a in self.site.attempts if a.outcome != "ok"]

    def forget(self):
        self.site.attempts.clear()
        self.upstreams.servers.clear()

    async def post(self, message, headers: Headers, *, query="", endpoint="dev", more=()):
        sent = [("accept", ACCEPT), ("content-type", "application/json"), *more, *headers]
        url = f"http://127.0.0.1:{self.site.port}/mcp/{endpoint}{query}"
        return await self.site.client.post(url, json=message, headers=sent)


def bearer(token):
    return [("authorization", f"Bearer {token}")]


@dataclass(frozen=True)
class Attack:
    """One row. ``outcome`` and ``reason`` are recorded, ``status`` is what a refusal before the call answers with."""

    name: str
    attack: Callable[[Ground], Headers]
    twin: Callable[[Ground], Headers]
    reason: str
    status: int = 401
    outcome: str = "unauthenticated"
    query: str = ""

    def __str__(self):
        return self.name.replace(" ", "-")


async def by_modern(ground, headers, query=""):
    """One call of 2026-07-28."""
    message, extra = ground.site.modern_parts("tools/call", {"name": TOOL, "arguments": {}}, key=None)
    more = [(name, value) for name, value in extra.items() if name != "accept"]
    return await ground.post(message, headers, query=query, more=more)


async def by_legacy(ground, headers, query=""):
    """Initialize, and call in that session; the first refusal is the answer."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    opened = await ground.post(request("initialize", params), headers, query=query)
    if opened.status_code != 200:
        return opened
    more = [("mcp-session-id", opened.headers["mcp-session-id"])]
    return await ground.post(request("tools/call", {"name": TOOL, "arguments": {}}), headers, query=query, more=more)


PATHS = {"fast": by_modern, "legacy": by_legacy}


@asynccontextmanager
async def battleground(*, proxies=(), public=PUBLIC):
    """A mesh with keys, two issuers and a proxy, whose one tool engineers may call."""
    async with AsyncExitStack() as stack:
        ground = Ground()
        ground.idp, ground.scoped, ground.foreign = [await stack.enter_async_context(issuing()) for _ in range(3)]
        bundle = _draft(ground, proxies, public).bundle()
        ground.site = await stack.enter_async_context(site(bundle, ground.upstreams))
        yield ground


def _draft(ground, proxies, public):
    draft = Draft(public_url=public, trusted_proxies=proxies)
    draft.tool("dev", "notes", "get", TOOL)
    draft.tool("ops", "notes", "wipe")
    for name, subject, expires in (
        ("ann", "team:eng", None),
        ("eve", "team:sales", None),
        ("old", "team:eng", "2020-01-01"),
        ("far", "team:eng", "2999-01-01"),
    ):
        draft.key(name, subject, expires=expires)
    draft.keys["both"] = Key(
        sha256=hashlib.sha256(b"secret-both").hexdigest(), subjects=("team:eng", "team:sales"), expires=None
    )
    draft.grant("all", "team:eng")
    draft.grant("all", "user:ann@acme.example")
    draft.grant("all", "agent:robot")
    draft.identity = {
        "issuers": {
            "corp": JwtIssuer(url=ground.idp.url, audience=None, algorithms=ALGORITHMS),
            "guild": JwtIssuer(url=ground.scoped.url, audience="guild", algorithms=("RS256",), scopes=("a", "b")),
            "edge": ProxyIssuer(header="X-Client-Subject"),
        },
        "users": UserClaim(issuer="corp", claim="email"),
        "claims": (
            Claim(subject="team:eng", issuer="corp", claim="groups", test="has", value="eng"),
            Claim(subject="team:eng", issuer="guild", claim="groups", test="has", value="eng"),
            Claim(subject="team:sales", issuer="corp", claim="groups", test="has", value="sales"),
            Claim(subject="agent:copilot", issuer="corp", claim="azp", test="is", value="copilot"),
            Claim(subject="agent:robot", issuer="edge", claim="sub", test="is", value="CN=robot"),
        ),
        "exclusive": ((("team:eng",), ("team:sales",)),),
    }
    return draft


__all__ = ["MODERN", "PATHS", "RESOURCE", "Attack", "Ground", "battleground", "bearer"]
