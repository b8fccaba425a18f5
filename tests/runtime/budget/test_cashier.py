"""What calls are charged, refused and told, through the one way in."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import anyio
import pytest
from plans import FakeUpstreams, budget, price, recorded, simple, spending

from meshplan.runtime.active import Active
from meshplan.runtime.budget.answers import META_KEY, Limits
from meshplan.runtime.budget.cashier import Cashier
from meshplan.runtime.budget.embedded import Embedded
from meshplan.runtime.budget.port import CountersUnavailableError
from meshplan.runtime.call import Call
from meshplan.runtime.errors import RpcError, refusal_headers
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.ledger.writer import Writer
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamTimeout, UpstreamUnavailable
from meshplan.schemas.ledger.book import open_chains
from meshplan.schemas.ledger.spent import by_chain, together
from meshplan.schemas.plan import Retry
from meshplan.schemas.spending import Rate

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
TOOL = "notes|tool|get"
CENT = 10_000_000


class Shop:
    """An invoker over a plan with budgets; `answer` says what the server does."""

    def __init__(self, tmp_path, budgets, given=None, draft=None, answer=None, counters=None):
        self.now, self.said, self.headers = NOW.timestamp(), [], {}
        self.tool = next(iter((draft or simple()).capabilities))
        self.folder = tmp_path
        bundle = spending(recorded(draft or simple()), budgets, dict.fromkeys([self.tool], given) if given else {})
        self.active = Active(lambda: datetime.fromtimestamp(self.now, UTC))
        self.upstreams = FakeUpstreams()
        if answer is not None:
            self.upstreams.serve("notes", answer)
        self.counters = counters or Embedded(lambda: self.now)
        plain = getattr(self.counters, "seed", None)
        seed = plain and (lambda _, told: plain(together(told.values())))
        self.book = Book(tmp_path, self.active, lambda *_: None, self.write, seed)
        self.book.prepare(bundle.plan)
        self.active.swap(Snapshot(bundle))
        cashier = Cashier(self.counters, lambda *said: self.said.append(said))
        self.attempts = []
        self.invoker = Invoker(self.active, self.upstreams, self.attempts.append, ledger=self.book, cashier=cashier)

    def write(self, path, say):
        return Writer(path, say, now=lambda: self.active.now.isoformat(timespec="milliseconds"))

    async def call(self, key="ann", method="tools/call", **params):
        digest = hashlib.sha256(f"secret-{key}".encode()).hexdigest()
        caller = Caller(digest, self.active.snapshot.keyring.principal(digest, self.active.now))
        sent = params or {"name": "get_note", "arguments": {}}
        self.headers = {}
        return await self.invoker.invoke(Call("dev", caller, "modern", method, sent, on_limits=self.headers.update))

    async def refused(self, **more):
        with pytest.raises(RpcError) as caught:
            await self.call(**more)
        return caught.value

    def used(self):
        return {counter.scope: amount for counter, amount in self.counters.counting().items()}

    def rows(self, *kinds):
        self.book.close()
        with open_chains(self.folder / "ledger") as chains:
            return [row for chain in chains for row in chain.rows() if row["kind"] in kinds]

    def ledger(self):
        with open_chains(self.folder / "ledger") as chains:
            sums = together(by_chain(chains, self.active.now).values())
        return {name.split(" ", 4)[-1]: sum(buckets.values()) for name, buckets in sums.items()}


@pytest.fixture
def shop(tmp_path):
    opened = []

    def make(*arguments, **more):
        opened.append(Shop(tmp_path, *arguments, **more))
        return opened[-1]

    yield make
    for one in opened:
        one.book.close()


def answering(result):
    async def answer(_request):
        await anyio.lowlevel.checkpoint()
        return result

    return answer


def failing(failure):
    async def answer(_request):
        await anyio.lowlevel.checkpoint()
        raise failure

    return answer


DONE = {"content": [{"type": "text", "text": "x"}], "resultType": "complete"}


async def test_a_cap_on_calls_refuses_and_says_why(shop):
    one = shop({"cap": budget(2)})
    for left in (1, 0):
        result = await one.call()
        assert result["_meta"][META_KEY] == [
            {"budget": "cap", "unit": "calls", "window": "month", "limit": 2, "remaining": left, "resets": 1_252_800}
        ]
        assert one.headers == {
            "ratelimit-policy": '"cap";q=2;w=2592000',
            "ratelimit": f'"cap";r={left};t=1252800',
        }
    error = await one.refused()
    assert (error.code, error.data) == (
        -31009,
        {"reason": "over_budget", "budget": "cap", "unit": "calls", "window": "month", "retry_after": 1_252_800},
    )
    assert refusal_headers(error) == {"retry-after": "1252800"}
    assert one.headers["ratelimit"] == '"cap";r=0;t=1252800'
    assert [attempt.outcome for attempt in one.attempts] == ["ok", "ok", "over_budget"]
    assert [attempt.budget for attempt in one.attempts] == [None, None, "cap"]
    one.now = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    await one.call()


async def test_calls_within_a_minute_are_a_rate_limit(shop):
    one = shop({"burst": budget(1, window="minute")})
    await one.call()
    error = await one.refused()
    assert (error.code, error.data["reason"], error.data["retry_after"]) == (-31008, "rate_limited", 61)
    assert (one.attempts[-1].outcome, one.attempts[-1].budget) == ("rate_limited", "burst")
    one.now += 61
    await one.call()


async def test_a_refused_call_is_recorded_and_costs_nothing(shop):
    one = shop({"cap": budget(CENT, "money")}, price(CENT))
    await one.call()
    await one.refused()
    outcomes = one.rows("outcome")
    assert [(row["outcome"], row["cost_nano"], row["currency"]) for row in outcomes] == [
        ("ok", CENT, "usd"),
        ("over_budget", None, None),
    ]
    assert one.ledger() == {"*": CENT}


@pytest.mark.parametrize(
    ("of", "each", "key", "scopes"),
    [
        (("team:a", "user:ann"), None, "ann", ["*"]),
        (("team:a", "team:c"), None, "ann", []),
        (("anyone", "team:b"), None, "ann", ["*"]),
        (None, None, "ann", ["*"]),
        (None, "user", "ann", ["user:ann"]),
        (None, "team", "ann", ["team:a", "team:b"]),
        (None, "agent", "ann", []),
        (None, "user", "bot", []),
        (None, "agent", "bot", ["agent:ci"]),
        (None, "user", "crew", ["caller:key:crew"]),
    ],
)
async def test_whom_a_budget_counts(shop, of, each, key, scopes):
    draft = simple()
    draft.key("ann", "team:a", "team:b", "user:ann")
    draft.key("bot", "team:a", "agent:ci")
    draft.key("crew", "team:a")
    draft.grant("all", "team:a")
    one = shop({"cap": budget(5, of=of, each=each)}, draft=draft)
    await one.call(key=key)
    assert one.used() == dict.fromkeys(scopes, 1)


async def test_all_budgets_must_have_room_and_the_one_that_takes_longest_is_told(shop):
    budgets = {
        "burst": budget(1, window="minute", counted_as="burst"),
        "month": budget(1, counted_as="month"),
        "other": budget(9, covers=("notes|tool|other",), counted_as="other"),
        "seen": budget(0, on_exceed="warn", counted_as="seen"),
    }
    one = shop(budgets)
    result = await one.call()
    assert [(row["budget"], row["remaining"]) for row in result["_meta"][META_KEY]] == [
        ("burst", 0),
        ("month", 0),
        ("seen", 0),
    ]
    assert (await one.refused()).data["budget"] == "month"
    assert {counter.budget: amount for counter, amount in one.counters.counting().items()} == {
        "burst": 1,
        "month": 1,
        "seen": 1,
    }
    assert [event for event, _ in one.said] == ["budget_exceeded"]


async def test_what_only_warns_says_so_once_a_window_and_in_the_ledger(shop):
    one = shop({"soft": budget(2, on_exceed="warn", warn_at_percent=50)})
    for _ in range(4):
        await one.call()
    assert [(event, told["used"], told["limit"]) for event, told in one.said] == [
        ("budget_warning", 1, 2),
        ("budget_exceeded", 3, 2),
    ]
    assert [row["detail"] for row in one.rows("outcome")] == [None, None, '{"over":["soft"]}', '{"over":["soft"]}']


TOKEN_PRICE = price(
    CENT, input=Rate(nano=3_000_000_000, per=1_000_000), output=Rate(nano=15_000_000_000, per=1_000_000)
)


def usage(*path):
    found = ["var", "result"]
    for name in path:
        found = ["select", found, name]
    return found


@pytest.mark.parametrize(
    ("result", "tokens"),
    [
        ({"structuredContent": {"usage": {"input_tokens": 1000, "output_tokens": 200}}}, (1000, 200)),
        ({"structuredContent": {"usage": {"promptTokens": 7}}}, (7, 0)),
        ({"content": [{"type": "text", "text": '{"usage":{"inputTokens":5,"outputTokens":6}}'}]}, (5, 6)),
        # Nothing that can be read: counted, in the arguments and in the text.
        ({"content": [{"type": "text", "text": "four words of text"}]}, (0, 3)),
        ({"structuredContent": {"usage": {"input_tokens": -1, "output_tokens": True}}}, (0, 15)),
        ({"structuredContent": {"usage": 7}, "content": [{"type": "text", "text": "hm"}]}, (0, 0)),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
async def test_tokens_are_what_the_result_says_else_counted(shop, result, tokens, as_text):
    result = {"content": [], "resultType": "complete", **result}
    given = TOKEN_PRICE.model_copy(update={"usage": usage("usage"), "max_nano": 50 * CENT})
    one = shop(
        {"cap": budget(100 * CENT, "money")},
        given,
        answer=answering(json.dumps(result).encode() if as_text else result),
    )
    answer = await one.call()
    (row,) = one.rows("outcome")
    expected = CENT + tokens[0] * 3000 + tokens[1] * 15000
    assert (row["input_tokens"], row["output_tokens"]) == tokens
    assert (row["cost_nano"], row["currency"], one.used()) == (expected, "usd", {"*": expected})
    assert one.ledger() == {"*": expected}
    told = (json.loads(answer) if as_text else answer)["_meta"][META_KEY][0]
    assert (told["limit"], told["unit"]) == ("1.00", "usd")
    assert told["remaining"] == f"{1 - expected / 1e9:.9f}".rstrip("0").ljust(4, "0")


async def test_a_hard_cap_reserves_the_declared_maximum(shop):
    given = TOKEN_PRICE.model_copy(update={"max_nano": 6 * CENT})
    gate = anyio.Event()

    async def answer(_request):
        await gate.wait()
        return DONE

    one = shop({"cap": budget(10 * CENT, "money")}, given, answer=answer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.call)
        await anyio.wait_all_tasks_blocked()
        assert one.used() == {"*": 6 * CENT}
        error = await one.refused()
        assert error.data["unit"] == "usd"
        gate.set()
    await one.call()
    assert one.used()["*"] < 3 * CENT


async def test_what_costs_more_than_was_declared_is_charged_and_noted(shop):
    given = TOKEN_PRICE.model_copy(update={"max_nano": 2 * CENT, "usage": usage("usage")})
    result = {**DONE, "structuredContent": {"usage": {"output_tokens": 2000}}}
    one = shop({"cap": budget(3 * CENT, "money")}, given, answer=answering(result))
    await one.call()
    assert one.used() == {"*": 4 * CENT}
    assert one.said == [("budget_overshoot", {"budgets": {"cap": 2 * CENT}})]
    assert (await one.refused()).data["budget"] == "cap"
    assert json.loads(one.rows("outcome")[0]["detail"]) == {"overshoot": {"cap": 2 * CENT}}


async def test_one_call_that_is_more_than_the_budget_never_fits(shop):
    one = shop({"cap": budget(CENT, "money")}, price(2 * CENT))
    error = await one.refused()
    assert "retry_after" not in error.data
    assert refusal_headers(error) == {}


@pytest.mark.parametrize(
    ("failure", "charged"),
    [
        (UpstreamUnavailable("down"), 0),
        (UpstreamUnavailable("broke", sent=True), CENT),
        (UpstreamTimeout("late"), CENT),
        (UpstreamRefusal(-32000, "no"), CENT),
        (anyio.get_cancelled_exc_class, CENT),
    ],
)
async def test_only_what_was_not_sent_is_given_back(shop, failure, charged):
    if isinstance(failure, Exception):
        one = shop({"cap": budget(9 * CENT, "money")}, price(CENT), answer=failing(failure))
        await one.refused()
    else:
        reached = anyio.Event()

        async def answer(_request):
            reached.set()
            await anyio.sleep_forever()

        one = shop({"cap": budget(9 * CENT, "money")}, price(CENT), answer=answer)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.call)
            await reached.wait()
            tasks.cancel_scope.cancel()
    assert one.used().get("*", 0) == charged
    (row,) = one.rows("outcome")
    assert (row["cost_nano"] or 0) == charged
    assert one.ledger().get("*", 0) == charged


async def test_what_the_calls_before_a_crash_cost_counts_after_it(shop, tmp_path):
    one = shop({"cap": budget(3)})
    await one.call()
    await one.call()
    one.book.close()
    again = shop({"cap": budget(3)})
    await again.call()
    await again.refused()


async def test_the_intent_of_a_capped_call_is_on_the_disk_before_it_leaves(shop, tmp_path):
    seen = []

    async def answer(_request):
        with open_chains(tmp_path / "ledger") as chains:
            seen.extend((row["kind"], row["reserved"]) for row in chains[0].rows() if row["kind"] == "intent")
        await anyio.lowlevel.checkpoint()
        return DONE

    one = shop({"cap": budget(3)}, answer=answer)
    await one.call()
    assert [kind for kind, _ in seen] == ["intent"]
    assert json.loads(seen[0][1]) == [["cap calls month UTC *", int(datetime(2026, 5, 1, tzinfo=UTC).timestamp()), 1]]


async def test_throttling_waits_within_its_bound(shop):
    one = shop({"slow": budget(1, window="minute", on_exceed="throttle", max_wait_ms=200)})
    await one.call()
    assert (await one.refused()).data["reason"] == "rate_limited"
    one = shop({"slow": budget(1, window="minute", on_exceed="throttle", max_wait_ms=5000, counted_as="again")})
    await one.call()
    one.now += 60.5

    async def passes():
        await anyio.sleep(0.3)
        one.now += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(passes)
        await one.call()
    assert [attempt.outcome for attempt in one.attempts] == ["ok", "ok"]


async def test_a_retry_is_paid_for_and_counts_as_one_call(shop):
    draft = simple()
    retry = Retry(attempts=3, backoff_ms=1, idempotent=())
    draft.servers["notes"] = draft.servers["notes"].model_copy(update={"retry": retry})
    sent = []

    async def answer(request):
        sent.append(next(amount for counter, amount in one.counters.counting().items() if counter.unit == "usd"))
        if len(sent) == 1:
            request.before_retry()
        await anyio.lowlevel.checkpoint()
        return DONE

    budgets = {"cap": budget(30 * CENT, "money"), "calls": budget(9, counted_as="calls")}
    one = shop(budgets, price(CENT), draft=draft, answer=answer)
    await one.call()
    assert {counter.budget: amount for counter, amount in one.counters.counting().items()} == {
        "cap": 2 * CENT,
        "calls": 1,
    }
    assert one.rows("outcome")[0]["cost_nano"] == 2 * CENT
    assert sent == [3 * CENT]


async def test_an_unpriced_capability_is_not_touched_by_money(shop):
    one = shop({"cap": budget(0, "money")})
    result = await one.call()
    assert "_meta" not in result
    assert one.headers == {}


async def test_tokens_are_capped_even_where_no_maximum_is_declared(shop):
    result = {**DONE, "content": [{"type": "text", "text": "word " * 200}]}
    one = shop({"cap": budget(100, "tokens")}, answer=answering(result))
    await one.call()
    assert one.used()["*"] > 100
    assert (await one.refused()).data["unit"] == "tokens"


class Gone:
    async def reserve(self, decision, charges):
        raise CountersUnavailableError("nobody is there")


async def test_no_counters_no_call(shop):
    one = shop({"cap": budget(1)}, counters=Gone())
    error = await one.refused()
    assert (error.code, error.data) == (-31006, {"reason": "counters_unavailable"})
    assert one.upstreams.servers == {}


@pytest.mark.parametrize(
    "text",
    [
        b'{"content":[]}',
        b"{}",
        b'{"_meta":{"a":1},"content":[]}',
        b'{"\\u005fmeta":{"a":1},"content":[]}',
        b'{"content":[{"type":"text","text":"_meta"}]}',
        b'{"_meta":7}',
    ],
)
def test_what_is_left_is_put_into_text_as_into_objects(text):
    limits = Limits((), ())
    parsed = json.loads(text)
    if not isinstance(parsed.get("_meta", {}), dict):
        parsed["_meta"] = {}
    told = limits.told(text)
    assert json.loads(told) == limits.told(parsed)
    assert json.loads(told)["_meta"][META_KEY] == []
    assert told.count(b'"_meta":{') <= 1
