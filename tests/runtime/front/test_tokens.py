"""Session ids that only the mesh can make, and that say to other workers whose session it is and where."""

import time

import pytest
from plans import FakeUpstreams, simple
from sites import bearer, request, site

from meshplan.runtime.front import tokens as module
from meshplan.runtime.front.asgi import respond
from meshplan.runtime.front.session import Session
from meshplan.runtime.front.tokens import Tokens
from meshplan.runtime.seal import Sealer
from meshplan.schemas.plan import Literally

OLD, NEW = Literally(value="an old key of the mesh"), Literally(value="a new key of the mesh")
OWNER = ("key", "ann")


def session(**more):
    declared = {"elicitation": {}, "experimental": {"x": {}}, **more}
    return Session("dev", OWNER, "2025-11-25", declared, None, 0.0)


async def test_any_worker_with_the_key_reads_it_also_after_a_rotation():
    opened = session()
    text = await Tokens(Sealer()).make((OLD,), "w1", opened)
    found = await Tokens(Sealer()).read((NEW, OLD), text, OWNER, "dev")
    assert (found.worker, found.number, found.version) == ("w1", opened.number, "2025-11-25")
    assert found.capabilities == {"elicitation": {}}
    assert found.expires > time.time()
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("owner", "endpoint", "key"),
    [(("key", "bob"), "dev", OLD), (("other", "ann"), "dev", OLD), (OWNER, "ops", OLD), (OWNER, "dev", NEW)],
)
async def test_nobody_else_reads_it(owner, endpoint, key):
    text = await Tokens(Sealer()).make((OLD,), "w1", session())
    assert await Tokens(Sealer()).read((key,), text, owner, endpoint) is None


async def test_altered_and_expired_ones_are_none(monkeypatch):
    tokens = Tokens(Sealer())
    text = await tokens.make((), "w1", session())
    altered = text[:-2] + ("AA" if text[-2:] != "AA" else "BB")
    monkeypatch.setattr(module, "LIFETIME", -1)
    expired = await tokens.make((), "w1", session())
    assert await tokens.read((), text, OWNER, "dev") is not None
    for sent in (altered, expired, "", "x" * 40, "a" * 100_000):
        assert await tokens.read((), sent, OWNER, "dev") is None


async def test_large_capabilities_do_not_make_a_large_id():
    text = await Tokens(Sealer()).make((), "w1", session(sampling={"x": "y" * 5000}))
    assert len(text) < 400


class Elsewhere:
    """Another worker that answers, or is gone."""

    def __init__(self, *, there):
        self.there, self.asked = there, []

    async def forward(self, worker, passed):
        self.asked.append((worker, passed.method, passed.body))
        if self.there:
            await respond(passed.send, 203, b"{}")
        return self.there


@pytest.mark.parametrize(("there", "status"), [(True, 203), (False, 404)])
async def test_a_session_of_another_worker_is_passed_on_once_it_is_known_whose_it_is(there, status):
    draft = simple()
    draft.grant("all", "user:bob")
    async with site(draft.bundle(), FakeUpstreams()) as found:
        locator = found.front.sessions.locator = Elsewhere(there=there)
        text = await found.front.desk.tokens.make((), "w2", session())
        own = await found.session()
        passed = await found.legacy(request("ping"), session=text)
        foreign = await found.legacy(request("ping"), session=text, key="bob")
        await found.client.delete(found.url(), headers={**bearer("ann"), "mcp-session-id": own})
        ended = await found.legacy(request("ping"), session=own)
    assert (passed.status_code, foreign.status_code, ended.status_code) == (status, 404, 404)
    assert [(worker, method) for worker, method, _ in locator.asked] == [("w2", "POST")]
    assert b"ping" in locator.asked[0][2]
