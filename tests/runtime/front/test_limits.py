"""Bounds of the plan that every way in keeps, and how it says so."""

import json

import anyio
import pytest
from plans import FakeUpstreams, simple
from sites import ACCEPT, bearer, request, site

from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.stdio import StdioFront
from meshplan.schemas.plan import Limits


def tight(**more):
    draft = simple()
    draft.limits = Limits(**{"body_bytes": 100_000, "concurrency_per_principal": 8, "json_depth": 8, **more})
    return draft


async def test_json_may_be_so_deep_and_no_deeper_over_http_of_both_eras():
    async with site(tight().bundle(), FakeUpstreams()) as found:
        session = await found.session()
        for levels, status in ((8, 200), (9, 400), (5000, 400)):
            body = json.dumps(request("tools/call", {})).replace(
                "{}", '{"a":' + "[" * (levels - 2) + "]" * (levels - 2) + "}"
            )
            headers = {"accept": ACCEPT, "content-type": "application/json", **bearer("ann"), "mcp-session-id": session}
            modern = {**headers, "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call"}
            for sent in (headers, modern):
                answer = await found.client.post(found.url(), content=body, headers=sent)
                if status == 400:
                    error = answer.json()["error"]
                    assert (answer.status_code, error["code"]) == (400, -32700)
                    assert error["data"] == {"reason": "too_deep", "limit": 8}
                else:
                    assert "nested" not in answer.text


async def test_json_may_be_so_deep_on_standard_input():
    draft, written = tight(), []
    draft.local = ("user:ann",)
    async with site(draft.bundle(), FakeUpstreams()) as found:

        async def write(line):
            written.append(json.loads(line))

        async def lines():
            yield b"[" * 9 + b"]" * 9
            await anyio.wait_all_tasks_blocked()

        await StdioFront(Desk(found.active, found.front.desk.invoker), "dev", write).run(lines())
    assert [answer["error"]["data"] for answer in written] == [{"reason": "too_deep", "limit": 8}]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_caller_has_so_many_streams_and_another_has_its_own(era):
    draft = tight(idle_streams=2)
    draft.grant("all", "user:bob")
    async with site(draft.bundle(), FakeUpstreams()) as found, anyio.create_task_group() as group:

        async def stream(key, tell):
            if era == "modern":
                body, sent = found.modern_parts("subscriptions/listen", {"notifications": {}}, key=key)
                opening = found.client.stream("POST", found.url(), json=body, headers=sent)
            else:
                sent = {"accept": ACCEPT, **bearer(key), "mcp-session-id": await found.session(key=key)}
                opening = found.client.stream("GET", found.url(), headers=sent)
            async with opening as response:
                await tell.send((response.status_code, response.headers.get("retry-after")))
                if response.status_code == 200:
                    async for _ in response.aiter_lines():
                        pass

        wanted = [("ann", (200, None)), ("ann", (200, None)), ("ann", (429, "1")), ("bob", (200, None))]
        tell, told = anyio.create_memory_object_stream(0)
        with anyio.fail_after(20), tell, told:
            for key, expected in wanted:
                group.start_soon(stream, key, tell)
                assert await told.receive() == expected
        group.cancel_scope.cancel()


async def test_a_server_that_is_full_is_said_with_its_status_and_when_to_come_back():
    draft, upstreams, release = tight(concurrency_per_upstream=1), FakeUpstreams(), anyio.Event()

    async def hold(_):
        await release.wait()
        return {"content": [], "resultType": "complete"}

    notes = upstreams.serve("notes", hold)
    async with site(draft.bundle(), upstreams) as found, anyio.create_task_group() as group:
        tell, told = anyio.create_memory_object_stream(0)

        async def call():
            await tell.send(await found.modern("tools/call", {"name": "get_note", "arguments": {}}))

        with anyio.fail_after(20), tell, told:
            for _ in range(3):
                group.start_soon(call)
            refused = await told.receive()
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["data"]["reason"] == "upstream_overloaded"
            assert len(notes.requests) == 1
            release.set()
            assert [(await told.receive()).status_code for _ in range(2)] == [200, 200]
