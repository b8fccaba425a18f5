"""The strategy `search`: what is listed and found, how inner calls are decided and recorded, and that nothing leaks."""

import json

import anyio
import pytest
from desks import Desk
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from plans import Draft, FakeUpstreams, budget, echo

from meshplan.runtime.errors import RpcError
from meshplan.runtime.upstream.port import UpstreamUnavailable
from meshplan.schemas import meta_tools
from meshplan.schemas.plan import Limits, Search

OWN = list(meta_tools.SEARCH_NAMES)
TOOLS = {
    "list_channels": ("slack", "List the channels of a workspace.", "read"),
    "send_message": ("slack", "Post a message to a channel.", "write"),
    "create_issue": ("github", "Open a new issue in a repository.", "write"),
    "delete_repo": ("github", "Delete a repository and all of it.", "destructive"),
    "get_issue": ("github", "One issue of a repository.", "read"),
}


def draft(*, pinned=(), max_results=10, denied=()):
    """Five tools at `dev` for `ann`; `bob` may only read."""
    made = Draft(strategies={"dev": Search(max_results=max_results, pinned=pinned)})
    made.key("ann", "user:ann")
    made.key("bob", "user:bob")
    made.key("eve", "user:eve")
    for name, (server, said, effect) in TOOLS.items():
        schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
        key = made.tool("dev", server, name, schema=schema, description=said, effect=effect)
        if name in denied:
            made.deny("all", key)
        if effect == "read":
            made.allow("reads", key)
    made.grant("all", "user:ann")
    made.grant("reads", "user:bob")
    return made


def found(result):
    return [tool["tool"] for one in result["structuredContent"]["results"] for tool in one["tools"]]


async def test_clients_see_four_tools_and_the_pinned_ones():
    assert await Desk(draft()).listed() == OWN
    desk = Desk(draft(pinned=("get_issue",)))
    assert await desk.listed() == ["get_issue", *OWN]
    assert (await desk.tool("get_issue", {"text": "x"}))["content"]
    assert await desk.listed(key="eve") == []
    assert desk.active.snapshot.endpoints["dev"].instructions.startswith("endpoint dev\n\nThe tools that are listed")


async def test_hints_hold_for_all_that_the_caller_can_reach():
    desk = Desk(draft())

    async def hints(key):
        tools = (await desk.send("tools/list", key=key))["tools"]
        return {tool["name"]: tool["annotations"] for tool in tools}

    assert (await hints("ann"))["call_tool"] == {"destructiveHint": True, "openWorldHint": True, "readOnlyHint": False}
    assert (await hints("bob"))["call_tool"] == {"destructiveHint": False, "openWorldHint": True, "readOnlyHint": True}
    assert (await hints("ann"))["read_tool"] == {"openWorldHint": True, "readOnlyHint": True}


async def test_what_is_found_says_how_it_is_called():
    desk = Desk(draft())
    result = await desk.tool("search_tools", {"queries": ["send a message", "issue"], "limit": 2})
    Draft202012Validator(meta_tools.search_tools(10)["outputSchema"]).validate(result["structuredContent"])
    first = result["structuredContent"]["results"][0]
    assert first["query"] == "send a message"
    assert first["tools"][0] == {
        "tool": "send_message",
        "signature": "(text: string)",
        "summary": "Post a message to a channel.",
        "readOnly": False,
    }
    assert "- send_message(text: string) Post a message to a channel." in result["content"][0]["text"]
    assert result["resultType"] == "complete"
    assert {"create_issue", "get_issue"} <= set(found(result))


async def test_a_tool_that_two_queries_find_is_told_once():
    result = await Desk(draft()).tool("search_tools", {"queries": ["send message", "message"], "limit": 1})
    assert [row["tools"] for row in result["structuredContent"]["results"]][1] == [{"tool": "send_message"}]


async def test_nobody_finds_what_he_may_not_use():
    desk = Desk(draft(denied=("delete_repo",)))
    asked = {"queries": ["delete repository", "send message", "issue"], "limit": 10}
    assert "delete_repo" not in found(await desk.tool("search_tools", asked))
    assert set(found(await desk.tool("search_tools", asked, key="bob"))) <= {"get_issue", "list_channels"}
    described = await desk.tool("describe_tools", {"tools": ["delete_repo", "get_issue", "nothing"]})
    assert [tool["tool"] for tool in described["structuredContent"]["tools"]] == ["get_issue"]
    missing = described["structuredContent"]["notFound"]
    assert [one["tool"] for one in missing] == ["delete_repo", "nothing"]
    assert "delete_repo" not in missing[0]["didYouMean"]
    Draft202012Validator(meta_tools.describe_tools()["outputSchema"]).validate(described["structuredContent"])


async def test_arguments_that_are_null_are_none():
    params = {"name": "search_tools", "arguments": None}
    with pytest.raises(RpcError, match="`queries` is a list"):
        await Desk(draft()).send("tools/call", params)


async def test_a_result_passes_unchanged():
    upstreams = FakeUpstreams()
    answer = {
        "content": [],
        "structuredContent": {"n": 2**60},
        "_meta": {"x": 1},
        "novel": [1],
        "resultType": "complete",
    }

    async def exact(_):
        await anyio.lowlevel.checkpoint()
        return answer

    upstreams.serve("github", exact)
    desk = Desk(draft(), upstreams)
    assert await desk.tool("read_tool", {"tool": "get_issue", "arguments": {"text": "x"}}) == answer
    sent = desk.upstreams.get("github").requests[-1].params
    assert sent == {"name": "get_issue", "arguments": {"text": "x"}}


async def test_each_call_is_recorded_once_under_the_one_that_made_it():
    desk = Desk(draft())
    await desk.tool("call_tool", {"tool": "send_message", "arguments": {"text": "x"}})
    inner, outer = desk.attempts
    assert (inner.capability, inner.outcome, inner.parent) == ("slack/tool/send_message", "ok", outer.decision)
    assert (outer.capability, outer.outcome, outer.parent) == ("strategy:search/tool/call_tool", "ok", None)
    assert inner.call == outer.call
    assert [step for step, _ in desk.told.steps] == ["intent", "intent", "ok", "ok"]
    assert [one.parent for _, one in desk.told.steps] == [None, outer.decision, outer.decision, None]


async def test_denied_and_unknown_answer_alike_and_are_recorded_once():
    desk = Desk(draft(denied=("delete_repo",)))
    denied = await desk.tool("call_tool", {"tool": "delete_repo"})
    unknown = await desk.tool("call_tool", {"tool": "delete_reposit"})
    for result, name in ((denied, "delete_repo"), (unknown, "delete_reposit")):
        assert result["isError"] is True
        error = result["structuredContent"]["error"]
        assert (error["code"], error["message"], error["retryable"]) == ("unknown_tool", f"Unknown tool: {name}", False)
        assert "delete_repo" not in error.get("didYouMean", [])
    assert [(one.outcome, one.reason) for one in desk.attempts] == [
        ("denied", "denied_by_rule"),
        ("tool_error", None),
        ("denied", "no_such_name"),
        ("tool_error", None),
    ]
    assert not desk.upstreams.servers


async def test_only_what_reads_is_called_by_read_tool():
    desk = Desk(draft())
    result = await desk.tool("read_tool", {"tool": "send_message", "arguments": {"text": "x"}})
    assert (result["isError"], result["structuredContent"]["error"]["code"]) == (True, "denied")
    assert not desk.upstreams.servers
    hidden = await desk.tool("read_tool", {"tool": "send_message"}, key="bob")
    assert hidden["structuredContent"]["error"]["message"] == "Unknown tool: send_message"


async def test_a_tool_that_is_not_listed_is_told_to_who_may_use_it_only():
    desk = Desk(draft())
    assert (await desk.error("send_message", {"text": "x"})).data == {"reason": "not_listed"}
    refused = await desk.error("send_message", {"text": "x"}, key="bob")
    assert (refused.message, refused.data) == ("Unknown tool: send_message", {"reason": "not_available"})
    assert (await desk.error("search_tools", {"queries": ["x"]}, key="eve")).message == "Unknown tool: search_tools"
    assert [(one.outcome, one.reason) for one in desk.attempts] == [
        ("invalid", "not_listed"),
        ("denied", "no_allow"),
        ("denied", "nothing_visible"),
    ]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_tools", {}),
        ("search_tools", {"queries": []}),
        ("search_tools", {"queries": ["x"] * 6}),
        ("search_tools", {"queries": [1]}),
        ("search_tools", {"queries": ["x"], "limit": 0}),
        ("search_tools", {"queries": ["x"], "limit": True}),
        ("search_tools", {"queries": ["x"], "more": 1}),
        ("describe_tools", {"tools": "x"}),
        ("describe_tools", {"tools": ["x"] * 11}),
        ("call_tool", {}),
        ("call_tool", {"tool": "x", "arguments": []}),
        ("call_tool", {"tool": "x", "text": "x"}),
    ],
)
async def test_wrong_arguments_are_refused(name, arguments):
    desk = Desk(draft())
    error = await desk.error(name, arguments)
    assert (error.code, error.data) == (-32602, {"reason": "invalid_arguments"})
    assert [one.outcome for one in desk.attempts] == ["invalid"]


async def test_failures_of_the_server_are_told_to_the_model():
    upstreams = FakeUpstreams()

    async def away(_):
        await anyio.lowlevel.checkpoint()
        raise UpstreamUnavailable("it is away")

    upstreams.serve("slack", away)
    desk = Desk(draft(), upstreams)
    result = await desk.tool("call_tool", {"tool": "send_message", "arguments": {"text": "x"}})
    error = result["structuredContent"]["error"]
    assert (error["code"], error["retryable"]) == ("upstream_unavailable", True)
    assert [one.outcome for one in desk.attempts] == ["upstream_error", "tool_error"]


async def test_questions_of_a_server_reach_the_client_and_its_answers_the_server():
    upstreams = FakeUpstreams()

    async def asks(request):
        await anyio.lowlevel.checkpoint()
        if request.params.get("requestState") == "s1":
            return {"content": [{"type": "text", "text": json.dumps(request.params["inputResponses"])}]}
        question = {"method": "elicitation/create", "params": {"message": "sure?", "requestedSchema": {}}}
        return {"resultType": "input_required", "inputRequests": {"a": question}, "requestState": "s1"}

    upstreams.serve("github", asks)
    desk = Desk(draft(), upstreams)
    wanted = {"tool": "delete_repo", "arguments": {"text": "x"}}
    more = {"client_capabilities": {"elicitation": {}}}
    first = await desk.tool("call_tool", wanted, **more)
    assert first["resultType"] == "input_required"
    assert first["requestState"] != "s1"
    params = {"name": "call_tool", "arguments": wanted, "requestState": first["requestState"]}
    answers = {"inputResponses": {"a": {"action": "accept"}}}
    second = await desk.send("tools/call", {**params, **answers}, **more)
    assert json.loads(second["content"][0]["text"]) == {"a": {"action": "accept"}}
    assert [one.outcome for one in desk.attempts] == ["input_required", "input_required", "ok", "ok"]
    assert len({one.call for one in desk.attempts}) == 1
    other = {**params, "arguments": {"tool": "create_issue", "arguments": {"text": "x"}}, **answers}
    with pytest.raises(RpcError, match="not one of this call"):
        await desk.send("tools/call", other, **more)


async def test_a_budget_counts_inner_calls_and_nothing_else():
    desk = Desk(draft(), few=budget(2))
    sent = {"tool": "send_message", "arguments": {"text": "x"}}
    for _ in range(4):
        assert found(await desk.tool("search_tools", {"queries": ["send message"]}))
    for _ in range(2):
        assert "isError" not in await desk.tool("call_tool", sent)
    error = (await desk.tool("call_tool", sent))["structuredContent"]["error"]
    assert (error["code"], error["message"][:16]) == ("budget_exceeded", "the budget `few`")
    assert [one.outcome for one in desk.attempts[-2:]] == ["over_budget", "tool_error"]
    assert len(desk.upstreams.get("slack").requests) == 2


async def test_a_caller_with_one_turn_can_still_call():
    made = draft()
    made.limits = Limits(body_bytes=100_000, concurrency_per_principal=1)
    desk = Desk(made)
    assert (await desk.tool("call_tool", {"tool": "send_message", "arguments": {"text": "x"}}))["content"]


async def test_a_client_that_leaves_ends_the_inner_call():
    upstreams, reached = FakeUpstreams(), anyio.Event()

    async def slow(_):
        reached.set()
        await anyio.sleep_forever()

    upstreams.serve("slack", slow)
    desk = Desk(draft(), upstreams)
    async with anyio.create_task_group() as group:
        group.start_soon(desk.tool, "call_tool", {"tool": "send_message", "arguments": {"text": "x"}})
        await reached.wait()
        group.cancel_scope.cancel()
    assert [one.outcome for one in desk.attempts] == ["cancelled", "cancelled"]


@settings(deadline=None, max_examples=50)
@given(
    visible=st.sets(st.sampled_from(sorted(TOOLS))),
    pinned=st.sets(st.sampled_from(sorted(TOOLS)), max_size=2),
    queries=st.lists(st.one_of(st.text(max_size=30), st.sampled_from(sorted(TOOLS))), min_size=1, max_size=5),
    servers=st.none() | st.lists(st.sampled_from(["slack", "github", "other"]), min_size=1),
    limit=st.integers(1, 10),
)
def test_an_answer_names_nothing_that_is_not_visible(visible, pinned, queries, servers, limit):
    desk = Desk(draft(pinned=tuple(sorted(pinned)), denied=tuple(set(TOOLS) - visible)))
    wanted = {"queries": queries, "limit": limit} | ({} if servers is None else {"servers": servers})

    async def ask():
        listed = await desk.listed()
        if not visible:
            assert listed == []
            return
        assert listed == [*[name for name in sorted(TOOLS) if name in pinned & visible], *OWN]
        result = await desk.tool("search_tools", wanted)
        assert set(found(result)) <= visible - pinned
        described = await desk.tool("describe_tools", {"tools": sorted(TOOLS)[:10]})
        assert {tool["tool"] for tool in described["structuredContent"]["tools"]} == visible
        near = [name for one in described["structuredContent"]["notFound"] for name in one["didYouMean"]]
        assert set(near) <= visible

    anyio.run(ask)


async def test_the_same_plan_gives_the_same_bytes():
    one, other = (Desk(draft()).active.snapshot for _ in range(2))
    visible = frozenset(one.plan.capabilities)
    assert one.endpoints["dev"].strategy.listed(visible) == other.endpoints["dev"].strategy.listed(visible)


async def test_progress_of_the_inner_call_is_that_of_the_outer():
    upstreams, told = FakeUpstreams(), []

    async def reports(request):
        await request.on_notify("notifications/progress", {"progress": 1, "total": 2})
        return await echo(request)

    async def on_notify(method, params):
        await anyio.lowlevel.checkpoint()
        told.append((method, params))

    upstreams.serve("slack", reports)
    desk = Desk(draft(), upstreams)
    wanted = {"tool": "send_message", "arguments": {"text": "x"}}
    await desk.tool("call_tool", wanted, on_notify=on_notify, wants_progress=True)
    assert told == [("notifications/progress", {"progress": 1, "total": 2})]
