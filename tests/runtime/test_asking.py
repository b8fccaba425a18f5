"""Servers of the handshake era that ask in the middle of a call: over real transports, to clients of both eras."""

import json
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from plans import Draft, FakeUpstreams
from sites import ACCEPT, bearer, events, request, site

from meshplan.runtime import parked
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.upstream import clients
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamRefusal
from meshplan.schemas.plan import StdioTransport

ASKING = Path(__file__).parents[1] / "servers" / "asking.py"
FORM = ["elicitation/create", {"message": "Who?", "requestedSchema": {"type": "object", "properties": {}}}]
URL = ["elicitation/create", {"mode": "url", "message": "Go", "url": "https://x.test/", "elicitationId": "e1"}]
SAMPLE = ["sampling/createMessage", {"messages": [], "maxTokens": 5, "_meta": {"progressToken": 3, "own": 1}}]
ROOTS = ["roots/list", {}]
ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": True}}
ACCEPTED = {"action": "accept", "content": {"name": "ann"}}


def draft(*args, sessions="per_client", timeout_ms=10_000):
    found = Draft()
    transport = StdioTransport(argv=(sys.executable, str(ASKING), *args), env={}, cwd=".")
    found.server("s", transport, sessions=sessions, timeout_ms=timeout_ms)
    found.tool("dev", "s", "ask")
    found.tool("dev", "s", "seen")
    found.tool("other", "s", "ask")
    for name in ("ann", "bob"):
        found.key(name, f"user:{name}")
        found.grant("all", f"user:{name}")
    return found


@asynccontextmanager
async def served(plan, tmp_path):
    bundle = plan.bundle()
    with anyio.fail_after(60):
        async with open_upstreams(bundle.plan.servers, tmp_path) as upstreams, site(bundle, upstreams) as found:
            yield found


async def ask(site, *asks, capabilities=ALL, key="ann", endpoint="dev", more=None, **retry):
    """Call the tool as a client of 2026-07-28; returns the JSON-RPC response."""
    params = {"name": "ask", "arguments": {"asks": list(asks), **(more or {})}, **retry}
    answer = await site.modern("tools/call", params, capabilities=capabilities, key=key, endpoint=endpoint)
    return answer.json()


async def seen(site, key="ann", capabilities=None):
    answer = await site.modern("tools/call", {"name": "seen"}, capabilities=capabilities, key=key)
    return answer.json()["result"]


def retry(result, **answers):
    names = dict(zip(result["inputRequests"], answers.values(), strict=True))
    return {"inputResponses": names, "requestState": result["requestState"]}


async def test_a_modern_client_is_asked_by_results_and_the_call_runs_once(tmp_path):
    async with served(draft(), tmp_path) as found:
        first = (await ask(found, FORM, SAMPLE))["result"]
        assert first["resultType"] == "input_required"
        assert list(first["inputRequests"].values()) == [{"method": FORM[0], "params": FORM[1]}]
        second = (await ask(found, FORM, SAMPLE, **retry(first, form=ACCEPTED)))["result"]
        [asked] = second["inputRequests"].values()
        assert asked == {"method": SAMPLE[0], "params": {"messages": [], "maxTokens": 5, "_meta": {"own": 1}}}
        sampled = {"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"}
        final = (await ask(found, FORM, SAMPLE, **retry(second, sampled=sampled)))["result"]
        assert final["heard"] == [ACCEPTED, sampled]
        assert final["resultType"] == "complete"
        outcomes = [(attempt.outcome, attempt.call) for attempt in found.attempts]
        assert [outcome for outcome, _ in outcomes] == ["input_required", "input_required", "ok"]
        assert len({call for _, call in outcomes}) == 1
        again = await ask(found, FORM, SAMPLE, **retry(second, sampled=sampled))
        assert (again["error"]["code"], again["error"]["data"]["reason"]) == (-32602, "request_state_gone")
        declared = dict(ALL, roots={})
        assert (await seen(found, capabilities=ALL))["declared"] == declared


async def test_all_open_questions_are_asked_at_once_and_unanswered_ones_again(tmp_path):
    async with served(draft(), tmp_path) as found:
        more = {"together": True}
        first = await ask(found, FORM, ROOTS, more=more)
        assert "result" in first, first
        first = first["result"]
        names = {asked["method"]: name for name, asked in first["inputRequests"].items()}
        part = {"inputResponses": {names["elicitation/create"]: ACCEPTED, "unknown": {}}}
        second = await ask(found, FORM, ROOTS, more=more, requestState=first["requestState"], **part)
        [(name, asked)] = second["result"]["inputRequests"].items()
        assert asked["method"] == "roots/list"
        last = {"inputResponses": {name: {"roots": []}}, "requestState": second["result"]["requestState"]}
        final = (await ask(found, FORM, ROOTS, more=more, **last))["result"]
        assert sorted(final["heard"], key=str) == [ACCEPTED, {"roots": []}]


async def test_only_what_the_client_declared_is_asked(tmp_path):
    async with served(draft(), tmp_path) as found:
        answer = (await ask(found, SAMPLE, URL, ROOTS, capabilities={"elicitation": {}}))["result"]
        assert [heard["error"]["code"] for heard in answer["heard"]] == [-32601] * 3
        answer = (await ask(found, FORM, capabilities={}))["result"]
        assert answer["heard"][0]["error"]["code"] == -32601
        url = (await ask(found, URL))["result"]
        [asked] = url["inputRequests"].values()
        assert asked["params"] == {"mode": "url", "message": "Go", "url": "https://x.test/"}


async def test_a_state_is_good_for_one_caller_one_call_and_one_retry(tmp_path):
    async with served(draft(), tmp_path) as found:
        first = (await ask(found, FORM))["result"]
        sent = retry(first, form=ACCEPTED)
        state = sent["requestState"]
        tampered = {**sent, "requestState": state[:-5] + ("A" if state[-5] != "A" else "B") + state[-4:]}
        refused = [
            await ask(found, FORM, **tampered),
            await ask(found, FORM, **{**sent, "requestState": 7}),
            await ask(found, FORM, key="bob", **sent),
            await ask(found, FORM, endpoint="other", **sent),
            await ask(found, FORM, FORM, **sent),
        ]
        for answer in refused:
            assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (-32602, "request_state")
        assert (await ask(found, FORM, **sent))["result"]["heard"] == [ACCEPTED]
        assert "error" in await ask(found, FORM, **sent)
        assert (await seen(found, capabilities=ALL))["calls"] == 1
        fresh = await ask(found, FORM, inputResponses=sent["inputResponses"])
        assert fresh["result"]["resultType"] == "input_required"


async def test_each_round_is_decided_again(tmp_path):
    plan = draft()
    async with served(plan, tmp_path) as found:
        first = (await ask(found, FORM))["result"]
        plan.deny("all", "s/tool/ask")
        found.active.swap(Snapshot(plan.bundle()))
        answer = await ask(found, FORM, **retry(first, form=ACCEPTED))
        assert answer["error"]["message"] == "Unknown tool: ask"


async def test_a_parked_call_is_given_up_after_a_while_and_its_server_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(parked, "MAX_AGE", 0.2)
    async with served(draft(), tmp_path) as found:
        first = (await ask(found, FORM))["result"]
        while not (await seen(found, capabilities=ALL))["cancelled"]:
            pass
        answer = await ask(found, FORM, **retry(first, form=ACCEPTED))
        assert answer["error"]["data"]["reason"] == "request_state_gone"


async def test_a_caller_parks_only_so_many_and_the_oldest_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(parked, "MAX_PARKED_PER_PRINCIPAL", 2)
    async with served(draft(), tmp_path) as found:
        others = (await ask(found, FORM, key="bob"))["result"]
        answers = [(await ask(found, FORM))["result"] for _ in range(3)]
        gone = await ask(found, FORM, **retry(answers[0], form=ACCEPTED))
        assert gone["error"]["data"]["reason"] == "request_state_gone"
        for answer in answers[1:]:
            assert (await ask(found, FORM, **retry(answer, form=ACCEPTED)))["result"]["heard"] == [ACCEPTED]
        assert (await ask(found, FORM, key="bob", **retry(others, form=ACCEPTED)))["result"]["heard"] == [ACCEPTED]


async def test_all_callers_together_park_only_so_many(tmp_path, monkeypatch):
    monkeypatch.setattr(parked, "MAX_PARKED", 1)
    async with served(draft(), tmp_path) as found:
        others = (await ask(found, FORM, key="bob"))["result"]
        refused = await ask(found, FORM)
        assert (refused["error"]["code"], refused["error"]["data"]["reason"]) == (-31004, "overloaded")
        assert (await ask(found, FORM, key="bob", **retry(others, form=ACCEPTED)))["result"]["heard"] == [ACCEPTED]


async def test_a_restart_forgets_what_was_parked(tmp_path):
    async with served(draft(), tmp_path) as found:
        first = (await ask(found, FORM))["result"]
    async with served(draft(), tmp_path) as found:
        answer = await ask(found, FORM, **retry(first, form=ACCEPTED))
        assert (answer["error"]["code"], answer["error"]["data"]["reason"]) == (-32602, "request_state")
        assert (await seen(found, capabilities=ALL))["calls"] == 0


async def test_callers_never_share_a_session_and_parallel_calls_never_cross(tmp_path):
    async with served(draft(), tmp_path) as found:
        pids = {key: (await seen(found, key=key))["pid"] for key in ("ann", "bob")}
        assert pids["ann"] != pids["bob"]
        assert (await seen(found))["pid"] == pids["ann"]
        states, answers = {}, {}

        async def begin(number, key):
            marked = [FORM[0], {**FORM[1], "message": f"{key} {number}"}]
            states[number] = (key, marked, (await ask(found, marked, key=key))["result"])

        async def end(number):
            key, marked, first = states[number]
            [asked] = first["inputRequests"].values()
            assert asked["params"]["message"] == f"{key} {number}"
            answer = {"action": "accept", "content": {"number": number}}
            answers[number] = await ask(found, marked, key=key, **retry(first, form=answer))

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(begin, number, ("ann", "bob")[number % 2])
        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(end, number)
        heard = {number: answer["result"]["heard"][0]["content"]["number"] for number, answer in answers.items()}
        assert heard == {number: number for number in range(6)}


async def test_sessions_of_a_caller_are_bounded_and_idle_ones_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(clients, "MAX_PER_PRINCIPAL", 2)
    async with served(draft(), tmp_path) as found:
        first = (await ask(found, FORM))["result"]
        await ask(found, FORM)
        refused = await ask(found, FORM)
        assert refused["error"]["code"] == -31001
        assert "more than 2 sessions" in refused["error"]["message"]
        assert "result" in await ask(found, FORM, key="bob")
        assert (await ask(found, FORM, **retry(first, form=ACCEPTED)))["result"]["heard"] == [ACCEPTED]
        assert (await seen(found))["declared"] == {}
        assert found.upstreams.health()["s"].sessions == 3


async def test_a_shared_session_can_ask_nobody(tmp_path):
    async with served(draft(sessions="shared"), tmp_path) as found:
        answer = (await ask(found, FORM))["result"]
        assert answer["heard"][0]["error"]["code"] == -32601
        assert (await seen(found))["declared"] == {}
        assert found.upstreams.health()["s"].refused_asks == 1


async def test_roots_that_are_asked_for_at_the_start_of_a_session(tmp_path):
    async with served(draft("roots-at-once"), tmp_path) as found:
        first = (await ask(found, FORM, capabilities=ALL))["result"]
        asked = {question["method"]: name for name, question in first["inputRequests"].items()}
        answers = {"elicitation/create": ACCEPTED, "roots/list": {"roots": [{"uri": "file:///a"}]}}
        while "result" not in asked:
            responses = {name: answers[method] for method, name in asked.items()}
            sent = {"inputResponses": responses, "requestState": first["requestState"]}
            first = (await ask(found, FORM, capabilities=ALL, **sent))["result"]
            if first["resultType"] == "complete":
                break
            asked = {question["method"]: name for name, question in first["inputRequests"].items()}
        assert first["heard"] == [ACCEPTED]
        assert (await seen(found, capabilities=ALL))["roots"] == {"roots": [{"uri": "file:///a"}]}


class Legacy:
    """A client of the handshake era that answers what it is asked."""

    def __init__(self, found, session, key="ann"):
        self.found, self.session, self.key, self.asked = found, session, key, []

    async def call(self, *asks, answer=None, name="ask"):
        message = request("tools/call", {"name": name, "arguments": {"asks": list(asks)}}, 7)
        headers = {"accept": ACCEPT, "content-type": "application/json", "mcp-session-id": self.session}
        url, headers = self.found.url(), {**headers, **bearer(self.key)}
        async with self.found.client.stream("POST", url, content=json.dumps(message), headers=headers) as response:
            if not response.headers["content-type"].startswith("text/event-stream"):
                return json.loads(await response.aread())
            async for line in response.aiter_lines():
                for found in events(line):
                    if "method" not in found:
                        return found
                    self.asked.append((found["method"], found["params"]))
                    await self.answer(found["id"], answer)
        return None

    async def answer(self, number, answer):
        reply = {"jsonrpc": "2.0", "id": number, **answer}
        await self.found.legacy(reply, key=self.key, session=self.session)


async def test_a_client_with_a_session_is_asked_in_it(tmp_path):
    async with served(draft(), tmp_path) as found:
        client = Legacy(found, await found.session(capabilities=ALL))
        final = await client.call(FORM, answer={"result": ACCEPTED})
        assert final["result"]["heard"] == [ACCEPTED]
        final = await client.call(URL, answer={"error": {"code": -1, "message": "no", "data": [1]}})
        assert final["result"]["heard"] == [{"error": {"code": -1, "message": "no", "data": [1]}}]
        assert client.asked == [tuple(FORM), tuple(URL)]
        assert [attempt.outcome for attempt in found.attempts] == ["ok", "ok"]
        other = Legacy(found, await found.session(capabilities={}))
        assert (await other.call(FORM))["result"]["heard"][0]["error"]["code"] == -32601
        pids = [(await one.call(name="seen"))["result"]["pid"] for one in (client, other, client)]
        assert pids[0] == pids[2] != pids[1]


async def test_a_question_in_a_session_is_decided_again(tmp_path):
    plan = draft()
    async with served(plan, tmp_path) as found:
        client = Legacy(found, await found.session(capabilities=ALL))
        asked = client.answer

        async def revoke(number, answer):
            plan.deny("all", "s/tool/ask")
            found.active.swap(Snapshot(plan.bundle()))
            await asked(number, answer)

        client.answer = revoke
        final = await client.call(FORM, FORM, answer={"result": ACCEPTED})
        assert final["error"]["message"] == "Unknown tool: ask"
        assert len(client.asked) == 1
        assert [attempt.outcome for attempt in found.attempts] == ["denied"]


async def test_the_time_that_a_user_takes_is_not_the_servers(tmp_path):
    async with served(draft(timeout_ms=1500), tmp_path) as found:
        await seen(found, capabilities=ALL)
        client = Legacy(found, await found.session(capabilities=ALL))
        await client.call(name="seen")
        asked = client.answer

        async def slowly(number, answer):
            await anyio.sleep(2)
            await asked(number, answer)

        client.answer = slowly
        assert (await client.call(FORM, answer={"result": ACCEPTED}))["result"]["heard"] == [ACCEPTED]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_modern_servers_state_is_sealed_for_both_eras(tmp_path, era):
    del tmp_path
    from plans import FakeUpstreams, simple

    upstreams = FakeUpstreams()

    async def rounds(asked):
        if "requestState" not in asked.params:
            questions = {"a": {"method": "roots/list", "params": {}}}
            return {"resultType": "input_required", "inputRequests": questions, "requestState": "plain"}
        return {"content": [], "got": [asked.params["requestState"], asked.params["inputResponses"]]}

    upstreams.serve("notes", rounds)
    async with site(simple().bundle(), upstreams) as found:
        if era == "legacy":
            client = Legacy(found, await found.session(capabilities=ALL))
            final = await client.call(name="get_note", answer={"result": {"roots": []}})
            assert final["result"]["got"] == ["plain", {"a": {"roots": []}}]
            return
        first = (await found.modern("tools/call", {"name": "get_note"}, capabilities=ALL)).json()["result"]
        assert first["requestState"] != "plain"
        sent = {"name": "get_note", "requestState": first["requestState"], "inputResponses": {"a": {"roots": []}}}
        for changed in ({"requestState": "plain"}, {"arguments": {"id": 2}}):
            answer = await found.modern("tools/call", {**sent, **changed}, capabilities=ALL)
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32602)
        final = (await found.modern("tools/call", sent, capabilities=ALL)).json()["result"]
        assert final["got"] == ["plain", {"a": {"roots": []}}]
        again = (await found.modern("tools/call", sent, capabilities=ALL)).json()
        assert again["error"]["message"] == "the request state was used before"


LINK = {"mode": "url", "message": "Sign in", "url": "https://x.test/in", "elicitationId": "e1"}
OPENS = {"elicitation": {"url": {}}}


async def visited_first(requests, request):
    """A server of 2025-11-25 that wants its user to visit a page before the call."""
    await anyio.lowlevel.checkpoint()
    requests.append(request.params)
    if len(requests) == 1:
        raise UpstreamRefusal(-32042, "visit first", {"elicitations": [LINK]})
    return {"content": [], "resultType": "complete"}


@asynccontextmanager
async def linking():
    requests, upstreams = [], FakeUpstreams()
    upstreams.serve("s", partial(visited_first, requests))
    async with site(draft(sessions="shared").bundle(), upstreams) as found:
        yield found, requests


async def test_a_link_that_an_older_server_wants_opened_is_a_round_for_a_modern_client():
    async with linking() as (found, requests):
        first = (await ask(found, capabilities=OPENS))["result"]
        other = await ask(found, FORM, capabilities=OPENS, **retry(first, link={"action": "accept"}))
        done = (await ask(found, capabilities=OPENS, **retry(first, link={"action": "accept"})))["result"]
        again = await ask(found, capabilities=OPENS, **retry(first, link={"action": "accept"}))
    [asked] = first["inputRequests"].values()
    shown = {name: value for name, value in LINK.items() if name != "elicitationId"}
    assert (first["resultType"], asked) == ("input_required", {"method": "elicitation/create", "params": shown})
    assert done["resultType"] == "complete"
    assert requests == [{"name": "ask", "arguments": {"asks": []}}] * 2
    assert [refused["error"]["data"]["reason"] for refused in (other, again)] == ["request_state"] * 2
    outcomes = [attempt.outcome for attempt in found.attempts]
    assert (outcomes[0], outcomes[2]) == ("input_required", "ok")


@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {}}])
async def test_a_modern_client_that_opens_no_links_gets_the_servers_own_error(capabilities):
    async with linking() as (found, _):
        refused = (await ask(found, capabilities=capabilities))["error"]
    assert refused == {"code": -32042, "message": "visit first", "data": {"elicitations": [LINK]}}


async def test_a_client_with_a_session_gets_the_servers_own_error():
    async with linking() as (found, _):
        session = await found.session(capabilities=OPENS)
        answer = await found.legacy(request("tools/call", {"name": "ask", "arguments": {"asks": []}}), session=session)
    assert answer.json()["error"]["data"] == {"elicitations": [LINK]}


async def test_a_question_that_follows_at_once_is_of_the_same_round():
    async def send(on_ask, _on_notify):
        async def one(turns):
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            await on_ask("roots/list", {"after": turns})

        async with anyio.create_task_group() as group:
            for turns in (0, 10, 20):
                group.start_soon(one, turns)
        return {}

    async with parked.open_lot() as lot:
        with anyio.fail_after(10):
            found = await lot.begin(("key", "ann"), send, None)
    assert [asked["params"]["after"] for asked in found.asked.values()] == [0, 10, 20]
