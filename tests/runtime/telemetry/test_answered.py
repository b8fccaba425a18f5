"""Requests that need no call, refused ones, hostile names, tries, and secrets: what becomes of each in spans and metrics."""

import io
import json
from urllib.parse import quote

import anyio
import pytest
from convention import CONVENTION, check_names
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import Memory
from plans import FakeUpstream, FakeUpstreams, simple
from sites import bearer, request, site

from meshplan.runtime.record import Lines
from meshplan.runtime.telemetry.attributes import of_request, of_server
from meshplan.runtime.telemetry.exposition import render
from meshplan.runtime.telemetry.gathered import Gathered
from meshplan.runtime.upstream.failures import Unavailable
from meshplan.runtime.upstream.port import UpstreamRefusal
from meshplan.runtime.upstream.resilience import Resilient
from meshplan.schemas.plan import HttpTransport, Retry

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
CANARY = "canary5ecret"


def draft():
    made = simple()
    for kind, definition in (
        ("prompt", {"name": "brief"}),
        ("resource", {"uri": "note://all", "name": "all"}),
    ):
        key = made.define("notes", kind, definition)
        made.offer("dev", key)
        made.allow("all", key)
    made.server("notes", relays=("subscribe", "logging"))
    return made


def told(memory, name, **attributes):
    """The only span of this name and with these attributes."""
    found = [
        span
        for span in memory.spans
        if (span.name, span.kind) == (name, "server")
        and attributes.items() <= {k.replace(".", "_"): v for k, v in span.attributes.items()}.items()
    ]
    assert len(found) == 1, [(span.name, span.attributes) for span in memory.spans]
    return found[0]


async def test_what_the_mesh_answers_itself_in_a_session_is_a_span_each():
    memory = Memory()
    async with site(draft().bundle(), FakeUpstreams(), tracer=memory.tracer) as found:
        session = await found.session()
        asked = {
            "ping": {},
            "logging/setLevel": {"level": "info"},
            "resources/subscribe": {"uri": "note://all"},
            "resources/unsubscribe": {"uri": "note://all?token=x"},
            "tools/list": {},
            "prompts/list": {},
            "resources/list": {},
            "resources/templates/list": {},
        }
        for number, (method, params) in enumerate(asked.items(), 2):
            body = request(method, {**params, "_meta": {"traceparent": PARENT}}, number)
            answer = await found.legacy(body, session=session)
            assert "result" in answer.json(), answer.text
        first = told(memory, "initialize")
        assert first.attributes["jsonrpc.request.id"] == "1"
        for number, method in enumerate(asked, 2):
            span = told(memory, method, jsonrpc_request_id=str(number), mcp_protocol_version="2025-11-25")
            assert (span.trace, span.parent, span.kind) == (TRACE, SPAN, "server")
            assert span.attributes["mcp.session.id"] == first.attributes["mcp.session.id"] != session
            assert span.seconds >= 0
        assert told(memory, "resources/unsubscribe").attributes["mcp.resource.uri"] == "note://all"
    check_names(memory.spans)
    own = {"initialize", *asked}
    counted = {
        attributes["mcp.method.name"]: count
        for name, attributes, count in memory.points
        if name == "mcp.server.operation.duration"
    }
    assert counted == dict.fromkeys(own, 1)


async def test_what_the_mesh_answers_itself_without_sessions_is_a_span_each():
    memory = Memory()
    async with site(draft().bundle(), FakeUpstreams(), tracer=memory.tracer) as found:
        meta = {"traceparent": PARENT}
        for method in ("server/discover", "tools/list", "resources/list"):
            assert "result" in (await found.modern(method, meta=meta)).json()
        listening, sent = found.modern_parts(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["note://all"]}}, meta=meta
        )
        async with found.client.stream("POST", found.url(), json=listening, headers=sent) as stream:
            async for line in stream.aiter_lines():
                if "acknowledged" in line:
                    break
        for _ in range(2000):
            if any(span.name == "subscriptions/listen" for span in memory.spans):
                break
            await anyio.lowlevel.checkpoint()
    for method in ("server/discover", "tools/list", "resources/list", "subscriptions/listen", "resources/subscribe"):
        assert told(memory, method).trace == TRACE
    assert told(memory, "subscriptions/listen").failed is None
    check_names(memory.spans)


async def test_a_request_that_is_turned_away_is_a_span_of_nobody_in_nobody_elses_trace():
    memory = Memory()
    async with site(draft().bundle(), FakeUpstreams(), tracer=memory.tracer) as found:
        around = {"traceparent": PARENT}
        assert (await found.modern("tools/list", key=None, headers=around)).status_code == 401
        assert (await found.modern("tools/list", key="nobody", headers=around)).status_code == 401
        assert (
            await found.modern("tools/list", headers={"origin": "http://evil.example", **around})
        ).status_code == 403
        body = {
            "content": b"{",
            "headers": {**found.modern_parts("tools/list", {})[1], **around, "content-type": "application/json"},
        }
        assert (await found.client.post(found.url(), **body)).status_code == 400
        assert (await found.legacy(request("tools/list"), session="made up")).status_code == 404
    away = [span for span in memory.spans if span.name == "_OTHER"]
    assert len(away) == len(memory.spans) == len(found.attempts) == 5
    assert [span.attributes["mesh.decision"] for span in away] == [one.decision for one in found.attempts]
    assert [span.trace for span in away] == [one.trace for one in found.attempts]
    by = {span.attributes["mesh.reason"]: span for span in away}
    for reason in ("no_credential", "unknown_key"):
        assert (by[reason].failed, by[reason].attributes["error.type"]) == ("unauthenticated", "-31003"), by
        assert (by[reason].parent, by[reason].links) == ("", [(TRACE, SPAN)])
        assert by[reason].trace != TRACE
    assert (by["not_json"].trace, by["not_json"].parent) == (TRACE, SPAN)
    assert by["not_json"].attributes["rpc.response.status_code"] == "-32700"
    check_names(memory.spans)
    assert not [span for span in memory.spans if "ann" in json.dumps(span.attributes)]


async def test_a_refused_answer_is_recorded_and_seen_once():
    memory = Memory()
    async with site(simple().bundle(), FakeUpstreams(), tracer=memory.tracer) as found:
        session = await found.session()
        answer = await found.legacy(request("logging/setLevel", {"level": "loud"}, 5), session=session)
        assert answer.json()["error"]["code"] == -32601
    assert [one.method for one in found.attempts] == ["logging/setLevel"]
    span = told(memory, "logging/setLevel", jsonrpc_request_id="5")
    assert (span.attributes["mesh.decision"], span.failed) == (found.attempts[0].decision, None)


async def test_the_headers_of_one_request_are_not_those_of_the_next_on_its_connection():
    memory = Memory()
    async with site(draft().bundle(), FakeUpstreams(), tracer=memory.tracer) as found:
        parts = [found.modern_parts("tools/list") for _ in range(2)]
        text = b""
        for place, (body, headers) in enumerate(parts):
            sent = {**headers, "host": f"127.0.0.1:{found.port}", "content-type": "application/json"}
            sent |= {"traceparent": PARENT} if place == 0 else {}
            content = json.dumps(body).encode()
            lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
            text += f"POST /mcp/dev HTTP/1.1\r\n{lines}content-length: {len(content)}\r\n\r\n".encode() + content
        async with await anyio.connect_tcp("127.0.0.1", found.port) as stream:
            await stream.send(text)
            while len(memory.spans) < 2:
                await stream.receive()
    assert [span.trace == TRACE for span in memory.spans] == [True, False]


async def test_no_name_that_somebody_made_up_is_a_label_or_the_name_of_a_span():
    codes = iter(range(-40_000, -30_000, 37))

    async def refuse(_request):
        raise UpstreamRefusal(next(codes), "no")

    memory, upstreams = Memory(), FakeUpstreams()
    upstreams.serve("notes", refuse)
    async with site(draft().bundle(), upstreams, tracer=memory.tracer) as found:
        for number in range(120):
            await found.modern(f"made/up{number}")
            await found.modern("tools/call", {"name": f"tool{number}", "arguments": {}})
            await found.modern("prompts/get", {"name": f"prompt{number}"})
            await found.modern("resources/read", {"uri": f"note://{number}"})
            await found.modern("tools/list", endpoint=f"end{number}")
            await found.modern("tools/call", {"name": "get_note", "arguments": {}})
        page = render(Gathered(found.telemetry).look().meter, {}, {})
    names = {span.name for span in memory.spans}
    assert names == {"_OTHER", "tools/call", "tools/call get_note", "tools/call get", "prompts/get", "resources/read"}
    points = memory.points
    assert len(points) < 40
    labels = json.dumps([attributes for _, attributes, _ in points]) + page
    assert not [word for word in ("made/up", "tool1", "prompt1", "note://", "end1", "-39") if word in labels]
    assert "_OTHER" in labels


def flaky(*failures):
    """An upstream that fails so, and then answers."""
    left = list(failures)

    async def handle(_request):
        await anyio.lowlevel.checkpoint()
        if left:
            raise left.pop(0)
        return {"content": [], "resultType": "complete"}

    return FakeUpstream(handle)


async def test_each_try_is_a_span_and_the_server_hears_which():
    memory, upstreams, made = Memory(), FakeUpstreams(), draft()
    transport = HttpTransport(url="https://u:p@a.example/mcp?key=x", headers={}, auth=None, replicas=("http://b:81/",))
    made.server("notes", transport)
    server = made.servers["notes"].model_copy(
        update={"retry": Retry(attempts=3, backoff_ms=1, idempotent=("notes/tool/get",))}
    )
    one, other = flaky(Unavailable("cannot connect"), Unavailable("broke", sent=True)), flaky(Unavailable("broke"))
    made.servers["notes"], upstreams.servers["notes"] = server, Resilient(server, [one, other])
    async with site(made.bundle(), upstreams, tracer=memory.tracer) as found:
        answer = await found.modern("tools/call", {"name": "get_note", "arguments": {}}, meta={"traceparent": PARENT})
        assert "result" in answer.json()
    outer = told(memory, "tools/call get_note", mesh_outcome="ok")
    tries = [span for span in memory.spans if span.kind == "client"]
    assert [span.attributes["server.address"] for span in tries] == ["a.example", "b", "a.example", "b"]
    assert [span.attributes.get("error.type") for span in tries] == ["upstream_error"] * 3 + [None]
    assert {(span.trace, span.parent) for span in tries} == {(TRACE, outer.id)}
    heard = [one.requests[0], other.requests[0], one.requests[1], other.requests[1]]
    assert [sent.params["_meta"]["traceparent"].split("-")[2] for sent in heard] == [span.id for span in tries]
    assert sum(span.seconds for span in tries) <= outer.seconds
    check_names(memory.spans)
    tried = {
        (said["server.address"], said.get("error.type")): count
        for name, said, count in memory.points
        if name == "mcp.client.operation.duration"
    }
    assert tried == {("a.example", "upstream_error"): 2, ("b", "upstream_error"): 1, ("b", None): 1}


async def test_a_cancelled_call_ends_both_of_its_spans():
    memory, upstreams, entered = Memory(), FakeUpstreams(), anyio.Event()

    async def never(_request):
        entered.set()
        await anyio.sleep_forever()

    upstreams.serve("notes", never)
    async with site(draft().bundle(), upstreams, tracer=memory.tracer) as found:
        session = await found.session()
        body = request("tools/call", {"name": "get_note", "arguments": {}}, 9)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: found.legacy(body, session=session))
            await entered.wait()
            await found.legacy(
                {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}, session=session
            )
    ended = {span.kind: span for span in memory.spans if span.name.startswith("tools/call")}
    assert {span.failed for span in ended.values()} == {"cancelled"}
    assert ended["client"].parent == ended["server"].id


PLACES = (
    "authorization", "cookie", "x-own", "baggage", "argument", "argument_name", "meta", "meta_baggage", "query", "user",
    "fragment", "error", "error_data", "result", "client_info", "session",
)  # fmt: skip


@given(st.sets(st.sampled_from(PLACES), min_size=1), st.sampled_from(["secret/é", "+/=", "sk-live_", " ' \""]))
@settings(max_examples=25, deadline=None)
def test_no_secret_leaves_from_any_place(places, tail):
    anyio.run(_tell_a_secret, places, CANARY + tail)


async def _tell_a_secret(places, secret):
    def at(place, otherwise=""):
        return secret if place in places else otherwise

    async def answers(sent):
        await anyio.lowlevel.checkpoint()
        if {"error", "error_data"} & places:
            raise UpstreamRefusal(-32000, at("error", "no"), {"why": at("error_data")})
        return {"content": [{"type": "text", "text": at("result")}], "resultType": "complete"} | (
            {"contents": []} if sent.method == "resources/read" else {}
        )

    memory, upstreams, log = Memory(), FakeUpstreams(), io.StringIO()
    upstreams.serve("notes", answers)
    header = secret.encode("ascii", "replace").decode()
    headers = {name: header for name in ("cookie", "x-own", "baggage") if name in places}
    meta = {"traceparent": PARENT, "acme/x": at("meta"), "baggage": at("meta_baggage")}
    meta["io.modelcontextprotocol/clientInfo"] = {"name": at("client_info", "t"), "version": "1"}
    uri = f"note://{quote(at('user', 'u'), safe='')}@all/a?k={at('query')}#{at('fragment')}"
    async with site(draft().bundle(), upstreams, tracer=memory.tracer) as found:
        arguments = {at("argument_name", "id"): at("argument")}
        await found.modern("tools/call", {"name": "get_note", "arguments": arguments}, meta=meta, headers=headers)
        await found.modern("resources/read", {"uri": uri}, meta=meta, headers={**headers, "mcp-name": "x"})
        session = await found.session()
        await found.legacy(request("resources/read", {"uri": uri}, 3), session=session, headers=headers)
        await found.legacy(request("resources/unsubscribe", {"uri": uri}, 4), session=session, headers=headers)
        await found.legacy(request("ping", {}, 5), session=at("session", session).encode("ascii", "replace").decode())
        if "authorization" in places:
            for path in (found.url(), f"{found.url()}?access_token={CANARY}"):
                sent = {"authorization": f"Bearer {header}", "accept": "application/json, text/event-stream"}
                await found.client.post(path, json={}, headers=sent)
        lines = Lines(log)
        for attempt in found.attempts:
            lines.attempt(attempt)
        lines.flush()
        gathered = Gathered(found.telemetry).look()
        page = render(gathered.meter, {}, {}) + json.dumps(list(gathered.recent))
    assert len(memory.spans) >= 6
    assert CANARY not in memory.text() + log.getvalue() + page
    assert bearer("ann")["authorization"].split()[1] not in memory.text() + log.getvalue() + page


@given(st.text(), st.text(), st.sampled_from(["", ":p@", "u:p@"]))
def test_a_uri_is_told_without_what_may_be_secret(query, fragment, user):
    uri = f"https://{user}host/path?{CANARY}{query}#{CANARY}{fragment}"
    assert CANARY not in json.dumps(of_request("resources/read", {"uri": uri}))
    found = of_server(
        HttpTransport(url=f"https://{CANARY}:{CANARY}@h.example/{CANARY}?{CANARY}", headers={}, auth=None)
    )
    assert found["server.address"] == "h.example"
    assert CANARY not in json.dumps(found)


@pytest.mark.parametrize("code", CONVENTION["errors_of_callers"])
async def test_what_the_caller_did_wrong_is_no_error_of_the_mesh_but_one_of_the_server(code):
    async def refuse(_request):
        raise UpstreamRefusal(code, "no")

    memory, upstreams = Memory(), FakeUpstreams()
    upstreams.serve("notes", refuse)
    async with site(draft().bundle(), upstreams, tracer=memory.tracer) as found:
        await found.modern("tools/call", {"name": "get_note", "arguments": {}})
    by = {span.kind: span for span in memory.spans}
    assert by["server"].attributes["rpc.response.status_code"] == by["client"].attributes["error.type"] == str(code)
    assert "error.type" not in by["server"].attributes
    check_names(memory.spans)
