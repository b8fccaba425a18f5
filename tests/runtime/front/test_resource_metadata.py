"""What the mesh says of itself as a protected resource: RFC 9728, and the challenges of MCP's authorization."""

import pytest
from plans import FakeUpstreams, simple
from sites import request, site

from meshplan.schemas.plan import JwtIssuer

CORP = JwtIssuer(url="http://127.0.0.1:9/corp", audience=None, algorithms=("RS256",), scopes=("mcp", "offline"))
CALL = request("tools/list")
WELL_KNOWN = "/.well-known/oauth-protected-resource"


def draft(*endpoints, public="https://mesh.example/m", **issuers):
    made = simple()
    for endpoint in endpoints:
        made.tool(endpoint, "notes", "get")
    made.public_url, made.identity = public, {"issuers": {"corp": CORP, **issuers}}
    return made.bundle()


async def test_an_endpoint_says_where_tokens_for_it_come_from():
    async with site(draft(), FakeUpstreams()) as found:
        refused = await found.client.post(found.url(), json=CALL)
        wrong = await found.client.post(found.url(), json=CALL, headers={"authorization": "Bearer x"})
        base = f"http://127.0.0.1:{found.port}"
        about = await found.client.get(f"{base}{WELL_KNOWN}/m/mcp/dev", headers={"host": "127.0.0.1:1"})
        root = await found.client.get(base + WELL_KNOWN)
        changed = await found.client.post(base + WELL_KNOWN)
    where = (
        'resource_metadata="https://mesh.example/.well-known/oauth-protected-resource/m/mcp/dev", scope="mcp offline"'
    )
    assert refused.headers["www-authenticate"] == f"Bearer {where}"
    assert wrong.headers["www-authenticate"] == f'Bearer error="invalid_token", {where}'
    assert about.json() == root.json() == {
        "resource": "https://mesh.example/m/mcp/dev",
        "authorization_servers": [CORP.url],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp", "offline"],
    }  # fmt: skip
    assert changed.status_code == 405


async def test_with_two_endpoints_the_root_says_nothing_and_names_are_not_given_away():
    async with site(draft("ops"), FakeUpstreams()) as found:
        base = f"http://127.0.0.1:{found.port}{WELL_KNOWN}"
        root = await found.client.get(base)
        there, not_there = [(await found.client.get(f"{base}/m/mcp/{name}")).json() for name in ("ops", "nowhere")]
        others = [await found.client.get(base + path) for path in ("/mcp/dev", "/m/mcp/", "/m/mcp/a%22b", "/m/mcp/a/b")]
    assert root.status_code == 404
    assert {**there, "resource": ""} == {**not_there, "resource": ""}
    assert [answer.status_code for answer in others] == [404] * 4


async def test_issuers_that_need_different_scopes_promise_none_in_the_challenge():
    other = JwtIssuer(url="http://127.0.0.1:9/other", audience=None, algorithms=("RS256",))
    async with site(draft(other=other), FakeUpstreams()) as found:
        refused = await found.client.post(found.url(), json=CALL)
    assert "scope=" not in refused.headers["www-authenticate"]
    assert "resource_metadata=" in refused.headers["www-authenticate"]


async def test_on_this_machine_the_address_is_the_resource():
    async with site(draft(public=None), FakeUpstreams()) as found:
        refused = await found.client.post(found.url(), json=CALL, headers={"host": "localhost:1"})
    assert (
        f'resource_metadata="{found.front.binding.origin}{WELL_KNOWN}/mcp/dev"' in refused.headers["www-authenticate"]
    )


@pytest.mark.parametrize("name", ['a"b', "a\r\nx: y", "a b", "\u0435"])
async def test_a_name_that_is_no_name_reaches_no_header(name):
    from urllib.parse import quote

    async with site(draft(), FakeUpstreams()) as found:
        refused = await found.client.post(found.url(quote(name)), json=CALL)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == 'Bearer scope="mcp offline"'


async def test_without_issuers_there_is_nothing_to_find():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        about = await found.client.get(f"http://127.0.0.1:{found.port}{WELL_KNOWN}/mcp/dev")
        refused = await found.client.post(found.url(), json=CALL)
    assert (about.status_code, refused.headers["www-authenticate"]) == (404, "Bearer")
