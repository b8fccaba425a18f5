"""HTTP upstreams: headers, credentials, refusals of every kind, and servers that restart."""

import anyio
import pytest
from msgspec import structs
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamRequest, UpstreamTimeout, UpstreamUnavailable
from meshplan.schemas.plan import BasicAuth, FromFile, HeaderAuth, Literally, PerUserAuth


@pytest.fixture
def fixture(kit):
    return kit.Fixture()


async def failure(upstream, request) -> UpstreamUnavailable:
    with anyio.fail_after(15), pytest.raises(UpstreamUnavailable) as caught:
        await upstream.request(request)
    return caught.value


async def test_a_request_is_mirrored_in_headers(web, kit, fixture, tmp_path):
    listener = await web.start(fixture.app())
    server = kit.http_server(
        listener.port, headers={"X-Team": Literally(value="platform"), "Mcp-Name": Literally(value="no")}
    )
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        request = structs.replace(
            kit.call("echo"), headers={"Mcp-Param-Region": "eu", "Authorization": "Bearer stolen"}
        )
        await upstreams.get("s").request(request)
        await upstreams.get("s").request(kit.call("echo", name="unrelated"))

    first, second = [h for h in fixture.headers if h.get("mcp-method") == "tools/call"]
    assert first == {
        "mcp-method": "tools/call",
        "mcp-name": "echo",
        "mcp-protocol-version": "2026-07-28",
        "mcp-param-region": "eu",
        "x-team": "platform",
    }
    assert "mcp-param-region" not in second


async def test_a_name_that_is_no_header_text_is_encoded(web, kit, fixture, tmp_path):
    listener = await web.start(fixture.app())
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        with pytest.raises(UpstreamRefusal):
            await upstreams.get("s").request(UpstreamRequest("resources/read", {"uri": "a://ü"}, 5))

    [read] = [h for h in fixture.headers if h.get("mcp-method") == "resources/read"]
    assert read["mcp-name"] == "=?base64?YTovL8O8?="


@pytest.mark.parametrize("sessions_only", [False, True])
async def test_a_log_message_reaches_only_the_request_that_it_belongs_to(web, kit, tmp_path, sessions_only):
    fixture = kit.Fixture(sessions_only=sessions_only)
    listener = await web.start(fixture.app())
    logs = {"a": [], "b": [], "silent": []}

    async def one(upstream, key, level):
        async def on_notify(method, params):
            logs[key].append((method, params["data"]))

        await upstream.request(structs.replace(kit.call("hold", key=key), log_level=level, on_notify=on_notify))

    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        with anyio.fail_after(15):
            async with anyio.create_task_group() as tasks:
                for key, level in (("a", "info"), ("b", "error"), ("silent", None)):
                    tasks.start_soon(one, upstream, key, level)
                while len(fixture.held) < 3:
                    fixture.changed = anyio.Event()
                    await fixture.changed.wait()
                for held in fixture.held.values():
                    held.set()

    assert logs == {"a": [("notifications/message", "a")], "b": [("notifications/message", "b")], "silent": []}


async def test_a_401_reads_the_credential_again_and_sends_the_request_once_more(web, kit, fixture, tmp_path):
    (tmp_path / "token").write_text("first\n")
    fixture.token = "first"
    listener = await web.start(fixture.app())
    server = kit.http_server(listener.port, token=FromFile(path="token"))
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        await upstream.request(kit.call("echo"))
        # Younger than a second, a credential is not looked up again: make it old without waiting.
        upstream._surroundings.secrets._min_age = 0.0
        (tmp_path / "token").write_text("second\n")
        fixture.token = "second"
        await upstream.request(kit.call("echo"))
        assert fixture.calls == 2

        fixture.token = "third"
        failed = await failure(upstream, kit.call("echo"))
    assert failed.reason == "refused our credentials with HTTP 401"
    assert not failed.sent
    assert fixture.calls == 2


async def test_a_missing_secret_says_which(web, kit, fixture, tmp_path):
    listener = await web.start(fixture.app())
    server = kit.http_server(listener.port, token=FromFile(path="not/there"))
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        failed = await failure(upstreams.get("s"), kit.call("echo"))
    assert failed.reason == "secret file `not/there` cannot be read: No such file or directory"
    assert fixture.headers == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: Response(status_code=500), "answered HTTP 500"),
        (lambda: Response(status_code=404), "answered HTTP 404"),
        (lambda: Response(status_code=403), "refused our credentials with HTTP 403"),
        (lambda: PlainTextResponse("<html>"), "answered with content type `text/plain`"),
        (lambda: RedirectResponse("/mcp2", status_code=307), "answered with a redirect, which is never followed"),
        (lambda: Response("{", media_type="application/json"), "the answer is not a JSON-RPC message"),
    ],
)
async def test_an_answer_that_is_no_mcp_is_named(web, kit, tmp_path, answer, reason):
    async def app(scope, receive, send):
        await answer()(scope, receive, send)

    listener = await web.start(app)
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        failed = await failure(upstreams.get("s"), kit.call("echo"))
        assert upstreams.health()["s"].error == reason
    assert failed.reason == reason


async def test_nobody_listens(kit, tmp_path):
    async with open_upstreams({"s": kit.http_server(9)}, tmp_path) as upstreams:
        failed = await failure(upstreams.get("s"), kit.call("echo"))
        assert upstreams.health()["s"].state == "unavailable"
    assert failed.reason == "cannot connect: connection refused"
    assert not failed.sent


async def test_a_server_that_hangs_fails_the_call_within_its_timeout(web, kit, tmp_path):
    async def app(scope, _receive, _send):
        assert scope["type"] == "http"
        await anyio.sleep_forever()

    listener = await web.start(app)
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        with anyio.fail_after(3):
            failed = await failure(upstreams.get("s"), kit.call("echo", timeout=0.3))
        assert upstreams.health()["s"].state == "connecting"
    assert failed.reason == "not connected within 0.3 s"


async def test_a_server_that_dies_in_a_call_fails_that_call_alone(web, kit, fixture, tmp_path):
    inner, broken = fixture.app(), anyio.Event()

    async def app(scope, receive, send):
        if scope["type"] == "http" and b"die" in dict(scope["headers"]).get(b"mcp-name", b""):
            head = [(b"content-type", b"application/json"), (b"content-length", b"100")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            broken.set()
            raise RuntimeError("the connection is cut")
        await inner(scope, receive, send)

    listener = await web.start(app)
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.request, kit.call("hold", key="k"))
            await fixture.changed.wait()
            failed = await failure(upstream, kit.call("die"))
            fixture.held["k"].set()
    assert failed.sent
    assert failed.reason == "the connection broke in the middle of the answer"


@pytest.mark.parametrize("sessions_only", [False, True])
async def test_a_restarted_server_is_used_again_without_a_failed_call(web, kit, tmp_path, sessions_only):
    fixture = kit.Fixture(sessions_only=sessions_only)
    listener = await web.start(fixture.app())
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        await upstream.request(kit.call("echo"))
        await listener.stop()
        await web.start(fixture.app(), listener.port)

        results = []

        async def one():
            results.append(await upstream.request(kit.call("echo")))

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(one)
    assert len(results) == 10
    assert fixture.calls == 11


async def test_a_server_that_comes_back_is_found_by_the_next_call(web, kit, fixture, tmp_path):
    listener = await web.start(fixture.app())
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        await upstream.request(kit.call("echo"))
        await listener.stop()
        assert (await failure(upstream, kit.call("echo"))).reason == "cannot connect: connection refused"
        assert upstreams.health()["s"].state in {"unavailable", "connecting"}
        await web.start(fixture.app(), listener.port)
        with anyio.fail_after(5):
            await upstream.request(kit.call("echo"))
        assert upstreams.health()["s"] == upstream.health()
        assert upstream.health().error is None


async def test_a_hanging_call_delays_no_other(web, kit, fixture, tmp_path):
    listener = await web.start(fixture.app())
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(upstream.request, kit.call("hold", key=str(number)))
            with anyio.fail_after(10):
                for number in range(20):
                    await upstream.request(kit.call("echo", number=number))
            tasks.cancel_scope.cancel()


async def test_a_legacy_server_that_ignores_cancellations_does_not_keep_its_caller(web, kit, tmp_path):
    fixture = kit.Fixture(sessions_only=True)
    inner = fixture.app()
    stuck = anyio.Event()

    async def app(scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            return await inner(scope, receive, send)
        message = await receive()
        if b"notifications/cancelled" in message["body"]:
            stuck.set()
            await anyio.sleep_forever()
        sent = False

        async def again():
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return message

        return await inner(scope, again, send)

    listener = await web.start(app)
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        await upstream.request(kit.call("echo"))
        with anyio.fail_after(2), pytest.raises(UpstreamTimeout):
            await upstream.request(kit.call("hold", key="k", timeout=0.2))
        with anyio.fail_after(2):
            await stuck.wait()


async def test_a_session_that_is_refused_with_status_400_is_opened_again(web, kit, tmp_path):
    fixture = kit.Fixture(sessions_only=True)
    inner, forgotten, seen = fixture.app(), set(), set()

    async def app(scope, receive, send):
        session = dict(scope.get("headers", [])).get(b"mcp-session-id")
        seen.add(session)
        if session in forgotten and scope["method"] == "POST":
            error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
            body = {"jsonrpc": "2.0", "error": error, "id": None}
            return await JSONResponse(body, status_code=400)(scope, receive, send)
        return await inner(scope, receive, send)

    listener = await web.start(app)
    async with open_upstreams({"s": kit.http_server(listener.port)}, tmp_path) as upstreams:
        await upstreams.get("s").request(kit.call("echo"))
        forgotten |= seen - {None}
        await upstreams.get("s").request(kit.call("echo"))
    assert len(seen - {None}) == 2
    assert fixture.calls == 2


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (HeaderAuth(name="X-Team", value=Literally(value="k")), {"x-team": "k"}),
        (BasicAuth(user="ada", password=Literally(value="ü")), {"authorization": "Basic YWRhOsO8"}),
    ],
)
async def test_each_kind_of_authentication_is_a_header(web, kit, fixture, tmp_path, auth, sent):
    listener = await web.start(fixture.app())
    server = kit.http_server(listener.port)
    server = server.model_copy(update={"transport": server.transport.model_copy(update={"auth": auth})})
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        await upstreams.get("s").request(kit.call("echo"))
    assert all(sent.items() <= headers.items() for headers in fixture.headers)


async def test_nothing_is_sent_without_the_authentication_that_the_plan_asks_for(web, kit, fixture, tmp_path):
    listener = await web.start(fixture.app())
    server = kit.http_server(listener.port)
    auth = PerUserAuth(issuer="https://auth.example", client_id="mesh", client_secret=None, scopes=())
    server = server.model_copy(update={"transport": server.transport.model_copy(update={"auth": auth})})
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        failed = await failure(upstreams.get("s"), kit.call("echo"))
    assert failed.reason == "the server is called on behalf of a caller, and this is nobody's request"
    assert fixture.headers == []
