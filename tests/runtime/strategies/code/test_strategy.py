"""The strategy `code`: what is listed and found, what programs get of their calls, and how these are decided and recorded."""

import json

import anyio
import pytest
from desks import Desk
from jsonschema import Draft202012Validator
from plans import Draft, FakeUpstreams

from meshplan.runtime.errors import RpcError
from meshplan.runtime.strategies.code import pool
from meshplan.runtime.strategies.code.pool import open_sandboxes
from meshplan.runtime.strategies.port import StrategyError
from meshplan.runtime.upstream.port import UpstreamUnavailable
from meshplan.schemas import code_tools
from meshplan.schemas.plan import Code

BOUNDS = {"wall_ms": 10_000, "memory_bytes": 64 << 20, "calls": 20, "output_bytes": 100_000, "logs_bytes": 10_000}
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
ISSUE = {"type": "object", "properties": {"id": {"type": "integer"}, "title": {"type": "string"}}, "required": ["id"]}


def draft(*, many=0, denied=(), **bounds):
    """Four tools at `dev` for `ann`; `bob` may only read."""
    made = Draft(strategies={"dev": Code(**{**BOUNDS, **bounds})})
    for who in ("ann", "bob", "eve"):
        made.key(who, f"user:{who}")
    for name, effect, more in (
        ("get_issue", "read", {"outputSchema": ISSUE}),
        ("list-issues", "read", {}),
        ("send_message", "write", {}),
        ("delete_repo", "destructive", {}),
        *((f"get_thing_{at}", "read", {"description": "Something of many. " * 3}) for at in range(many)),
    ):
        key = made.tool("dev", "github", name, schema=TEXT, effect=effect, **more)
        if name in denied:
            made.deny("all", key)
        if effect == "read":
            made.allow("reads", key)
    made.grant("all", "user:ann")
    made.grant("reads", "user:bob")
    return made


async def answer(request):
    """An issue where one is asked for, else the arguments as text."""
    await anyio.lowlevel.checkpoint()
    if request.params["name"] == "get_issue":
        issue = {"id": 7, "title": request.params["arguments"]["text"]}
        return {"content": [{"type": "text", "text": json.dumps(issue)}], "structuredContent": issue}
    return {"content": [{"type": "text", "text": json.dumps(request.params["arguments"])}]}


def desk(made=None, handler=answer):
    upstreams = FakeUpstreams()
    upstreams.serve("github", handler)
    return Desk(made or draft(), upstreams)


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
async def _sandboxes(anyio_backend):
    async with open_sandboxes(print):
        yield


async def run(at, code, **more):
    """The structure of a program's result; it always has the declared shape."""
    result = await at.tool("run_code", {"code": code}, **more)
    told = result["structuredContent"]
    Draft202012Validator(code_tools.run_code(None)["outputSchema"]).validate(told)
    assert json.loads(result["content"][0]["text"]) == told
    assert result.get("isError", False) is ("error" in told)
    return told


async def test_few_functions_are_in_the_description():
    at = desk()
    (tool,) = (await at.send("tools/list"))["tools"]
    assert tool["name"] == "run_code"
    assert "async def get_issue(*, text: str) -> GetIssueResult" in tool["description"]
    assert "async def list_issues(*, text: str) -> str" in tool["description"]
    assert tool["annotations"] == {"destructiveHint": True, "openWorldHint": True, "readOnlyHint": False}


async def test_nobody_sees_what_they_may_not_use():
    at = desk()
    (tool,) = (await at.send("tools/list", key="bob"))["tools"]
    assert "delete_repo" not in tool["description"]
    assert tool["annotations"]["readOnlyHint"] is True
    assert await at.listed(key="eve") == []
    with pytest.raises(RpcError):
        await at.tool("run_code", {"code": "1"}, key="eve")


async def test_many_functions_are_searched_for():
    at = desk(draft(many=40))
    tools = {tool["name"]: tool for tool in (await at.send("tools/list"))["tools"]}
    assert list(tools) == list(code_tools.NAMES)
    assert "async def" not in tools["run_code"]["description"]
    result = await at.tool("search_tools", {"queries": ["delete repo", "list issues"], "limit": 1})
    Draft202012Validator(tools["search_tools"]["outputSchema"]).validate(result["structuredContent"])
    first, second = result["structuredContent"]["results"]
    assert first["tools"][0]["stub"].startswith("async def delete_repo(*, text: str)")
    assert second["tools"][0]["tool"] == "list_issues"
    hidden = await at.tool("search_tools", {"queries": ["delete repo"], "limit": 20}, key="bob")
    assert "delete_repo" not in json.dumps(hidden)
    told = await at.tool("describe_tools", {"tools": ["list_issues", "delete_repo"]}, key="bob")
    Draft202012Validator(tools["describe_tools"]["outputSchema"]).validate(told["structuredContent"])
    assert [tool["tool"] for tool in told["structuredContent"]["tools"]] == ["list_issues"]
    assert "delete_repo" not in json.dumps(told["structuredContent"]["tools"])


async def test_the_surface_of_500_tools_is_a_fraction():
    made = draft(many=500)
    code = sum(len(json.dumps(tool)) for tool in (await desk(made).send("tools/list"))["tools"])
    made.strategies.clear()
    listed, cursor = 0, {}
    at = desk(made)
    for _ in range(50):
        page = await at.send("tools/list", cursor)
        listed += sum(len(json.dumps(tool)) for tool in page["tools"])
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert code < 0.04 * listed


async def test_a_program_gets_structure_where_it_is_declared_and_text_elsewhere():
    told = await run(desk(), "i = await get_issue(text='x')\n[i['title'], await list_issues(text='y')]")
    assert told["value"] == ["x", '{"text": "y"}']
    assert [call["function"] for call in told["calls"]] == ["get_issue", "list_issues"]


async def test_what_is_assigned_to_result_or_printed_comes_back():
    told = await run(desk(), "print('one')\nresult = {'a': (1, 2.5, None)}")
    assert told == {"value": {"a": [1, 2.5, None]}, "logs": "one\n", "calls": []}


async def test_calls_run_at_the_same_time():
    under_way = 0
    together = anyio.Event()

    async def meet(request):
        nonlocal under_way
        under_way += 1
        if under_way == 3:
            together.set()
        await together.wait()
        return await answer(request)

    code = "import asyncio\nlen(await asyncio.gather(*[send_message(text=str(i)) for i in range(3)]))"
    told = await run(desk(handler=meet), code)
    assert told["value"] == 3


async def test_each_call_is_recorded_under_the_program():
    at = desk()
    await run(at, "await get_issue(text='a')\nawait send_message(text='b')")
    *inner, outer = at.attempts
    assert outer.capability == "strategy:code/tool/run_code"
    assert [attempt.capability for attempt in inner] == ["github/tool/get_issue", "github/tool/send_message"]
    assert {attempt.parent for attempt in inner} == {outer.decision}
    assert len({attempt.decision for attempt in inner}) == 2
    assert {attempt.outcome for attempt in at.attempts} == {"ok"}


async def test_what_is_denied_outside_is_denied_inside_and_recorded_once():
    at = desk(draft(denied=("delete_repo",)))
    code = "try:\n  await delete_repo(text='x')\nexcept LookupError as error:\n  print(error)\n1"
    told = await run(at, code)
    assert told["value"] == 1
    assert "delete_repo: Unknown tool" in told["logs"]
    (denied,) = [attempt for attempt in at.attempts if attempt.parent]
    assert (denied.outcome, denied.reason, denied.capability) == ("denied", "denied_by_rule", "github/tool/delete_repo")
    assert at.upstreams.get("github").requests == []


async def test_what_is_hidden_is_like_what_does_not_exist():
    at = desk()
    hidden, missing = [
        (await run(at, f"await {name}(text='x')", key="bob"))["error"]["message"].replace(name, "NAME")
        for name in ("delete_repo", "delete_rope")
    ]
    assert hidden == missing
    unknown = await run(at, "f = delete_repo", key="bob")
    assert "NameError" in unknown["error"]["message"]


async def test_arguments_go_by_name():
    told = await run(desk(), "await get_issue('x')")
    assert "takes its arguments by name" in told["error"]["message"]
    told = await run(desk(), "await get_issue(**{'text': 'x'})")
    assert told["value"]["title"] == "x"


async def test_a_failed_call_raises_what_a_program_can_catch():
    async def fail(request):
        if request.params["name"] == "get_issue":
            return {"content": [{"type": "text", "text": "no such issue"}], "isError": True}
        raise UpstreamUnavailable("it is down")

    told = await run(
        desk(handler=fail),
        "found = []\n"
        "for f in (get_issue, send_message):\n"
        "  try:\n"
        "    await f(text='x')\n"
        "  except RuntimeError as error:\n"
        "    found.append(str(error))\n"
        "found",
    )
    assert told["value"][0] == "get_issue: no such issue"
    assert "send_message: server `github` is unavailable" in told["value"][1]
    assert [call["error"] for call in told["calls"]] == told["value"]


async def test_a_question_is_an_error_where_nobody_can_be_asked():
    async def ask(request):
        asked = {
            "q": {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {"type": "object"}}}
        }
        return {"resultType": "input_required", "inputRequests": asked, "requestState": "s"}

    at = desk(handler=ask)
    code = "try:\n  await get_issue(text='x')\nexcept RuntimeError as error:\n  print(error)"
    told = await run(at, code, client_capabilities={"elicitation": {}})
    assert "asks the user for something" in told["logs"]
    assert [attempt.outcome for attempt in at.attempts] == ["input_required", "ok"]


async def test_a_result_does_not_grow_with_what_its_calls_are_called():
    told = await run(
        desk(), f"for i in range(20):\n  try:\n    await {'x' * 60_000}()\n  except LookupError:\n    pass"
    )
    assert len(told["calls"]) == 20
    assert len(json.dumps(told)) < 20_000


async def test_progress_is_told_for_each_call():
    told = []

    async def notify(method, params):
        told.append((method, params["progress"], params["message"]))

    code = "await get_issue(text='a')\nawait list_issues(text='b')"
    await run(desk(), code, wants_progress=True, on_notify=notify)
    assert told == [("notifications/progress", 1, "get_issue"), ("notifications/progress", 2, "list-issues")]


async def test_a_client_that_leaves_ends_the_program_and_its_calls():
    began, ended = anyio.Event(), anyio.Event()

    async def hang(request):
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    at = desk(handler=hang)
    code = "try:\n  await get_issue(text='x')\nexcept BaseException:\n  pass\nwhile True: pass"
    before = {sandbox.process.pid for sandbox in pool.current().resting}
    async with anyio.create_task_group() as group:
        group.start_soon(run, at, code)
        await began.wait()
        group.cancel_scope.cancel()
    assert ended.is_set()
    assert [attempt.outcome for attempt in at.attempts] == ["cancelled", "cancelled"]
    assert len({sandbox.process.pid for sandbox in pool.current().resting} & before) <= max(0, len(before) - 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({}, "takes `code`"), ({"code": 5}, "takes `code`"), ({"code": "1", "x": 1}, "takes `code`")],
)
async def test_wrong_arguments_are_refused(arguments, said):
    error = await desk().error("run_code", arguments)
    assert said in error.message


async def test_a_program_that_is_too_long_is_refused():
    error = await desk().error("run_code", {"code": " " * (code_tools.MAX_CODE + 1)})
    assert "at most" in error.message


def test_a_plan_is_refused_where_the_sandbox_is_not_installed(monkeypatch):
    monkeypatch.setattr(pool, "installed", lambda: False)
    with pytest.raises(StrategyError, match=r"meshplan\[code\]"):
        desk()
