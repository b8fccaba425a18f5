"""What clients with sessions are told of their budgets in the head of a response: where that has not left before."""

import json

import anyio
import pytest
from plans import FakeUpstreams, budget, simple, spending
from sites import bearer, events, request, site

from meshplan.runtime.upstream.port import UpstreamRefusal

JSON_FIRST, EVENTS_FIRST = "application/json, text/event-stream", "text/event-stream, application/json"
POLICY = '"cap";q=2;w=2592000'


def capped(limit=2):
    return spending(simple().bundle(), {"cap": budget(limit)})


def call(number, **params):
    return request("tools/call", {"name": "get_note", "arguments": {"id": 4}, **params}, number)


def answer_in(response):
    """The response to the request, however it came."""
    if response.headers["content-type"].startswith("application/json"):
        return response.json()
    return events(response.text.replace("data:\n", ""))[-1]


@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", "2025-11-25"])
@pytest.mark.parametrize("accept", [JSON_FIRST, EVENTS_FIRST])
async def test_answers_and_refusals_say_what_is_left(version, accept):
    async with site(capped(), FakeUpstreams()) as found:
        session = await found.session(version=version)
        answers = [await found.legacy(call(number), session=session, headers={"accept": accept}) for number in range(3)]
    kinds = {answer.headers["content-type"] for answer in answers}
    assert kinds == {"application/json" if accept == JSON_FIRST else "text/event-stream"}
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {POLICY}
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=1", "r=0", "r=0"]
    error = answer_in(answers[2])["error"]
    assert (error["code"], error["data"]["budget"]) == (-31009, "cap")
    assert answers[2].headers["retry-after"] == str(error["data"]["retry_after"])
    assert not any("retry-after" in answer.headers for answer in answers[:2])


async def test_a_head_that_has_left_says_no_more():
    upstreams, told = FakeUpstreams(), anyio.Event()

    async def work(upstream_request):
        await upstream_request.on_notify("notifications/progress", {"progress": 1})
        await told.wait()
        raise UpstreamRefusal(-32000, "broken")

    upstreams.serve("notes", work)
    async with site(capped(), upstreams) as found:
        session = await found.session()
        body = call(1, _meta={"progressToken": 1})
        headers = {"accept": JSON_FIRST, "mcp-session-id": session, **bearer("ann")}
        async with found.client.stream("POST", found.url(), json=body, headers=headers) as response:
            lines = (json.loads(line[6:]) async for line in response.aiter_lines() if line.startswith("data: {"))
            with anyio.fail_after(5):
                assert (await anext(lines))["method"] == "notifications/progress"
                told.set()
                assert (await anext(lines))["error"]["message"] == "broken"
    assert response.status_code == 200
    assert "ratelimit" not in response.headers


async def test_the_parts_of_a_batch_share_one_head_which_says_nothing():
    async with site(capped(), FakeUpstreams()) as found:
        session = await found.session(version="2025-03-26")
        answer = await found.legacy([call(number) for number in range(3)], session=session)
    assert sorted("error" in part for part in answer.json()) == [False, False, True]
    assert "ratelimit" not in answer.headers
    assert "retry-after" not in answer.headers


async def test_without_budgets_nothing_is_said():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        answer = await found.legacy(call(1), session=await found.session())
    assert not {"ratelimit", "ratelimit-policy", "retry-after"} & answer.headers.keys()
