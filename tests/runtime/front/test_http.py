"""What HTTP requests must look like, who may come, and the pages to look at."""

import pytest
from plans import FakeUpstreams, simple
from sites import ACCEPT, bearer, request, site

from meshplan.runtime.front.asgi import BodyError, read_body
from meshplan.runtime.front.guard import HeadError, accepts, read_headers
from meshplan.schemas.plan import Limits

HEADERS = {"accept": ACCEPT, "content-type": "application/json"}
INITIALIZE = request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})


@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ({}, 401, "Bearer"),
        ({"authorization": "Bearer nonsense"}, 401, 'Bearer error="invalid_token"'),
        ({"authorization": "Basic secret-ann"}, 401, 'Bearer error="invalid_token"'),
        ({"authorization": "bearer  secret-ann"}, 200, None),
    ],
)
async def test_a_caller_needs_a_key(headers, status, challenge):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        response = await found.client.post(found.url(), json=INITIALIZE, headers={**HEADERS, **headers})
        turned_away = [a.outcome for a in found.attempts]
    assert (response.status_code, response.headers.get("www-authenticate")) == (status, challenge)
    assert turned_away == (["unauthenticated"] if status == 401 else [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:80"}, 421),
        ({"host": "localhost:1"}, 200),
        ({"host": "[::1]:1"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://app.example"}, 200),
        ({"origin": "http://mesh.local:9", "host": "mesh.local:9"}, 200),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-encoding": "gzip"}, 415),
        ({"accept": "application/json"}, 406),
        ({"accept": "application/json, text/event-stream;q=0"}, 406),
        ({"accept": "*/*"}, 200),
    ],
)
async def test_the_head_is_checked(headers, status):
    draft = simple()
    draft.origins, draft.public_url = ("https://app.example",), "https://mesh.local:9"
    async with site(draft.bundle(), FakeUpstreams()) as found:
        sent = {**HEADERS, **bearer("ann"), **headers}
        response = await found.client.post(found.url(), json=INITIALIZE, headers=sent)
    assert response.status_code == status


async def test_our_own_origin_is_allowed():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        own = f"http://127.0.0.1:{found.port}"
        right = await found.legacy(INITIALIZE, headers={"origin": own})
        other_port = await found.legacy(INITIALIZE, headers={"origin": "http://127.0.0.1:1"})
    assert (right.status_code, other_port.status_code) == (200, 403)


async def test_a_body_beyond_the_limit_is_refused_whether_announced_or_not():
    draft = simple()
    draft.limits = Limits(body_bytes=2000, concurrency_per_principal=8)

    async def drip():
        for _ in range(30):
            yield b" " * 100

    async with site(draft.bundle(), FakeUpstreams()) as found:
        headers = {**HEADERS, **bearer("ann")}
        announced = await found.client.post(found.url(), content=b" " * 2001, headers=headers)
        dripping = await found.client.post(found.url(), content=drip(), headers=headers)
    assert (announced.status_code, dripping.status_code) == (413, 413)


async def test_a_body_far_beyond_the_limit_is_not_read():
    read = 0

    async def receive():
        nonlocal read
        read += 1000
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    for declared in ("100000000", None, "-1"):
        with pytest.raises(BodyError):
            await read_body(receive, declared, 2000)
    assert read < 10_000


async def test_an_unknown_endpoint_shows_only_to_those_who_have_a_key():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        known = await found.legacy(INITIALIZE, endpoint="nothing")
        stranger = await found.legacy(INITIALIZE, endpoint="nothing", key=None)
    assert (known.status_code, stranger.status_code) == (404, 401)


async def test_other_methods_are_not_allowed():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        put = await found.client.put(found.url(), headers=bearer("ann"))
        pages = [await found.client.post(f"http://127.0.0.1:{found.port}/{name}") for name in ("healthz", "status")]
        other = await found.client.get(f"http://127.0.0.1:{found.port}/")
    assert put.status_code == 405
    assert [(page.status_code, page.headers["allow"]) for page in pages] == [(405, "GET"), (405, "GET")]
    assert other.status_code == 404


async def test_without_a_plan_everything_is_denied_and_not_ready():
    async with site(None, FakeUpstreams()) as found:
        base = f"http://127.0.0.1:{found.port}"
        called = await found.legacy(INITIALIZE)
        statuses = [(await found.client.get(f"{base}/{page}")).status_code for page in ("healthz", "readyz")]
        status = (await found.client.get(f"{base}/status")).json()
    assert (called.status_code, called.json()["error"]["data"]["reason"]) == (503, "no_plan")
    assert statuses == [200, 503]
    assert (status["ready"], status["active"]) == (False, None)


async def test_the_status_tells_what_is_served_to_this_machine_and_to_keys():
    bundle = simple().bundle()
    upstreams = FakeUpstreams()
    upstreams.get("notes")
    async with site(bundle, upstreams, seq=7) as found:
        url = f"http://127.0.0.1:{found.port}/status"
        local = (await found.client.get(url)).json()
        forwarded = await found.client.get(url, headers={"x-forwarded-for": "10.0.0.1"})
        keyed = await found.client.get(url, headers={"x-forwarded-for": "10.0.0.1", **bearer("ann")})
    assert local["active"] == {"plan": bundle.digest, "seq": 7}
    assert local["endpoints"] == ["dev"]
    health = local["upstreams"]["notes"]
    assert (health["state"], health["protocol_version"], health["error"]) == ("ready", "2026-07-28", None)
    assert (forwarded.status_code, keyed.status_code) == (401, 200)


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip", "via"])
async def test_the_local_profile_is_for_this_machine_only(header):
    draft = simple()
    draft.local = ("user:ann",)
    async with site(draft.bundle(), FakeUpstreams(), local_secret="s" * 40) as found:
        sent = {**HEADERS, "authorization": "Bearer " + "s" * 40}
        right = await found.client.post(found.url(), json=INITIALIZE, headers=sent)
        forwarded = await found.client.post(found.url(), json=INITIALIZE, headers={**sent, header: "x"})
    assert (right.status_code, forwarded.status_code) == (200, 401)


async def test_the_local_profile_is_off_unless_started_with_it():
    draft = simple()
    draft.local = ("user:ann",)
    async with site(draft.bundle(), FakeUpstreams()) as found:
        response = await found.client.post(
            found.url(), json=INITIALIZE, headers={**HEADERS, "authorization": "Bearer " + "s" * 40}
        )
    assert response.status_code == 401


def test_blanks_around_values_go_and_repeated_headers_that_matter_are_refused():
    assert read_headers([(b"Mcp-Name", b" \techo  "), (b"accept", b"a"), (b"accept", b"b")]) == {
        "mcp-name": "echo",
        "accept": "a, b",
    }
    for name in (b"authorization", b"Mcp-Param-X", b"HOST", b"mcp-session-id"):
        with pytest.raises(HeadError):
            read_headers([(name, b"1"), (name.lower(), b"1")])


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        (None, True),
        ("application/*;q=0.5", True),
        ("text/html", False),
        ("application/json;q=0.0", False),
        ("", False),
    ],
)
def test_accept_is_read_as_rfc_9110_says(header, taken):
    assert accepts({} if header is None else {"accept": header}, "application/json") is taken
