"""What is believed of the answer to a registration (RFC 7591 3.2), from servers that mean well and others."""

import json
import sys

import anyio
import pytest
from plans import Draft
from sites import listening

from meshplan.runtime.active import Active
from meshplan.runtime.identity import authority
from meshplan.runtime.identity.fetch import FetchError, http_client
from meshplan.runtime.seal import Sealer
from meshplan.runtime.secrets import Secrets
from meshplan.runtime.signin.consent import Consent
from meshplan.runtime.signin.registration import Card, Place, known, registered
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.signin.vault import Vault
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.oauth import Registered
from meshplan.schemas.plan import FromEnv, HttpTransport, PerUserAuth

BACK = "http://127.0.0.1:7000/connect/callback/notes"
CARD = Card("mesh", BACK, ())
BASIC = {"client_id": "c", "client_secret": "s"}


class Server:
    """An authorization server that answers a registration with whatever a test wants, and keeps what it was told."""

    def __init__(self, answer, status=201, **metadata):
        self.answer, self.status, self.metadata, self.told = answer, status, metadata, []

    async def __call__(self, scope, receive, send):
        status, found = 404, {}
        if scope["path"] == "/.well-known/oauth-authorization-server":
            base = f"http://127.0.0.1:{scope['server'][1]}"
            named = {"issuer": base, "token_endpoint": f"{base}/t", "registration_endpoint": f"{base}/register"}
            status, found = 200, named | self.metadata
        elif scope["path"] == "/register":
            self.told.append(json.loads((await receive())["body"]))
            status, found = self.status, self.answer
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def register(folder, server):
    """The registration that is kept, or why there is none."""
    vault = Vault(folder / "kept", Sealer())
    async with listening(server) as port, http_client() as http:
        issuer = f"http://127.0.0.1:{port}"
        place = Place("notes", issuer, BACK)
        try:
            found = await authority.find(http, issuer, Egress())
            made = await registered(vault, place, http, found, CARD, lambda: 1000.0)
        except FetchError as error:
            assert await known(vault, place) is None
            return str(error)
        assert await known(vault, place) == made
        return made


@pytest.mark.parametrize(
    ("methods", "answer", "found"),
    [
        (None, BASIC, Registered("c", "s", "client_secret_basic")),
        (["client_secret_post", "none"], BASIC, Registered("c", "s", "client_secret_post")),
        (["none"], BASIC, Registered("c")),
        (["none", "private_key_jwt"], {"client_id": "c"}, Registered("c")),
        (["client_secret_basic"], {"client_id": "c", "token_endpoint_auth_method": "none"}, Registered("c")),
        (None, BASIC | {"client_secret_expires_at": 0}, Registered("c", "s", "client_secret_basic")),
        (None, BASIC | {"client_secret_expires_at": 5000}, Registered("c", "s", "client_secret_basic", 5000.0)),
        (None, BASIC | {"redirect_uris": [BACK]}, Registered("c", "s", "client_secret_basic")),
    ],
)
async def test_the_way_to_prove_it_is_one_that_the_server_takes(tmp_path, methods, answer, found):
    more = {} if methods is None else {"token_endpoint_auth_methods_supported": methods}
    server = Server(answer, **more)
    assert await register(tmp_path, server) == found
    (told,) = server.told
    assert told["token_endpoint_auth_method"] == (methods or ["client_secret_basic"])[0]
    assert (told["redirect_uris"], told["application_type"]) == ([BACK], "native")
    assert told["grant_types"] == ["authorization_code", "refresh_token"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "no usable `client_id`"),
        (BASIC | {"client_id": 7}, "no usable `client_id`"),
        (BASIC | {"client_id": ""}, "no usable `client_id`"),
        (BASIC | {"client_id": "a\r\nX: y"}, "no usable `client_id`"),
        (BASIC | {"client_id": "é"}, "no usable `client_id`"),
        (BASIC | {"client_id": "c" * 2049}, "no usable `client_id`"),
        ({"client_id": "c"}, "without a usable `client_secret`"),
        (BASIC | {"client_secret": "a\nb"}, "without a usable `client_secret`"),
        (BASIC | {"client_secret": "s" * 2049}, "without a usable `client_secret`"),
        (BASIC | {"token_endpoint_auth_method": "private_key_jwt"}, "a way to prove ourselves"),
        (BASIC | {"token_endpoint_auth_method": ["none"]}, "a way to prove ourselves"),
        (BASIC | {"redirect_uris": ["https://evil.example/back"]}, "other redirect addresses"),
        (b"[]", "it refused our registration"),
        (b"<html>", "it refused our registration"),
        (b'{"client_id": "' + b"c" * 300_000 + b'"}', "it refused our registration"),
    ],
)
async def test_an_answer_that_is_none_leaves_nothing(tmp_path, answer, why):
    assert why in await register(tmp_path, Server(answer))


@pytest.mark.parametrize("status", [400, 401, 403, 302, 500])
async def test_a_refusal_is_said_and_quotes_nothing(tmp_path, status):
    said = await register(tmp_path, Server({"error": "invalid_redirect_uri", "error_description": "<b>"}, status))
    assert said == f"it refused our registration (HTTP {status})"


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"registration_endpoint": None}, "lets no client register itself"),
        ({"registration_endpoint": "https://10.0.0.1/register"}, "`registration_endpoint` leads to an address"),
        ({"registration_endpoint": "https://169.254.169.254/register"}, "`registration_endpoint` leads to an address"),
        ({"registration_endpoint": "https://localhost/register"}, "`registration_endpoint` leads to an address"),
        ({"registration_endpoint": "http://auth.example/register"}, "not an HTTPS URL"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, "no way for a client to prove itself"),
    ],
)
async def test_nobody_is_asked_at_a_place_that_nobody_declared(tmp_path, metadata, why):
    server = Server(BASIC, **metadata)
    assert why in await register(tmp_path, server)
    assert server.told == []


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE with `S256`"),
        ({"authorization_endpoint": None}, "no `authorization_endpoint`"),
    ],
)
async def test_where_no_sign_in_could_be_begun_nobody_is_registered(tmp_path, monkeypatch, metadata, why):
    monkeypatch.setenv("MESH_SEAL", "a seal key of the tests")
    named = {"authorization_endpoint": "https://auth.example/a", "code_challenge_methods_supported": ["S256"]}
    server, active = Server(BASIC, **(named | metadata)), Active()
    async with listening(server) as port:
        issuer = f"http://127.0.0.1:{port}"
        auth = PerUserAuth(issuer=issuer, client_id=None, client_secret=None, scopes=(), registration="dynamic")
        plan = Draft(public_url=BACK, seal_keys=(FromEnv(name="MESH_SEAL"),), sign_ins="kept")
        plan.server("notes", HttpTransport(url=f"{issuer}/mcp", headers={}, auth=auth))
        plan.tool("dev", "notes", "get")
        active.swap(Snapshot(plan.bundle(), None))
        sign_ins = SignIns(active, tmp_path, Sealer(Secrets(tmp_path)))
        consent = Consent(sign_ins, sign_ins.wanted("notes"), "mesh")
        with pytest.raises(FetchError, match=why):
            await consent.begin("b" * 43, ("key", "ann"), ())
    assert server.told == []


ANOTHER = """
import sys
from pathlib import Path
import anyio
from meshplan.runtime.identity import authority
from meshplan.runtime.identity.fetch import http_client
from meshplan.runtime.seal import Sealer
from meshplan.runtime.signin.registration import Card, Place, registered
from meshplan.runtime.signin.vault import Vault
from meshplan.runtime.upstream.egress import Egress

folder, issuer, back = sys.argv[1:]

async def main():
    vault, place = Vault(Path(folder), Sealer(own=b"k" * 32)), Place("notes", issuer, back)
    async with http_client() as http:
        found = await authority.find(http, issuer, Egress())
        print((await registered(vault, place, http, found, Card("mesh", back, ()), lambda: 1000.0)).client_id)

anyio.run(main)
"""


class Slow(Server):
    """Takes its time, and has another name for each client."""

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/register":
            self.answer = {"client_id": f"c{len(self.told)}", "client_secret": "s"}
            await anyio.sleep(0.1)
        await super().__call__(scope, receive, send)


async def test_processes_that_register_at_once_register_once(tmp_path):
    server, names = Slow({}), []

    async def another(issuer):
        done = await anyio.run_process([sys.executable, "-c", ANOTHER, str(tmp_path / "kept"), issuer, BACK])
        names.append(done.stdout.decode().strip())

    async with listening(server) as port, anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(another, f"http://127.0.0.1:{port}")
    assert names == ["c0"] * 3
    assert len(server.told) == 1
