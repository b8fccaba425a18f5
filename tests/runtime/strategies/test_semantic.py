"""The extra `semantic`: the tokens that the model knows, what it finds that words do not, and what is refused without it."""

import sys

import anyio
import pytest
from desks import Desk
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import Draft

from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.strategies.port import StrategyError
from meshplan.runtime.strategies.search.ranking import Document, Index
from meshplan.runtime.strategies.search.semantic import hybrid, model
from meshplan.runtime.strategies.search.semantic.wordpiece import tokens, vocabulary
from meshplan.schemas.plan import Search

TOOLS = [
    Document("close_account", "crm", "close_account", "End the contract of a customer for good.", ""),
    Document("post_update", "social", "post_update", "Publish a status to followers.", ""),
    Document("read_thermometer", "house", "read_thermometer", "Current warmth of a room in degrees.", ""),
    Document("start_engine", "car", "start_engine", "Turn the motor on.", ""),
]
EVERY = frozenset(tool.id for tool in TOOLS)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("create a GitHub pull-request", [101, 3443, 1037, 21025, 2705, 12083, 4139, 1011, 5227, 102]),
        ("Ünïcödé café, naïve", [101, 27260, 7668, 1010, 15743, 102]),
        ("日本語のツール", [101, 1864, 1876, 1950, 1671, 30238, 30265, 30259, 102]),
        ("unaffable 🚀 C++", [101, 14477, 20961, 3468, 100, 1039, 1009, 1009, 102]),
        ("", [101, 102]),
    ],
)
def test_texts_have_the_tokens_that_the_reference_gives_them(text, numbers):
    assert tokens(text, 128) == numbers


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(2, 64))
def test_any_text_has_tokens_and_not_too_many(text, most):
    found = tokens(text, most)
    assert (found[0], found[-1]) == (101, 102)
    assert len(found) <= most
    assert set(found) <= set(vocabulary().values())


@pytest.fixture(scope="module")
def learned():
    found = hybrid.Hybrid(Index(TOOLS), TOOLS)
    found.learn()
    return found


async def test_a_sentence_finds_what_shares_no_word_with_it(learned):
    query = "how hot is it in the kitchen"
    assert "read_thermometer" not in Index(TOOLS).rank(query, None, 4)
    assert (await learned.rank([query, "launch the vehicle"], EVERY, 1)) == [["read_thermometer"], ["start_engine"]]


@pytest.mark.parametrize("allowed", [set(), {"start_engine"}, {"start_engine", "post_update"}, set(EVERY)])
async def test_only_candidates_are_found(learned, allowed):
    for limit in (1, 4):
        [found] = await learned.rank(["warmth of the car"], frozenset(allowed), limit)
        assert set(found) <= allowed
        assert len(found) == min(limit, len(allowed))


async def test_words_decide_until_the_meanings_are_known(monkeypatch):
    asked = []

    def remember(self):
        asked.append(self)

    monkeypatch.setattr(hybrid.Hybrid, "_learn", remember)
    fresh = hybrid.Hybrid(Index(TOOLS), TOOLS)
    assert await fresh.rank(["turn the motor on"], EVERY, 1) == [["start_engine"]]
    assert asked == [fresh]


def draft():
    made = Draft(strategies={"dev": Search(max_results=3, pinned=(), ranker="semantic")})
    made.key("ann", "user:ann")
    made.grant("all", "user:ann")
    for tool in TOOLS:
        made.tool("dev", tool.server, tool.name, description=tool.description)
    return made


async def test_an_endpoint_finds_by_meaning_soon_after_the_first_question():
    desk = Desk(draft())
    wanted = {"queries": ["how hot is it in the kitchen"], "limit": 1}
    with anyio.fail_after(30):
        while True:
            [row] = (await desk.tool("search_tools", wanted))["structuredContent"]["results"]
            if [tool["tool"] for tool in row["tools"]] == ["read_thermometer"]:
                break
            await anyio.lowlevel.checkpoint()


def test_without_the_extra_the_plan_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(model, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(StrategyError, match=r"pip install 'meshplan\[semantic\]'"):
        Snapshot(draft().bundle())


def test_another_model_is_refused(monkeypatch):
    monkeypatch.setattr(model, "_bytes", lambda: b"another")
    with pytest.raises(StrategyError, match="is not the one that this version was made for"):
        model.check()
