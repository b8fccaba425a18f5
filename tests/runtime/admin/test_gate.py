"""Who may look from elsewhere: operators by credential or by a login at their issuer, at what they may see and no more."""

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from idp import Idp
from plans import FakeUpstreams, simple
from sites import bearer, listening

from meshplan.runtime.active import Active
from meshplan.runtime.admin.console.console import Console
from meshplan.runtime.admin.console.summary import Ledgers
from meshplan.runtime.admin.front import AdminFront
from meshplan.runtime.admin.gate import Gate
from meshplan.runtime.admin.port import AdminPort
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.identity.issuers import Issuers
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.seal import Sealer
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.status import Desired, Status
from meshplan.runtime.telemetry.gathered import Gathered
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.schemas.plan import Claim, JwtIssuer, Login, Operator

AWAY = {"x-forwarded-for": "203.0.113.7"}
PAGES = ("/console", "/console/calls", "/status", "/metrics")


@dataclass
class Logins(Idp):
    """An issuer with which people log in: whoever comes with a code is who the test says."""

    who: dict = field(default_factory=dict)
    forms: list = field(default_factory=list)

    async def __call__(self, scope, receive, send):
        if scope["path"] != "/token":
            self.metadata = {
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "code_challenge_methods_supported": ["S256"],
            }
            await super().__call__(scope, receive, send)
            return
        self.forms.append(parse_qs((await receive())["body"].decode()))
        body = json.dumps({"access_token": "x", "token_type": "Bearer", "id_token": self.token("mesh", **self.who)})
        kind = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": body.encode()})


@dataclass
class Room:
    idp: Logins
    active: Active
    draft: object
    client: httpx2.AsyncClient

    async def get(self, path, cookies=None, **headers):
        self.client.cookies.clear()
        held = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}
        return await self.client.get(path, headers={**AWAY, **held, **headers})

    async def to_issuer(self, cookies):
        """Be sent to the issuer; what it is asked for."""
        sent = await self.get("/console/login", cookies)
        assert sent.status_code == 303, sent.text
        take(sent, cookies, "SameSite=Lax")
        asked = urlsplit(sent.headers["location"])
        assert f"{asked.scheme}://{asked.netloc}{asked.path}" == f"{self.idp.url}/authorize"
        return {name: values[0] for name, values in parse_qs(asked.query).items()}

    async def back(self, asked, cookies, *, nonce=None, **claims):
        """Come back as somebody."""
        self.idp.who = {"nonce": nonce or asked["nonce"], **claims}
        return await self.get(f"{urlsplit(asked['redirect_uri']).path}?code=c&state={asked['state']}", cookies)

    async def login(self, **claims):
        """The cookies of somebody who has logged in."""
        cookies = {}
        done = await self.back(await self.to_issuer(cookies), cookies, **claims)
        assert done.status_code == 200, done.text
        assert done.headers["refresh"] == "0; url=/console"
        take(done, cookies, "SameSite=Strict")
        return cookies


def take(answer, cookies, site):
    set_cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in set_cookie
    assert site in set_cookie
    name, _, value = set_cookie.partition(";")[0].partition("=")
    cookies[name] = value


@asynccontextmanager
async def room(tmp_path):
    """Pages behind a proxy on this machine, so that everybody comes from elsewhere."""
    async with listening(idp := Logins()) as port:
        idp.url = f"http://127.0.0.1:{port}"
        draft = simple()
        draft.tool("ops", "vault", "open")
        issuer = JwtIssuer(
            url=idp.url, audience=None, algorithms=("RS256",), login=Login(client_id="mesh", client_secret=None)
        )
        claims = tuple(
            Claim(subject=f"team:{name}", issuer="corp", claim="groups", test="has", value=name)
            for name in ("sre", "desk")
        )
        draft.identity = {"issuers": {"corp": issuer}, "claims": claims}
        draft.key("watch", "agent:watch")
        draft.operators = (
            Operator(to=("agent:watch",), endpoints=None),
            Operator(to=("team:sre",), endpoints=None),
            Operator(to=("team:desk",), endpoints=("dev",)),
        )
        active = Active()
        active.swap(Snapshot(draft.bundle()))
        admin, issuers, gathered = AdminPort(), Issuers(), Gathered(Telemetry(active))
        sign_ins = SignIns(active, tmp_path, Sealer())
        gate = Gate(active, admin, Verifier(issuers), sign_ins)
        status = Status(active, FakeUpstreams(), Desired())
        console = Console(active, status, gathered, Ledgers(lambda: None))
        async with listening(AdminFront(active, status, admin, gathered, console, gate)) as here:
            admin._bound = ("", None, Binding("127.0.0.1", here))
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{here}", timeout=20) as client:
                yield Room(idp, active, draft, client)
        await issuers.aclose()


async def test_an_operator_logs_in_and_sees_everything(tmp_path):
    async with room(tmp_path) as found:
        first = await found.get("/console")
        assert (first.status_code, first.headers["location"]) == (303, "/console/login")
        cookies = await found.login(sub="ann", groups=["sre", "else"])
        for path in PAGES:
            assert (await found.get(path, cookies)).status_code == 200
        page = (await found.get("/console", cookies)).text
        assert "seen by ann" in page
        form = found.idp.forms[0]
        assert form["grant_type"] == ["authorization_code"]
        assert len(form["code_verifier"][0]) >= 43


async def test_an_operator_of_some_endpoints_sees_these_only(tmp_path):
    async with room(tmp_path) as found:
        cookies = await found.login(sub="bob", groups=["desk"])
        surfaces = (await found.get("/console/surfaces", cookies)).text
        assert "get_note" in surfaces
        assert "vault" not in surfaces
        assert [(await found.get(path, cookies)).status_code for path in PAGES] == [200, 200, 403, 403]


async def test_credentials_of_operators_are_taken(tmp_path):
    async with room(tmp_path) as found:
        assert [(await found.get(path, **bearer("watch"))).status_code for path in PAGES] == [200] * 4
        assert [(await found.get(path, **bearer("ann"))).status_code for path in PAGES] == [403] * 4
        assert [(await found.get(path, **bearer("nobody"))).status_code for path in PAGES] == [401] * 4
        assert [(await found.get(path)).status_code for path in PAGES] == [303, 303, 401, 401]


async def test_whoever_is_no_operator_is_not_let_in(tmp_path):
    async with room(tmp_path) as found:
        cookies = {}
        done = await found.back(await found.to_issuer(cookies), cookies, sub="eve", groups=["other"])
        assert (done.status_code, "set-cookie" in done.headers) == (403, False)
        assert "You are not an operator" in done.text


async def test_a_login_is_of_one_browser_once_and_for_this_mesh(tmp_path):
    async with room(tmp_path) as found:
        mine, other, me = {}, {}, {"sub": "ann", "groups": ["sre"]}
        asked = await found.to_issuer(mine)
        await found.to_issuer(other)
        assert (await found.back(asked, other, **me)).status_code == 400
        assert (await found.back(asked, {}, **me)).status_code == 400
        assert (await found.back(asked, mine, nonce="another", **me)).status_code == 403
        assert (await found.back(asked, mine, **me)).status_code == 400
        asked = await found.to_issuer(mine)
        assert (await found.back(asked, mine, aud="another", **me)).status_code == 403
        asked = await found.to_issuer(mine)
        assert (
            await found.get(f"/console/login/corp?error=access_denied&state={asked['state']}", mine)
        ).status_code == 400
        cookies = await found.login(**me)
        stolen = {name: value for name, value in cookies.items() if "operator" in name}
        assert (await found.get("/console", {**other, **stolen})).status_code == 303
        assert (
            await found.get("/console", {**cookies, "mesh-operator": "x" + cookies["mesh-operator"]})
        ).status_code == 303


async def test_a_new_plan_ends_logins(tmp_path):
    async with room(tmp_path) as found:
        cookies = await found.login(sub="ann", groups=["sre"])
        found.draft.operators = (Operator(to=("team:desk",), endpoints=None),)
        found.active.swap(Snapshot(found.draft.bundle()))
        assert (await found.get("/console", cookies)).status_code == 303


@pytest.mark.parametrize("path", ["/console/login/other", "/console/login/corp/x"])
async def test_there_is_no_other_way_in(tmp_path, path):
    async with room(tmp_path) as found:
        assert (await found.get(path)).status_code in (401, 404)


async def test_nobody_logs_in_over_plain_http_from_another_machine(tmp_path):
    async with room(tmp_path) as found:
        found.draft.admin_url = "http://ops.example"
        found.active.swap(Snapshot(found.draft.bundle()))
        answer = await found.client.get("/console", headers={"host": "ops.example"})
        assert answer.status_code == 401
        found.draft.admin_url = "https://ops.example"
        found.active.swap(Snapshot(found.draft.bundle()))
        sent = await found.client.get("/console/login", headers={"host": "ops.example"})
        assert sent.headers["set-cookie"].startswith("__Host-mesh-browser=")
        assert "; Secure" in sent.headers["set-cookie"]
