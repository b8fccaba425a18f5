"""Callers sign in to a server once, each for itself; what they were given is kept sealed, renewed, and asked for anew."""

import json
import socket
import stat
from urllib.parse import urlsplit

import anyio
import pytest
from people import LOCAL_SECRET, OPENS_LINKS, query, robots_token, signing
from sites import request


@pytest.fixture(autouse=True)
def seal(monkeypatch):
    monkeypatch.setenv("MESH_SEAL", "a seal key of the tests")


@pytest.fixture
async def ground(provider, tmp_path):
    async with signing(provider, tmp_path) as found:
        yield found


def claims(body):
    return json.loads(body["result"]["content"][0]["text"])


async def test_a_caller_signs_in_once_and_the_server_sees_a_token_of_their_own(ground):
    link = await ground.link()
    assert "ann" not in link
    page = await ground.browser("ann@as").sign_in(link, "secret-ann")
    assert "You are signed in to notes" in page.text
    for _ in range(2):
        assert claims(await ground.call())["sub"] == "ann@as"
    assert claims(await ground.call())["aud"] == ground.guarded.url
    assert len({text for text, _ in ground.guarded.seen}) == 1
    assert (await ground.call("bob"))["result"]["resultType"] == "input_required"


async def test_what_is_kept_is_sealed_and_for_us_alone(ground):
    await ground.sign_in()
    (path,) = ground.files()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    token = (
        ground.guarded.seen[0][0]
        if ground.guarded.seen
        else (await ground.sign_ins.vault().read(ground.holder())).value
    )
    assert token not in path.read_text()
    assert "ann" not in path.name


async def test_pages_run_nothing_and_are_framed_by_nobody(ground):
    page = await ground.browser("ann@as").go(await ground.link())
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script" not in policy + page.text
    assert page.headers["cache-control"] == "no-store"
    assert all(word in page.headers["set-cookie"] for word in ("HttpOnly", "SameSite=Lax", "Path=/"))


async def test_the_provider_is_asked_with_pkce_for_this_server_and_to_come_back_to_one_address(ground):
    url = await ground.browser("ann@as").begin(await ground.link(), "secret-ann")
    sent = query(url)
    assert (sent["code_challenge_method"], len(sent["code_challenge"])) == ("S256", 43)
    assert sent["redirect_uri"] == f"http://127.0.0.1:{ground.site.port}/connect/callback/notes"
    assert (sent["resource"], sent["scope"], sent["client_id"]) == (ground.guarded.url, "notes", "mesh")


async def test_a_client_of_2025_11_25_is_told_by_its_own_error(ground):
    session = await ground.site.session(capabilities=OPENS_LINKS)
    call = request("tools/call", {"name": "get", "arguments": {}}, number=2)
    error = (await ground.site.legacy(call, session=session)).json()["error"]
    (asked,) = error["data"]["elicitations"]
    assert (error["code"], asked["mode"], bool(asked["elicitationId"])) == (-32042, "url", True)
    async with ground.site.told(session) as messages:
        await ground.browser("ann@as").sign_in(asked["url"], "secret-ann")
        told = await anext(messages)
    assert told["method"] == "notifications/elicitation/complete"
    assert told["params"] == {"elicitationId": asked["elicitationId"]}
    assert claims((await ground.site.legacy(call, session=session)).json())["sub"] == "ann@as"


async def test_only_the_client_that_was_given_the_link_hears_that_its_user_has_signed_in(ground):
    call = request("tools/call", {"name": "get", "arguments": {}}, number=2)
    sessions = {key: await ground.site.session(key=key, capabilities=OPENS_LINKS) for key in ("ann", "bob")}
    asked = {}
    for key, session in sessions.items():
        error = (await ground.site.legacy(call, key=key, session=session)).json()["error"]
        (asked[key],) = error["data"]["elicitations"]
    # What is not listened for is kept.
    for key in ("ann", "bob"):
        await ground.browser(f"{key}@as").sign_in(asked[key]["url"], f"secret-{key}")
    for key, session in sessions.items():
        async with ground.site.told(session, key=key) as messages:
            assert (await anext(messages))["params"] == {"elicitationId": asked[key]["elicitationId"]}


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {}}, {"elicitation": {"form": {}}}])
async def test_any_other_client_is_told_by_an_error_with_the_link(ground, capabilities):
    error = (await ground.call(capabilities=capabilities))["error"]
    assert (error["code"], error["data"]["reason"]) == (-31010, "sign_in_required")
    assert error["data"]["url"] in error["message"]
    await ground.browser("ann@as").sign_in(error["data"]["url"], "secret-ann")
    assert "result" in await ground.call(capabilities=capabilities)


async def test_a_caller_of_an_issuer_logs_in_there(ground):
    token = await robots_token(ground.issuer, f"http://127.0.0.1:{ground.site.port}")
    page = await ground.browser("robot").sign_in(await ground.link(token=token))
    assert "You are signed in" in page.text
    assert claims(await ground.call(token=token))["sub"] == "robot"


async def test_the_local_profile_proves_itself_by_its_secret(ground):
    link = await ground.link(token=LOCAL_SECRET)
    await ground.browser("me@as").sign_in(link, LOCAL_SECRET)
    assert claims(await ground.call(token=LOCAL_SECRET))["sub"] == "me@as"


async def test_a_retry_waits_for_the_browser(ground):
    link, found = await ground.link(), []

    async def retry():
        found.append(await ground.call(answers={"meshplan.sign_in": {"action": "accept"}}))

    async with anyio.create_task_group() as group:
        group.start_soon(retry)
        await ground.browser("ann@as").sign_in(link, "secret-ann")
    assert claims(found[0])["sub"] == "ann@as"


async def test_whoever_declines_is_told_and_not_asked_again(ground):
    error = (await ground.call(answers={"meshplan.sign_in": {"action": "decline"}}))["error"]
    assert (error["code"], "declined" in error["message"]) == (-31010, True)
    assert "url" not in error["data"]


async def test_no_answer_of_ours_goes_on_to_the_server(ground):
    await ground.sign_in()
    body = await ground.call(answers={"meshplan.sign_in": {"action": "accept"}})
    assert claims(body)["sub"] == "ann@as"
    assert "inputResponses" not in ground.guarded.bodies[-1]["params"]


async def test_many_calls_renew_an_ended_token_once(ground):
    await ground.sign_in()
    await ground.age()
    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ground.call)
    assert len({text for text, _ in ground.guarded.seen}) == 1
    before = (await ground.sign_ins.vault().read(ground.holder())).refresh
    await ground.age()
    assert claims(await ground.call())["sub"] == "ann@as"
    assert (await ground.sign_ins.vault().read(ground.holder())).refresh != before


async def test_a_second_runtime_with_the_same_folder_renews_with_the_first(provider, ground):
    await ground.sign_in()
    await ground.age()
    wanted = ground.sign_ins.wanted("notes")
    sources = [
        ground.sign_ins.source("notes", wanted.transport, ("key", "ann"), ground.sign_ins.egress()) for _ in range(4)
    ]
    found = []

    async def resolve(source):
        found.append(await source.resolve())

    async with anyio.create_task_group() as group:
        for source in sources:
            group.start_soon(resolve, source)
    assert (len(found), len(set(found))) == (4, 1)


async def test_whoever_revoked_it_is_asked_again(ground):
    await ground.sign_in()
    await ground.age(refresh="revoked")
    assert (await ground.call())["result"]["resultType"] == "input_required"
    assert ground.files() == []
    await ground.sign_in()
    assert claims(await ground.call())["sub"] == "ann@as"


async def test_a_token_that_the_server_refuses_is_renewed_once(ground):
    await ground.sign_in()
    await ground.call()
    ground.guarded.refuse = 1
    assert claims(await ground.call())["sub"] == "ann@as"
    assert len({text for text, _ in ground.guarded.seen}) == 2
    ground.guarded.refuse = 2
    assert "refused our credentials" in (await ground.call())["error"]["message"]
    assert len(ground.files()) == 1


async def test_a_token_that_the_server_refuses_and_nothing_renews_is_asked_for_anew(ground):
    await ground.sign_in()
    await ground.age(until=2e9, refresh=None)
    ground.guarded.refuse = 1
    assert (await ground.call())["result"]["resultType"] == "input_required"


async def test_deleting_the_file_signs_out_at_once(ground):
    await ground.sign_in()
    assert "result" in await ground.call()
    ground.files()[0].unlink()
    assert (await ground.call())["result"]["resultType"] == "input_required"


async def test_an_authorization_server_that_cannot_be_asked_is_no_reason_to_ask_the_caller(ground, provider):
    await ground.sign_in()
    await ground.age()
    ground.guarded.metadata = {"authorization_servers": ["https://elsewhere.example"]}
    error = (await ground.call())["error"]
    assert "takes tokens of other issuers" in error["message"]
    assert len(ground.files()) == 1


async def test_a_token_is_good_for_the_very_server_that_it_was_asked_for(provider, tmp_path):
    async with signing(provider, tmp_path) as ground:
        await ground.sign_in()
    taken = socket.create_server(("127.0.0.1", urlsplit(ground.guarded.url).port))
    async with signing(provider, tmp_path) as moved:
        assert (await moved.call())["result"]["resultType"] == "input_required"
    taken.close()


async def test_a_server_that_takes_other_tokens_sends_nobody_anywhere(ground):
    link = await ground.link()
    ground.guarded.metadata = {"authorization_servers": ["https://elsewhere.example"]}
    browser = ground.browser("ann@as")
    await browser.prove(link, "secret-ann")
    page = await browser.go(link)
    assert (page.status_code, "takes tokens of other issuers" in page.text) == (502, True)


async def test_without_metadata_the_declared_issuer_is_believed(ground):
    ground.guarded.metadata = None
    await ground.sign_in()
    assert claims(await ground.call())["sub"] == "ann@as"


async def test_callers_whom_nobody_could_tell_apart_get_no_link(provider, tmp_path):
    def without_login(plan):
        issuer = plan.identity["issuers"]["idp"]
        plan.identity["issuers"]["idp"] = issuer.model_copy(update={"login": None})

    async with signing(provider, tmp_path, without_login) as ground:
        token = await robots_token(ground.issuer, f"http://127.0.0.1:{ground.site.port}")
        error = (await ground.call(token=token))["error"]
        assert (error["code"], "no way" in error["message"], "url" in error["data"]) == (-31010, True, False)
