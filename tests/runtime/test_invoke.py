"""The one way in: decisions, what is sent, resources under every spelling, and what is recorded."""

import hashlib
import json
from datetime import UTC, datetime

import anyio
import pytest
from plans import FakeUpstreams, simple

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.errors import RpcError
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamUnavailable
from meshplan.schemas.plan import Limits, Retry

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Bench:
    """An invoker over a draft, with everything that it touches in reach."""

    def __init__(self, draft, upstreams=None):
        self.upstreams, self.attempts = upstreams or FakeUpstreams(), []
        self.active = Active(lambda: NOW)
        self.active.swap(Snapshot(draft.bundle()))
        self.invoker = Invoker(self.active, self.upstreams, self.attempts.append)

    async def call(self, method, params=None, *, key="ann", era="modern", **more):
        digest = hashlib.sha256(f"secret-{key}".encode()).hexdigest()
        principal = self.active.snapshot.keyring.principal(digest, self.active.now)
        caller = Caller(digest, principal)
        call = Call(endpoint="dev", caller=caller, era=era, method=method, params=params or {}, **more)
        result = await self.invoker.invoke(call)
        return json.loads(result) if isinstance(result, bytes) else result

    async def error(self, method, params=None, **more):
        with pytest.raises(RpcError) as caught:
            await self.call(method, params, **more)
        return caught.value

    def sent(self, server):
        return self.upstreams.get(server).requests[-1].params


def library():
    """Resources, templates, prompts and a server with live resources."""
    draft = simple()
    keys = [
        draft.define("notes", "resource", {"uri": "note://all", "name": "all"}),
        draft.define("notes", "resource", {"uri": "note://secret", "name": "secret"}),
        draft.define("notes", "template", {"uriTemplate": "note://{id}", "name": "note"}),
        draft.define("notes", "prompt", {"name": "digest"}),
    ]
    for key in keys:
        draft.offer("dev", key, "sum_up" if key.endswith("digest") else None)
    draft.allow("all", *keys)
    draft.server("my_files")
    draft.live["dev"] = ("my_files",)
    draft.allow("all", live=[("my_files", ("file:///pub/*",))])
    draft.deny("all", live=[("my_files", ("file:///pub/private/*",))])
    return draft, keys


async def read(request):
    await anyio.lowlevel.checkpoint()
    return {"contents": [{"uri": request.params["uri"], "text": "t", "novel": 1}], "resultType": "complete"}


async def test_set_and_hidden_arguments_are_not_taken_and_set_ones_are_sent():
    draft = simple()
    schema = {"type": "object", "properties": {"owner": {}, "n": {}, "debug": {}}, "required": ["owner", "n"]}
    draft.tool("dev", "notes", "make", schema=schema, fixed={"owner": '"acme"'}, hide=["debug"])
    bench = Bench(draft)
    await bench.call("tools/call", {"name": "make", "arguments": {"n": 1}})
    assert bench.sent("notes") == {"name": "make", "arguments": {"n": 1, "owner": "acme"}}
    for arguments in ({"owner": "me"}, {"debug": True}, {"Owner": "me"}, {"other": 1}):
        error = await bench.error("tools/call", {"name": "make", "arguments": arguments})
        assert (error.code, error.data) == (-32602, {"reason": "invalid_arguments"})
    assert (await bench.error("tools/call", {"name": "make", "arguments": [1]})).code == -32602
    tools = {tool["name"]: tool for tool in (await bench.call("tools/list"))["tools"]}
    assert tools["make"]["inputSchema"] == {"type": "object", "properties": {"n": {}}, "required": ["n"]}
    assert len(bench.upstreams.get("notes").requests) == 1


async def test_a_prompt_is_renamed_and_its_links_are_not_touched_without_need():
    draft, _ = library()
    upstreams = FakeUpstreams()

    async def answer(_):
        link = {"type": "resource_link", "uri": "other://x", "name": "x"}
        return {"messages": [{"role": "user", "content": link}, {"role": "user"}, 5], "novel": []}

    upstreams.serve("notes", answer)
    bench = Bench(draft, upstreams)
    result = await bench.call("prompts/get", {"name": "sum_up"})
    assert bench.sent("notes") == {"name": "digest"}
    assert result == {**(await answer(None)), "resultType": "complete"}
    assert (await bench.error("prompts/get", {"name": "digest"})).message == "Unknown prompt: digest"


@pytest.mark.parametrize(
    ("uri", "sent"),
    [
        ("note://all", "note://all"),
        ("NOTE://all", "note://all"),
        ("note://%61ll", "note://all"),
        ("note://4", "note://4"),
        ("note://%34", "note://4"),
    ],
)
async def test_declared_resources_and_templates_are_read_under_every_spelling(uri, sent):
    draft, _ = library()
    upstreams = FakeUpstreams()
    upstreams.serve("notes", read)
    bench = Bench(draft, upstreams)
    result = await bench.call("resources/read", {"uri": uri})
    assert bench.sent("notes") == {"uri": sent}
    assert result["contents"] == [{"uri": sent, "text": "t", "novel": 1}]
    assert (result["cacheScope"], result["ttlMs"]) == ("private", 0)


@pytest.mark.parametrize("uri", ["note://secret", "note://%73ecret", "NOTE://secret", "note:///../secret"])
async def test_a_denied_resource_stays_denied_where_a_template_would_make_it(uri):
    draft, keys = library()
    draft.deny("all", keys[1])
    bench = Bench(draft)
    error = await bench.error("resources/read", {"uri": uri})
    assert (error.code, error.message) == (-32602, "Resource not found")
    assert error.data == {"uri": uri, "reason": "not_available"}
    assert not bench.upstreams.get("notes").requests


async def test_a_rule_that_denies_one_of_two_templates_denies_what_both_make():
    draft, _ = library()
    wide = draft.define("notes", "template", {"uriTemplate": "note://{+any}", "name": "any"})
    draft.offer("dev", wide)
    draft.deny("all", wide)
    bench = Bench(draft)
    assert (await bench.error("resources/read", {"uri": "note://4"})).code == -32602
    assert bench.attempts[0].reason == "denied_by_rule"


async def test_live_resources_are_listed_and_read_under_the_servers_name():
    draft, _ = library()
    upstreams = FakeUpstreams()

    async def files(request):
        if request.method == "resources/read":
            return await read(request)
        uris = ["file:///pub/a", "file:///pub/private/b", "file:///etc/c", "file:///pub/../etc/d", "file:///pub/x%2Fy"]
        return {"resources": [*({"uri": uri, "name": uri, "novel": 1} for uri in uris), 7, {"uri": 5}]}

    upstreams.serve("my_files", files)
    bench = Bench(draft, upstreams)
    listed = (await bench.call("resources/list"))["resources"]
    assert [item["uri"] for item in listed] == ["note://all", "note://secret", "my.files+file:///pub/a"]
    assert listed[2]["novel"] == 1
    result = await bench.call("resources/read", {"uri": "my.files+file:///pub/./z/../a"})
    assert bench.sent("my_files") == {"uri": "file:///pub/a"}
    assert result["contents"][0]["uri"] == "my.files+file:///pub/a"
    assert bench.attempts[-1].capability == "my_files/resource/file:///pub/a"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("my.files+file:///etc/passwd", "no_allow"),
        ("my.files+file:///pub/../etc/passwd", "no_allow"),
        ("my.files+file:///pub/%2e%2e/etc/passwd", "no_allow"),
        ("my.files+file:///pub/..%2fetc/passwd", "unsafe_uri"),
        ("my.files+file:///pub/a%2fb", "unsafe_uri"),
        ("my.files+file:///pub/private/b", "denied_by_rule"),
        ("my.files+file:///pub/%70rivate/b", "denied_by_rule"),
        ("file:///pub/a", "no_such_name"),
        ("my_files+file:///pub/a", "unsafe_uri"),
        ("notes+note://4", "no_such_name"),
    ],
)
async def test_live_resources_are_decided_on_what_the_server_would_understand(uri, why):
    draft, _ = library()
    bench = Bench(draft)
    error = await bench.error("resources/read", {"uri": uri}, era="legacy")
    assert (error.code, error.data["reason"]) == (-32002, "not_available")
    assert bench.attempts[0].reason == why
    assert not bench.upstreams.get("my_files").requests


async def test_a_rule_that_denies_a_declared_resource_denies_it_live():
    draft, _ = library()
    declared = draft.define("my_files", "resource", {"uri": "file:///pub/plan", "name": "p"})
    draft.offer("dev", declared)
    draft.deny("all", declared)
    bench = Bench(draft)
    await bench.error("resources/read", {"uri": "my.files+file:///pub/plan"})
    await bench.error("resources/read", {"uri": "file:///pub/plan"})
    assert [a.reason for a in bench.attempts] == ["denied_by_rule", "denied_by_rule"]


async def test_a_live_server_that_fails_is_left_out_of_the_list():
    draft, _ = library()
    upstreams = FakeUpstreams()

    async def fail(_):
        raise UpstreamUnavailable("down")

    upstreams.serve("my_files", fail)
    listed = (await Bench(draft, upstreams).call("resources/list"))["resources"]
    assert [item["uri"] for item in listed] == ["note://all", "note://secret"]


async def test_links_in_tool_results_carry_the_names_of_this_endpoint():
    draft, _ = library()
    draft.tool("dev", "my_files", "find")
    upstreams = FakeUpstreams()
    blocks = [
        {"type": "resource_link", "uri": "file:///pub/a", "name": "a", "novel": None},
        {"type": "resource", "resource": {"uri": "file:///pub/b", "text": ""}},
        {"type": "text", "text": "file:///pub/a"},
        {"type": "resource"},
        None,
    ]

    async def find(_):
        return {"content": blocks, "structuredContent": {"uri": "file:///pub/a"}, "resultType": "complete"}

    upstreams.serve("my_files", find)
    result = await Bench(draft, upstreams).call("tools/call", {"name": "find"})
    assert result["content"] == [
        {**blocks[0], "uri": "my.files+file:///pub/a"},
        {"type": "resource", "resource": {"uri": "my.files+file:///pub/b", "text": ""}},
        *blocks[2:],
    ]
    assert result["structuredContent"] == {"uri": "file:///pub/a"}


@pytest.mark.parametrize(
    ("era", "code", "expected"), [("modern", -32002, -32602), ("legacy", -32602, -32002), ("legacy", -32002, -32002)]
)
async def test_not_found_of_the_upstream_is_said_as_each_era_says_it(era, code, expected):
    draft, _ = library()
    upstreams = FakeUpstreams()

    async def missing(request):
        raise UpstreamRefusal(code, "gone", {"uri": request.params["uri"]})

    upstreams.serve("my_files", missing)
    error = await Bench(draft, upstreams).error("resources/read", {"uri": "my.files+file:///pub/a"}, era=era)
    assert (error.code, error.message, error.data) == (expected, "gone", {"uri": "my.files+file:///pub/a"})


async def test_completion_is_mapped_back_and_empty_where_the_server_has_none():
    draft, _ = library()
    bench = Bench(draft)
    argument = {"name": "id", "value": ""}
    asked = {"ref": {"type": "ref/prompt", "name": "sum_up", "title": "x"}, "argument": argument}
    assert (await bench.call("completion/complete", asked))["completion"]["values"] == []
    draft.server("notes", relays=("completions",))
    bench = Bench(draft)
    await bench.call("completion/complete", asked)
    assert bench.sent("notes")["ref"] == {"type": "ref/prompt", "name": "digest", "title": "x"}
    await bench.call(
        "completion/complete", {"ref": {"type": "ref/resource", "uri": "note://{id}"}, "argument": argument}
    )
    assert bench.sent("notes")["ref"]["uri"] == "note://{id}"
    for ref in ({"type": "ref/prompt", "name": "digest"}, {"type": "ref/resource", "uri": "note://4"}, {}, None):
        assert (await bench.error("completion/complete", {"ref": ref})).code == -32602


async def test_each_attempt_is_recorded_with_its_outcome_and_never_with_arguments():
    upstreams = FakeUpstreams()

    async def answer(request):
        return request.params["arguments"]["give"]

    upstreams.serve("notes", answer)
    bench = Bench(simple(), upstreams)
    for give in (
        {"content": []},
        {"content": [], "isError": True},
        {"resultType": "input_required", "requestState": "s"},
    ):
        await bench.call("tools/call", {"name": "get_note", "arguments": {"give": give, "word": "hush"}})
    assert [a.outcome for a in bench.attempts] == ["ok", "tool_error", "input_required"]
    first = bench.attempts[0]
    assert (first.principal, first.endpoint, first.capability) == ("key:ann", "dev", "notes/tool/get")
    assert (first.rule, first.reason, first.at) == ("r0", "allowed", "2026-05-01T00:00:00.000+00:00")
    assert first.plan == bench.active.snapshot.digest
    assert "hush" not in repr(bench.attempts)
    assert len({a.decision for a in bench.attempts}) == 3


async def test_a_principal_gets_only_so_many_requests_at_once():
    draft = simple()
    draft.grant("all", "user:bob")
    draft.limits = Limits(body_bytes=1000, concurrency_per_principal=2)
    upstreams, begun, release = FakeUpstreams(), anyio.create_memory_object_stream[None](10), anyio.Event()

    async def hold(_):
        begun[0].send_nowait(None)
        await release.wait()
        return {"content": []}

    upstreams.serve("notes", hold)
    bench = Bench(draft, upstreams)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(bench.call, "tools/call", {"name": "get_note"})
                await begun[1].receive()
            error = await bench.error("tools/call", {"name": "get_note"})
            assert (error.code, bench.attempts[0].outcome) == (-31004, "overloaded")
            group.start_soon(lambda: bench.call("tools/call", {"name": "get_note"}, key="bob"))
            await begun[1].receive()
            release.set()
    assert [a.outcome for a in bench.attempts[1:]] == ["ok"] * 3
    for stream in begun:
        stream.close()


async def test_a_call_decides_on_the_newest_plan():
    draft = simple()
    bench = Bench(draft)
    await bench.call("tools/call", {"name": "get_note"})
    draft.deny("all", "notes/tool/get")
    bench.active.swap(Snapshot(draft.bundle()))
    error = await bench.error("tools/call", {"name": "get_note"})
    assert error.message == "Unknown tool: get_note"
    assert (bench.attempts[1].reason, bench.attempts[1].plan) == ("denied_by_rule", bench.active.snapshot.digest)


async def test_cursors_are_not_ours():
    assert (await Bench(simple()).error("tools/list", {"cursor": "x"})).data == {"reason": "invalid_cursor"}


async def test_capabilities_that_need_follow_ups_are_not_passed_on():
    bench = Bench(simple())
    declared = {"elicitation": {}, "tasks": {}, "extensions": {"io.modelcontextprotocol/tasks": {}, "x/y": {}}}
    await bench.call("tools/call", {"name": "get_note", "task": {"ttl": 1}}, client_capabilities=declared)
    request = bench.upstreams.get("notes").requests[0]
    assert request.client_capabilities == {"elicitation": {}, "extensions": {"x/y": {}}}
    assert request.params == {"name": "get"}


async def test_a_frozen_upstream_delays_nobody_else():
    draft = simple()
    draft.tool("dev", "files", "read")
    draft.limits = Limits(body_bytes=1000, concurrency_per_principal=64, concurrency_per_upstream=1)
    upstreams, release = FakeUpstreams(), anyio.Event()

    async def hold(_):
        await release.wait()
        return {"content": []}

    upstreams.serve("notes", hold)
    bench = Bench(draft, upstreams)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(bench.call, "tools/call", {"name": "get_note"})
                await anyio.wait_all_tasks_blocked()
            error = await bench.error("tools/call", {"name": "get_note"})
            assert (error.code, error.data) == (
                -31004,
                {"reason": "upstream_overloaded", "server": "notes", "limit": 1},
            )
            assert len(upstreams.get("notes").requests) == 1
            await bench.call("tools/call", {"name": "read"})
            release.set()
    assert [a.outcome for a in bench.attempts] == ["overloaded", "ok", "ok", "ok"]
    first, second = upstreams.get("notes").requests
    assert second.timeout < first.timeout


async def test_a_call_that_only_reads_is_repeatable_and_is_decided_again():
    draft = simple()
    write = draft.tool("dev", "notes", "put")
    named = draft.tool("dev", "notes", "name_it")
    for key in (write, named):
        draft.capabilities[key] = draft.capabilities[key].model_copy(update={"effect": "write"})
    retry = Retry(attempts=2, backoff_ms=1, idempotent=(named,))
    draft.servers["notes"] = draft.servers["notes"].model_copy(update={"retry": retry})
    bench = Bench(draft)
    for name, repeatable in (("get_note", True), ("put", False), ("name_it", True)):
        await bench.call("tools/call", {"name": name})
        sent = bench.upstreams.get("notes").requests[-1]
        assert sent.repeatable is repeatable
        sent.before_retry()
    draft.deny("all", named)
    bench.active.swap(Snapshot(draft.bundle()))
    with pytest.raises(RpcError, match="Unknown tool"):
        sent.before_retry()


async def test_a_breaker_that_is_open_is_said_with_the_time_that_is_left():
    upstreams = FakeUpstreams()

    async def fail(_):
        raise UpstreamUnavailable("left alone", retry_after=12.3)

    upstreams.serve("notes", fail)
    error = await Bench(simple(), upstreams).error("tools/call", {"name": "get_note"})
    assert error.data == {"reason": "upstream_unavailable", "server": "notes", "retry_after": 13}
