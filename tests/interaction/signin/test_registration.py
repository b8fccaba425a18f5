"""The mesh becomes a client of a certified provider by itself; what it was registered as is kept, lost, refused, made anew."""

import json
from dataclasses import asdict, replace

import anyio
import httpx2
import pytest
from people import draft, query, signing

from meshplan.runtime.seal import Sealer
from meshplan.runtime.secrets import Secrets
from meshplan.runtime.signin import registration
from meshplan.runtime.signin.consent import Consent
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.snapshot import Snapshot

PUBLIC = "https://mesh.example"


@pytest.fixture(autouse=True)
def seal(monkeypatch):
    monkeypatch.setenv("MESH_SEAL", "a seal key of the tests")


def registering(how="dynamic", scopes=("notes",), public_url=None):
    """A plan whose server names no client."""

    def change(plan):
        server = plan.servers["notes"]
        auth = server.transport.auth.model_copy(update={"client_id": None, "registration": how, "scopes": scopes})
        transport = server.transport.model_copy(update={"auth": auth})
        plan.servers["notes"] = server.model_copy(update={"transport": transport})
        plan.public_url = public_url or plan.public_url

    return change


@pytest.fixture
async def ground(provider, tmp_path):
    async with signing(provider, tmp_path, registering()) as found:
        yield found


def claims(body):
    return json.loads(body["result"]["content"][0]["text"])


def place(ground):
    return ground.sign_ins.place(ground.sign_ins.wanted("notes"))


async def known(ground):
    return await registration.known(ground.sign_ins.vault(), place(ground))


async def begun(ground, key="ann"):
    return query(await ground.browser(f"{key}@as").begin(await ground.link(key), f"secret-{key}"))


async def test_callers_sign_in_where_nobody_declared_a_client_and_all_by_one_registration(ground):
    await ground.sign_in()
    first = await known(ground)
    await ground.sign_in("bob", "bob@as")
    assert [claims(await ground.call(key))["sub"] for key in ("ann", "bob")] == ["ann@as", "bob@as"]
    assert claims(await ground.call())["client_id"] == first.client_id
    assert await known(ground) == first
    assert (first.method, bool(first.secret)) == ("client_secret_basic", True)


async def test_a_registration_is_sealed_and_opens_in_no_other_place(ground):
    await ground.sign_in()
    found, vault = await known(ground), ground.sign_ins.vault()
    path = vault.folder / place(ground).name
    assert found.secret not in path.read_text()
    assert found.client_id not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    moved = replace(place(ground), issuer="https://elsewhere.example")
    path.rename(vault.folder / moved.name)
    assert await registration.known(vault, moved) is None


async def test_runtimes_that_register_at_once_register_once(ground):
    wanted, urls = ground.sign_ins.wanted("notes"), []

    async def begin(number):
        others = SignIns(ground.site.active, ground.folder, Sealer(Secrets(ground.folder)))
        urls.append(await Consent(others, wanted, "mesh").begin("b" * 43, ("key", f"caller {number}"), ()))

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(begin, number)
    assert len(urls) == 5
    assert len({query(url)["client_id"] for url in urls}) == 1


async def test_a_lost_registration_is_made_anew_and_tokens_of_the_lost_one_go_on(ground):
    await ground.sign_in()
    first = await known(ground)
    ground.sign_ins.vault().forget(place(ground))
    await ground.sign_in("bob", "bob@as")
    assert (await known(ground)).client_id != first.client_id
    await ground.age()
    assert claims(await ground.call())["client_id"] == first.client_id
    assert claims(await ground.call("bob"))["sub"] == "bob@as"


async def test_a_secret_that_has_ended_is_not_begun_with(ground):
    first = (await begun(ground))["client_id"]
    assert (await begun(ground))["client_id"] == first
    found = await known(ground)
    await ground.sign_ins.vault().keep(place(ground), asdict(replace(found, until=ground.now() + 5)))
    assert (await begun(ground))["client_id"] != first


async def test_a_client_that_is_refused_is_registered_anew_with_the_next_link(ground):
    first = (await begun(ground))["client_id"]
    await ground.sign_ins.vault().keep(place(ground), asdict(replace(await known(ground), secret="forgotten")))
    page = await ground.browser("ann@as").sign_in(await ground.link(), "secret-ann")
    assert (page.status_code, "invalid_client" in page.text) == (502, True)
    assert await known(ground) is None
    await ground.sign_in()
    assert claims(await ground.call())["client_id"] != first


async def test_a_client_that_is_refused_when_tokens_are_renewed_asks_its_caller_once(ground):
    await ground.sign_in()
    vault, holder = ground.sign_ins.vault(), ground.holder()
    found = await vault.read(holder)
    forgotten = replace(found.terms.registered, secret="forgotten")
    await vault.write(holder, replace(found, until=0.0, terms=replace(found.terms, registered=forgotten)))
    for _ in range(2):
        assert (await ground.call())["result"]["resultType"] == "input_required"
    assert await known(ground) is None
    await ground.sign_in()
    assert claims(await ground.call())["sub"] == "ann@as"


async def test_who_comes_back_after_another_registration_is_told_and_keeps_nothing(ground):
    browser = ground.browser("ann@as")
    back = await browser.consent(await browser.begin(await ground.link(), "secret-ann"))
    ground.sign_ins.vault().forget(place(ground))
    page = await browser.client.get(back)
    assert (page.status_code, ground.reasons) == (409, ["sign_in_registered_anew"])
    assert ground.files() == []


async def test_a_consent_that_was_begun_under_another_plan_is_not_kept(ground):
    browser = ground.browser("ann@as")
    back = await browser.consent(await browser.begin(await ground.link(), "secret-ann"))
    plan = draft(ground.issuer, ground.guarded.url, f"http://127.0.0.1:{ground.site.port}")
    registering(scopes=("mcp",))(plan)
    ground.site.active.swap(Snapshot(plan.bundle(), None))
    page = await browser.client.get(back)
    assert (page.status_code, ground.reasons) == (409, ["sign_in_plan_changed"])
    assert ground.files() == [ground.sign_ins.vault().folder / place(ground).name]


# By a document.


class Outside(httpx2.AsyncHTTPTransport):
    """The proxy before the mesh, which ends TLS, as far as a browser and an authorization server can tell."""

    def __init__(self, port):
        super().__init__()
        self.port = port

    async def handle_async_request(self, request):
        if request.url.host == "mesh.example":
            inside = request.url.copy_with(scheme="http", host="127.0.0.1", port=self.port)
            request = httpx2.Request(request.method, inside, headers=request.headers, stream=request.stream)
        return await super().handle_async_request(request)


async def test_where_documents_are_taken_the_mesh_is_the_one_at_its_own_url(provider, tmp_path):
    async with signing(provider, tmp_path, registering("either", public_url=PUBLIC)) as ground:
        browser = ground.browser("ann@as")
        browser.client = httpx2.AsyncClient(transport=Outside(ground.site.port), timeout=20)
        link = await ground.link()
        assert link.startswith(f"{PUBLIC}/connect/")
        page = await browser.sign_in(link, "secret-ann")
        assert page.status_code == 200, page.text
        name = f"{PUBLIC}/connect/client/notes"
        assert claims(await ground.call())["client_id"] == name
        assert await known(ground) is None
        await ground.age()
        assert claims(await ground.call())["client_id"] == name
        await browser.client.aclose()


async def test_the_document_is_at_its_url_alone_for_everybody_and_holds_no_secret(provider, tmp_path):
    async with signing(provider, tmp_path, registering("metadata", public_url=PUBLIC)) as ground:
        client, below = ground.browser("x").client, f"http://127.0.0.1:{ground.site.port}/connect"
        answer = await client.get(f"{below}/client/notes")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json() == {
            "client_id": f"{PUBLIC}/connect/client/notes",
            "client_name": "test (Meshplan)",
            "redirect_uris": [f"{PUBLIC}/connect/callback/notes"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "web",
            "scope": "notes",
        }
        for path in ("client/other", "client/notes/more", "client/", "client"):
            assert (await client.get(f"{below}/{path}")).status_code in (400, 404), path
        assert (await client.post(f"{below}/client/notes")).status_code == 404


async def test_a_server_whose_client_is_declared_has_no_document(provider, tmp_path):
    async with signing(provider, tmp_path) as ground:
        page = await ground.browser("x").client.get(f"http://127.0.0.1:{ground.site.port}/connect/client/notes")
        assert page.status_code == 404


# Which scopes.


async def test_without_declared_scopes_the_challenge_says_which(provider, tmp_path):
    async with signing(provider, tmp_path, registering(scopes=())) as ground:
        ground.guarded.challenge = 'Basic realm="x", Bearer realm="y", scope="mcp notes"'
        ground.guarded.metadata["scopes_supported"] = ["more"]
        sent = await begun(ground)
        assert (sent["scope"], sent["prompt"]) == ("mcp notes offline_access", "consent")


async def test_without_a_challenge_the_servers_metadata_says_which(provider, tmp_path):
    async with signing(provider, tmp_path, registering(scopes=())) as ground:
        ground.guarded.metadata["scopes_supported"] = ["notes", "more"]
        assert (await begun(ground))["scope"] == "notes more offline_access"


async def test_where_nobody_says_which_none_are_asked_for(provider, tmp_path):
    async with signing(provider, tmp_path, registering(scopes=())) as ground:
        assert "scope" not in await begun(ground)


async def test_declared_scopes_are_asked_for_whatever_the_server_says(ground):
    ground.guarded.challenge = 'Bearer scope="mcp more"'
    assert (await begun(ground))["scope"] == "notes"


async def test_a_server_that_wants_more_has_its_caller_asked_for_that_too_and_once(provider, tmp_path):
    async with signing(provider, tmp_path, registering(scopes=())) as ground:
        ground.guarded.metadata["scopes_supported"] = ["notes"]
        await ground.sign_in()
        assert claims(await ground.call())["scope"] == "notes"
        ground.guarded.wants = "more"
        browser, link = ground.browser("ann@as"), await ground.link()
        url = await browser.begin(link, "secret-ann")
        assert query(url)["scope"].split() == ["notes", "offline_access", "more"]
        assert (await browser.go(await browser.consent(url))).status_code == 200
        assert claims(await ground.call())["scope"].split() == ["notes", "more"]
        ground.guarded.wants = "what nobody gets".replace(" ", "-")
        await ground.browser("ann@as").sign_in(await ground.link(), "secret-ann")
        assert "asked for a moment ago" in (await ground.call())["error"]["message"]


async def test_a_server_that_wants_more_than_was_declared_has_nobody_asked(ground):
    await ground.sign_in()
    ground.guarded.wants = "more"
    error = (await ground.call())["error"]
    assert "the plan does not declare" in error["message"]
    assert "`more`" in error["message"]


async def test_metadata_is_where_the_challenge_says(provider, tmp_path):
    async with signing(provider, tmp_path, registering(scopes=())) as ground:
        ground.guarded.place = "/elsewhere.json"
        ground.guarded.metadata["scopes_supported"] = ["notes"]
        ground.guarded.challenge = f'Bearer resource_metadata="{ground.guarded.url.replace("/mcp", "/elsewhere.json")}"'
        await ground.sign_in()
        await ground.age()
        assert claims(await ground.call())["scope"] == "notes"
