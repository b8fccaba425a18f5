"""A certified authorization server, a caller with a token of it, and upstreams that take only tokens made for them."""

import json
import subprocess
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
import worlds
from guarded import Guarded
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from plans import Draft
from sites import listening, site

from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamRequest, UpstreamUnavailable
from meshplan.schemas.plan import Claim, ExchangeAuth, FromEnv, HttpTransport, JwtIssuer, OAuthAuth

LIBRARY = worlds.ROOT / "build/node/node_modules/oidc-provider"
SCRIPT = worlds.ROOT / "tests/servers/authorization_server.mjs"
MESH = "https://mesh.example"


@pytest.fixture(scope="module")
def issuer():
    if not LIBRARY.exists():
        pytest.skip("LOUD SKIP: oidc-provider is not installed; CI has it")
    port = worlds.free_port()
    with worlds.process("node", SCRIPT, port, LIBRARY, cwd=worlds.ROOT, stderr=subprocess.DEVNULL):
        worlds.listening(port)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("MESH_AT_IDP", "secret of mesh: one")


def own(issuer, audience):
    return OAuthAuth(
        token_url=f"{issuer}/token", client_id="mesh: one", client_secret=FromEnv(name="MESH_AT_IDP"),
        scopes=("notes",), audience=audience,
    )  # fmt: skip


def exchange(issuer, audience):
    return ExchangeAuth(
        token_url=f"{issuer}/token", client_id="mesh: one", client_secret=FromEnv(name="MESH_AT_IDP"),
        scopes=(), audience=audience,
    )  # fmt: skip


@asynccontextmanager
async def meshed(issuer, tmp_path, auth):
    """A mesh in front of a guarded server, which its robot and key `ann` may call."""
    guarded = Guarded(issuer)
    async with listening(guarded) as port:
        guarded.url = f"http://127.0.0.1:{port}/mcp"
        draft = Draft(public_url=MESH)
        draft.server("notes", HttpTransport(url=guarded.url, headers={}, auth=auth(issuer, guarded.url)))
        draft.tool("dev", "notes", "get")
        draft.key("ann", "agent:robot")
        draft.grant("all", "agent:robot")
        draft.identity = {
            "issuers": {"idp": JwtIssuer(url=issuer, audience=None, algorithms=("RS256",), scopes=("mcp",))},
            "claims": (Claim(subject="agent:robot", issuer="idp", claim="client_id", test="is", value="robot"),),
        }
        bundle = draft.bundle()
        async with open_upstreams(bundle.plan.servers, tmp_path) as upstreams, site(bundle, upstreams) as found:
            yield guarded, found


def own_of_issuer(issuer, _):
    return OAuthAuth(
        issuer=issuer,
        client_id="mesh: one",
        client_secret=FromEnv(name="MESH_AT_IDP"),
        scopes=("notes",),
        audience=None,
    )


def exchange_with_service(issuer, audience):
    return exchange(issuer, audience).model_copy(update={"service": FromEnv(name="MESH_SERVICE")})


async def token(issuer, *, scope="mcp", resource=f"{MESH}/mcp/dev"):
    """What the robot gets for itself from the authorization server."""
    form = {"grant_type": "client_credentials", "scope": scope, "resource": resource}
    async with httpx2.AsyncClient(auth=("robot", "secret+of+robot")) as client:
        return (await client.post(f"{issuer}/token", data=form)).json()["access_token"]


async def call(found, credential):
    message, headers = found.modern_parts("tools/call", {"name": "get", "arguments": {}}, key=None)
    answer = await found.client.post(
        found.url(), json=message, headers={**headers, "authorization": f"Bearer {credential}"}
    )
    return answer, answer.json()


async def test_a_token_of_a_real_issuer_lets_a_stock_client_in(issuer, tmp_path):
    async with meshed(issuer, tmp_path, own) as (_, found):
        headers = {"authorization": f"Bearer {await token(issuer)}"}
        async with httpx2.AsyncClient(headers=headers) as http:
            for mode in ("auto", "legacy"):
                async with Client(streamable_http_client(found.url(), http_client=http), mode=mode) as client:
                    assert [tool.name for tool in (await client.list_tools()).tools] == ["get"]
        for wrong, status in (({"scope": "notes"}, 403), ({"resource": f"{MESH}/mcp/ops"}, 401)):
            answer, _ = await call(found, await token(issuer, **wrong))
            assert answer.status_code == status


async def test_the_mesh_gets_a_token_of_its_own_and_another_when_that_is_refused(issuer, tmp_path):
    async with meshed(issuer, tmp_path, own) as (guarded, found):
        for _ in range(3):
            answer, body = await call(found, "secret-ann")
            assert answer.status_code == 200, body
        claims = json.loads(body["result"]["content"][0]["text"])
        assert (claims["sub"], claims["scope"], claims["aud"]) == ("mesh: one", "notes", guarded.url)
        assert len({text for text, _ in guarded.seen}) == 1
        await anyio.sleep(1.1)
        guarded.refuse = 1
        assert (await call(found, "secret-ann"))[0].status_code == 200
        assert len({text for text, _ in guarded.seen}) == 2


async def test_a_wrong_secret_is_told_by_its_code_alone(issuer, tmp_path, monkeypatch):
    monkeypatch.setenv("MESH_AT_IDP", "not the secret")
    async with meshed(issuer, tmp_path, own) as (guarded, found):
        _, body = await call(found, "secret-ann")
    assert "refused to give a bearer token with `invalid_client`" in body["error"]["message"]
    assert "not the secret" not in json.dumps(body)
    assert guarded.seen == []


async def test_the_upstream_is_called_on_behalf_of_the_caller_and_never_sees_the_callers_token(issuer, tmp_path):
    async with meshed(issuer, tmp_path, exchange) as (guarded, found):
        mine = await token(issuer)
        for _ in range(2):
            answer, body = await call(found, mine)
            assert answer.status_code == 200, body
        claims = json.loads(body["result"]["content"][0]["text"])
        assert (claims["on_behalf_of"], claims["aud"]) == ("robot", guarded.url)
        sent = {text for text, _ in guarded.seen}
        assert (len(sent), mine in sent) == (1, False)
        assert (await call(found, await token(issuer)))[0].status_code == 200
        assert len({text for text, _ in guarded.seen}) == 2


async def test_a_caller_without_a_token_has_nothing_to_exchange(issuer, tmp_path):
    async with meshed(issuer, tmp_path, exchange) as (guarded, found):
        _, body = await call(found, "secret-ann")
        assert "this caller has none to exchange" in body["error"]["message"]
        assert guarded.seen == []
        assert (await call(found, await token(issuer)))[0].status_code == 200


async def test_an_issuer_says_where_tokens_are_got_and_the_server_what_they_are_for(issuer, tmp_path):
    async with meshed(issuer, tmp_path, own_of_issuer) as (guarded, found):
        _, body = await call(found, "secret-ann")
        claims = json.loads(body["result"]["content"][0]["text"])
        assert (claims["sub"], claims["aud"]) == ("mesh: one", guarded.url)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"authorization_servers": ["https://evil.example"]}, "takes tokens of other issuers than"),
        ({"resource": "https://evil.example/mcp"}, "is about another resource"),
        ({"resource": None}, "is about another resource"),
    ],
)
async def test_a_server_that_names_other_issuers_or_another_resource_gets_nothing(issuer, tmp_path, metadata, said):
    async with meshed(issuer, tmp_path, own_of_issuer) as (guarded, found):
        guarded.metadata = {"authorization_servers": [issuer], **metadata}
        _, body = await call(found, "secret-ann")
        assert said in body["error"]["message"]
        assert guarded.seen == []


async def test_what_is_asked_for_nobody_is_asked_by_the_service_and_by_nobody_else(issuer, tmp_path, monkeypatch):
    nobody = UpstreamRequest("tools/list", {}, 10)
    async with meshed(issuer, tmp_path, exchange) as (_, found):
        with pytest.raises(UpstreamUnavailable, match="nobody's request"):
            await found.upstreams.get("notes").request(nobody)
    async with meshed(issuer, tmp_path, exchange_with_service) as (guarded, found):
        monkeypatch.setenv("MESH_SERVICE", await service(issuer, guarded.url))
        listed = await found.upstreams.get("notes").request(nobody)
        assert [tool["name"] for tool in listed["tools"]] == ["get"]
        assert {claims["sub"] for _, claims in guarded.seen} == {"mesh: one"}
        await call(found, await token(issuer))
        assert guarded.seen[-1][1]["on_behalf_of"] == "robot"


async def service(issuer, resource):
    form = {"grant_type": "client_credentials", "scope": "notes", "resource": resource}
    async with httpx2.AsyncClient(auth=("mesh%3A+one", "secret+of+mesh%3A+one")) as client:
        return (await client.post(f"{issuer}/token", data=form)).json()["access_token"]
