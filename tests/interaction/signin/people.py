"""A mesh whose server wants each caller to sign in, and people with browsers who do so at a certified provider."""

import re
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from guarded import Guarded
from plans import Draft
from sites import listening, site

from meshplan.runtime.active import Active
from meshplan.runtime.seal import Sealer
from meshplan.runtime.secrets import Secrets
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.schemas.plan import Claim, FromEnv, HttpTransport, JwtIssuer, Login, PerUserAuth

HOPS = 20
LOCAL_SECRET = "mesh-local-" + "x" * 32
OPENS_LINKS = {"elicitation": {"url": {}}}


class Browser:
    """Cookies, and somebody who fills in the provider's forms: logs in as ``person``, and consents."""

    def __init__(self, person):
        self.person, self.client = person, httpx2.AsyncClient(follow_redirects=False, timeout=20)

    async def go(self, url, until=None):
        """Follow redirects and forms of the provider; the last page, or the redirect that leads to ``until``."""
        answer = await self.client.get(url)
        for _ in range(HOPS):
            if answer.status_code in (302, 303):
                where = urljoin(str(answer.url), answer.headers["location"])
                if until is not None and until in urlsplit(where).path:
                    return where
                answer = await self.client.get(where)
            elif 'name="prompt"' in answer.text:
                form = dict(re.findall(r'name="(prompt)" value="(\w+)"', answer.text))
                form |= {"login": self.person, "password": "x"} if form["prompt"] == "login" else {}
                action = unescape(re.search(r'action="([^"]+)"', answer.text)[1])
                answer = await self.client.post(urljoin(str(answer.url), action), data=form)
            else:
                assert until is None, answer.text
                return answer
        raise AssertionError("too many redirects")

    async def prove(self, link, secret, *, origin=True, **changed):
        """Fill in the mesh's form; the answer, redirects not followed."""
        page = await self.go(link)
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        form = {"secret": secret, "ticket": ticket[1] if ticket else ""} | changed
        parts = urlsplit(link)
        sent = (
            {"origin": f"{parts.scheme}://{parts.netloc}"} if origin is True else {"origin": origin} if origin else {}
        )
        return await self.client.post(link, data=form, headers=sent)

    async def begin(self, link, secret=None):
        """Up to the page that leads to the authorization server; where it leads."""
        if secret is not None:
            assert (await self.prove(link, secret)).status_code == 303
        return leads(await self.go(link))

    async def consent(self, url):
        """Log in and consent there; the address that the browser is sent back to, not opened yet."""
        return await self.go(url, until="/connect/callback/")

    async def sign_in(self, link, secret=None):
        """All of it; the last page."""
        return await self.go(await self.consent(await self.begin(link, secret)))


def leads(page):
    """Where the one button of a page leads."""
    found = re.search(r'class="go" href="([^"]+)"', page.text)
    assert found, page.text
    return unescape(found[1])


def query(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@dataclass
class Ground:
    """A running mesh; ``late`` seconds are added to its clock."""

    issuer: str
    folder: object
    site: object = None
    guarded: object = None
    sign_ins: object = None
    late: float = 0
    browsers: list = field(default_factory=list)

    def now(self):
        return time.time() + self.late

    def browser(self, person):
        self.browsers.append(Browser(person))
        return self.browsers[-1]

    async def call(self, key="ann", *, token=None, capabilities=OPENS_LINKS, answers=None):
        """One call of 2026-07-28; the whole answer."""
        params = {"name": "get", "arguments": {}} | ({"inputResponses": answers} if answers else {})
        credential = {"authorization": f"Bearer {token}"} if token else None
        kept = None if token else key
        answer = await self.site.modern("tools/call", params, key=kept, capabilities=capabilities, headers=credential)
        return answer.json()

    async def link(self, key="ann", **more):
        """The link that a caller is asked to open."""
        asked = (await self.call(key, **more))["result"]
        assert asked["resultType"] == "input_required", asked
        return asked["inputRequests"]["meshplan.sign_in"]["params"]["url"]

    async def sign_in(self, key="ann", person="ann@as"):
        page = await self.browser(person).sign_in(await self.link(key), f"secret-{key}")
        assert page.status_code == 200, page.text
        return page

    def holder(self, *owner):
        return self.sign_ins.wanted("notes").holder(owner or ("key", "ann"))

    def files(self):
        return [path for path in self.folder.glob("sign-ins/*") if not path.name.endswith(".lock")]

    async def age(self, **more):
        """Let Ann's token have ended; ``more`` is changed, too."""
        vault = self.sign_ins.vault()
        found = await vault.read(self.holder())
        await vault.write(self.holder(), replace(found, **{"until": 0.0} | more))

    @property
    def reasons(self):
        """Why the pages refused."""
        return [attempt.reason for attempt in self.site.attempts if attempt.method == "connect"]


def draft(issuer, url, mesh):
    found = Draft(public_url=mesh, seal_keys=(FromEnv(name="MESH_SEAL"),), sign_ins="sign-ins", local=("user:me",))
    auth = PerUserAuth(issuer=issuer, client_id="mesh", client_secret=None, scopes=("notes",))
    found.server("notes", HttpTransport(url=url, headers={}, auth=auth), timeout_ms=30_000)
    found.tool("dev", "notes", "get")
    for name in ("ann", "bob"):
        found.key(name, f"user:{name}")
        found.grant("all", f"user:{name}")
    found.grant("all", "user:me")
    found.grant("all", "agent:robot")
    found.identity = {
        "issuers": {
            "idp": JwtIssuer(
                url=issuer, audience=None, algorithms=("RS256",), login=Login(client_id="mesh", client_secret=None)
            )
        },
        "claims": (Claim(subject="agent:robot", issuer="idp", claim="client_id", test="is", value="robot"),),
    }
    return found


@asynccontextmanager
async def signing(provider, folder, change=None):
    """A mesh with callers by key, by token and by the local profile."""
    issuer, port = provider
    guarded, ground = Guarded(issuer), Ground(issuer, folder)
    async with listening(guarded) as guarded_port:
        guarded.url = f"http://127.0.0.1:{guarded_port}/mcp"
        plan = draft(issuer, guarded.url, f"http://127.0.0.1:{port}")
        if change is not None:
            change(plan)
        bundle, active = plan.bundle(), Active()
        sign_ins = SignIns(active, folder, Sealer(Secrets(folder)), now=ground.now)
        upstreams = open_upstreams(bundle.plan.servers, folder, sign_ins=sign_ins)
        async with (
            upstreams as opened,
            site(bundle, opened, active=active, port=port, sign_ins=sign_ins, local_secret=LOCAL_SECRET) as found,
        ):
            ground.site, ground.guarded, ground.sign_ins = found, guarded, sign_ins
            try:
                yield ground
            finally:
                for browser in ground.browsers:
                    await browser.client.aclose()


async def robots_token(issuer, mesh):
    """What the robot gets for itself from the issuer, for the mesh."""
    form = {"grant_type": "client_credentials", "scope": "mcp", "resource": f"{mesh}/mcp/dev"}
    async with httpx2.AsyncClient(auth=("robot", "secret+of+robot")) as client:
        return (await client.post(f"{issuer}/token", data=form)).json()["access_token"]
