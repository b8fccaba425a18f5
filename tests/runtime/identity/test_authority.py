"""What is believed of an issuer's own metadata: its endpoints, and no address that nobody declared."""

import json

import pytest
from idp import issuing
from sites import listening

from meshplan.runtime.identity import authority
from meshplan.runtime.identity.fetch import FetchError, get_json, http_client
from meshplan.runtime.upstream.egress import Egress

REFUSED = "leads to an address that nobody declared"


async def found(metadata, *networks):
    """The authority, or why there is none."""
    egress = Egress()
    egress.adopt(networks)
    async with (
        issuing(metadata={"token_endpoint": "https://tokens.example/t", **metadata}) as idp,
        http_client() as http,
    ):
        try:
            return await authority.find(http, idp.url, egress)
        except FetchError as error:
            return str(error)


async def test_endpoints_and_what_the_issuer_says_it_does():
    said = await found(
        {
            "authorization_endpoint": "https://auth.example/a",
            "code_challenge_methods_supported": ["S256", 7],
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }
    )
    assert (said.token_endpoint, said.authorization_endpoint) == ("https://tokens.example/t", "https://auth.example/a")
    assert (said.challenges, said.states_issuer, said.posts_secret) == ({"S256"}, True, True)


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (None, "names no `token_endpoint`"),
        (7, "names no `token_endpoint`"),
        ("http://tokens.example/t", "not an HTTPS URL"),
        ("https://user:word@tokens.example/t", "holds credentials"),
        ("https://169.254.169.254/t", REFUSED),
        ("https://10.0.0.1/t", REFUSED),
        ("https://[::ffff:10.0.0.1]/t", REFUSED),
        ("https://localhost/t", REFUSED),
        ("https://tokens.localhost./t", REFUSED),
    ],
)
async def test_an_endpoint_that_is_none_is_refused(endpoint, said):
    assert said in await found({"token_endpoint": endpoint})


async def test_an_address_in_a_declared_network_is_declared():
    assert (await found({"token_endpoint": "https://10.0.0.1/t"}, "10.0.0.0/8")).token_endpoint == "https://10.0.0.1/t"


class Tenant:
    """An issuer with a path, whose metadata is at one place; elsewhere it answers in its own way."""

    def __init__(self, place, status, body=b"<html>"):
        self.place, self.status, self.body, self.asked = place, status, body, []

    async def __call__(self, scope, receive, send):
        self.asked.append(scope["path"])
        issuer = f"http://127.0.0.1:{scope['server'][1]}/tenant"
        found = json.dumps({"issuer": issuer, "token_endpoint": f"{issuer}/t"}).encode()
        status, body = (200, found) if scope["path"] == self.place else (self.status, self.body)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


PLACES = (
    "/.well-known/oauth-authorization-server/tenant",
    "/.well-known/openid-configuration/tenant",
    "/tenant/.well-known/openid-configuration",
)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 405])
@pytest.mark.parametrize("number", range(3))
async def test_metadata_is_looked_for_in_the_order_of_mcp(number, status):
    tenant = Tenant(PLACES[number], status)
    async with listening(tenant) as port, http_client() as http:
        issuer = f"http://127.0.0.1:{port}/tenant"
        assert (await authority.find(http, issuer, Egress())).token_endpoint == f"{issuer}/t"
    assert tenant.asked == list(PLACES[: number + 1])


async def test_a_server_in_trouble_or_metadata_of_another_issuer_ends_the_search():
    for tenant, why in ((Tenant("/none", 500), "HTTP 500"), (Tenant("/none", 200, b"{}"), "names another issuer")):
        async with listening(tenant) as port, http_client() as http:
            with pytest.raises(FetchError, match=why):
                await authority.find(http, f"http://127.0.0.1:{port}/tenant", Egress())
        assert tenant.asked == [PLACES[0]]


async def test_a_name_that_leads_into_an_undeclared_network_is_not_asked(monkeypatch):
    async with http_client() as http:
        monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", _inside)
        with pytest.raises(FetchError, match=r"`idp.example` has the address 10\.0\.0\.7, which is not public"):
            await get_json(http, "https://idp.example/x")


async def _inside(*_args, **_kwargs):
    return [(2, 1, 6, "", ("10.0.0.7", 443))]
