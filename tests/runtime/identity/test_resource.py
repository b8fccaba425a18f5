"""What is believed of a server's own metadata (RFC 9728), and where it is looked for."""

import json

import pytest
from sites import listening

from meshplan.runtime.identity.fetch import FetchError, http_client
from meshplan.runtime.identity.resource import Resource, check_resource
from meshplan.runtime.upstream.egress import Egress

ISSUER = "https://auth.example"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
OURS = object()
"""Stands for the server's own URL, which is known once it listens."""


class Server:
    """Has documents by path, and keeps which were asked for."""

    def __init__(self, documents):
        self.documents, self.asked = documents, []

    async def __call__(self, scope, receive, send):
        self.asked.append(scope["path"])
        found = self.documents.get(scope["path"])
        ours = f"http://127.0.0.1:{scope['server'][1]}/mcp"
        told = {name: ours if value is OURS else value for name, value in (found or {}).items()}
        status = 404 if found is None else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def checked(server, told=None):
    """What is believed, with the server's own address taken out, or why nothing is."""
    async with listening(server) as port, http_client() as http:
        base = f"http://127.0.0.1:{port}"
        where = f"{base}{told}" if told is not None and told.startswith("/") else told
        try:
            found = await check_resource(http, f"{base}/mcp", ISSUER, Egress(), where)
        except FetchError as error:
            return str(error)
        return Resource(found.name.removeprefix(base), found.scopes)


async def test_the_place_that_a_challenge_names_comes_first_then_the_path_then_the_root():
    everywhere = {"resource": OURS, "authorization_servers": [ISSUER], "scopes_supported": ["b", "a", 7, "b"]}
    places = ["/named", f"{WELL_KNOWN}/mcp", WELL_KNOWN]
    for number in range(3):
        server = Server(dict.fromkeys(places[number:], everywhere))
        assert await checked(server, "/named") == Resource("/mcp", ("b", "a"))
        assert server.asked == places[: number + 1]
    server = Server({})
    assert await checked(server) == Resource("/mcp")
    assert server.asked == places[1:]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"resource": "https://evil.example/mcp"}, "about another resource"),
        ({"resource": OURS, "authorization_servers": ["https://evil.example"]}, "takes tokens of other issuers"),
        ({"authorization_servers": [ISSUER]}, "about another resource"),
        ({"resource": 7}, "about another resource"),
    ],
)
async def test_metadata_of_something_else_is_refused_wherever_it_is(document, why):
    assert why in await checked(Server({"/named": document}), "/named")
    assert why in await checked(Server({f"{WELL_KNOWN}/mcp": document}))


@pytest.mark.parametrize(
    "told",
    [
        "https://10.0.0.1/metadata",
        "https://169.254.169.254/latest",
        "https://localhost/metadata",
        "http://elsewhere.example/metadata",
        "https://user:word@elsewhere.example/metadata",
        "file:///etc/passwd",
        "",
    ],
)
async def test_a_challenge_leads_to_no_place_that_nobody_declared(told):
    server = Server({f"{WELL_KNOWN}/mcp": {"resource": OURS}})
    assert isinstance(await checked(server, told), str)
    assert server.asked == []
