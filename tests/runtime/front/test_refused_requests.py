"""A request that is refused before it became a call is recorded like any other."""

import pytest
from plans import FakeUpstreams, simple
from sites import request, site


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("logging/setLevel", {"level": "loud"}, "invalid_params"),
        ("logging/setLevel", {}, "invalid_params"),
        ("resources/unsubscribe", {}, "invalid_params"),
        ("initialize", {}, "invalid_params"),
    ],
)
async def test_what_concerns_a_session_alone(method, params, reason):
    draft = simple()
    draft.server("notes", relays=("logging", "subscribe"))
    draft.offer("dev", draft.define("notes", "resource", {"uri": "note://a", "name": "a"}))
    async with site(draft.bundle(), FakeUpstreams()) as found:
        session = await found.session()
        found.attempts.clear()
        answer = await found.legacy(request(method, params), session=session)
        assert "error" in answer.json()
        said = [(a.method, a.outcome, a.principal, a.reason) for a in found.attempts]
        assert said == [(method, "invalid", "key:ann", reason)]


@pytest.mark.parametrize("params", [{}, {"notifications": 7}])
async def test_a_subscription_without_anything_to_listen_for(params):
    async with site(simple().bundle(), FakeUpstreams()) as found:
        answer = await found.modern("subscriptions/listen", params)
        assert answer.json()["error"]["code"] == -32602
        said = [(a.method, a.outcome, a.reason) for a in found.attempts]
        assert said == [("subscriptions/listen", "invalid", "invalid_params")]


async def test_what_a_client_says_of_itself_that_is_no_object():
    async with site(simple().bundle(), FakeUpstreams()) as found:
        meta = {"io.modelcontextprotocol/clientCapabilities": []}
        await found.modern("tools/call", {"name": "get_note"}, meta=meta)
        assert [a.outcome for a in found.attempts] == ["invalid"]
