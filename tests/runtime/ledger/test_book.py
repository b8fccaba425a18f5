"""What is written of each attempt, when it is on the disk, and what happens while the disk does not take it."""

import hashlib
import json
import sqlite3
from datetime import UTC, datetime

import anyio
import pytest
from plans import FakeUpstreams, recorded, simple

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.errors import RpcError
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.ledger.book import Book
from meshplan.runtime.ledger.writer import Writer
from meshplan.runtime.principal import Caller
from meshplan.runtime.snapshot import Snapshot
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.ledger.book import open_chains
from meshplan.schemas.ledger.traces import traced

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Desk:
    """An invoker that writes a ledger into a folder."""

    def __init__(self, folder, bundle, upstreams=None, **writer):
        self.folder, self.said = folder, []
        self.active, self.upstreams = Active(lambda: datetime(2026, 5, 1, tzinfo=UTC)), upstreams or FakeUpstreams()
        self.book = Book(folder, self.active, lambda *said: self.said.append(said), lambda *a: Writer(*a, **writer))
        self.book.prepare(bundle.plan)
        self.active.swap(Snapshot(bundle))
        self.invoker = Invoker(self.active, self.upstreams, lambda _: None, ledger=self.book)

    async def call(self, method, params, key="ann"):
        digest = hashlib.sha256(f"secret-{key}".encode()).hexdigest()
        caller = Caller(digest, self.active.snapshot.keyring.principal(digest, self.active.now))
        return await self.invoker.invoke(
            Call(endpoint="dev", caller=caller, era="modern", method=method, params=params)
        )

    def rows(self, *kinds):
        return written(self.folder, *kinds)


def written(folder, *kinds):
    with open_chains(folder / "ledger") as chains:
        rows = [row for chain in chains for row in chain.rows()]
    return [row for row in rows if row["kind"] in (kinds or ("intent", "outcome"))]


@pytest.fixture
def desk(tmp_path):
    opened = []

    def make(bundle=None, upstreams=None, **writer):
        opened.append(Desk(tmp_path, bundle or recorded(simple()), upstreams, **writer))
        return opened[-1]

    yield make
    for one in opened:
        one.book.close()


async def test_an_attempt_is_an_intent_and_an_outcome_with_the_same_decision(desk):
    one = desk()
    meta = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    await one.call("tools/call", {"name": "get_note", "arguments": {"secret": "x"}, "_meta": meta})
    one.book.close()
    intent, outcome = one.rows()
    assert (intent["kind"], outcome["kind"], outcome["intent"]) == ("intent", "outcome", intent["seq"])
    assert intent["decision"] == outcome["decision"]
    same = (
        "plan",
        "endpoint",
        "principal",
        "user",
        "teams",
        "method",
        "era",
        "capability",
        "upstream",
        "rule",
        "trace",
    )
    assert {name: intent[name] for name in same} == {name: outcome[name] for name in same}
    assert (outcome["outcome"], outcome["trace"], outcome["upstream"]) == ("ok", TRACE, "notes")
    assert outcome["plan"] == one.active.snapshot.digest
    assert outcome["total_us"] >= outcome["upstream_us"] >= 0
    assert (
        outcome["sent_bytes"]
        == len('{"name":"get","arguments":{"secret":"x"},"_meta":') + len(json.dumps(meta, separators=(",", ":"))) + 1
    )
    assert outcome["received_bytes"] > 0
    assert "secret" not in "".join(str(value) for row in one.rows() for value in row.values())
    with open_chains(one.folder / "ledger") as chains:
        assert [row["seq"] for row in traced(chains, TRACE)] == [intent["seq"], outcome["seq"]]
        assert traced(chains, outcome["decision"]) == traced(chains, outcome["call"]) == traced(chains, TRACE)


async def test_every_refusal_is_written_once(desk):
    one = desk()
    with pytest.raises(RpcError):
        await one.call("tools/call", {"name": "nothing"})
    with pytest.raises(RpcError):
        await one.call("no/method", {})
    one.invoker.turn_away("dev", "unknown_key")
    one.book.close()
    rows = one.rows()
    assert [(row["kind"], row["outcome"], row["reason"], row["intent"]) for row in rows] == [
        ("outcome", "denied", "no_such_name", None),
        ("outcome", "invalid", "method_not_found", None),
        ("outcome", "unauthenticated", "unknown_key", None),
    ]


async def test_a_strict_intent_is_on_the_disk_before_the_upstream_hears_of_the_call(desk, tmp_path):
    seen, upstreams = [], FakeUpstreams()

    async def answer(_):
        seen.extend(row["kind"] for row in written(tmp_path))
        await anyio.lowlevel.checkpoint()
        return {"content": [], "resultType": "complete"}

    upstreams.serve("notes", answer)
    one = desk(recorded(simple(), durability="strict"), upstreams)
    await one.call("tools/call", {"name": "get_note"})
    assert seen == ["intent"]


async def test_what_conditions_read_is_kept_and_what_looks_like_a_secret_is_not(desk):
    draft = simple()
    key = draft.tool("dev", "notes", "pay", schema={"properties": {n: {} for n in ("cents", "api_key", "note", "to")}})
    rule = draft.allow("all", key)
    reads = ["&&", *(["has", ["var", "args"], name] for name in ("cents", "api_key", "note"))]
    draft.rules[rule] = draft.rules[rule].model_copy(update={"when": reads})
    one = desk(recorded(draft))
    arguments = {"cents": 250, "api_key": "abc", "note": "n" * 600, "to": "bob"}
    await one.call("tools/call", {"name": "pay", "arguments": arguments})
    one.book.close()
    (intent,) = one.rows("intent")
    inputs = json.loads(intent["inputs"])
    assert inputs == {
        "cents": {"value": 250},
        "api_key": {"redacted": "secret"},
        "note": {"bytes": 602, "digest": inputs["note"]["digest"]},
    }


async def test_declared_fields_of_arguments_and_results_are_kept_without_secrets(desk):
    upstreams = FakeUpstreams()
    answer = {
        "content": [{"type": "text", "text": "all of it"}],
        "structuredContent": {
            "number": 7,
            "items": [{"id": 1, "body": "x"}, {"id": 2}],
            "page": {"next": "c", "api_key": "k"},
            "link": "see ghp_" + "a1B2c3D4e5F6" * 3,
            "long": "n" * 600,
        },
        "resultType": "complete",
    }

    async def handler(_):
        await anyio.lowlevel.checkpoint()
        return answer

    upstreams.serve("notes", handler)
    settings = {"arguments": ("to", "deep.inner"), "results": ("number", "items.id", "page", "link", "long", "none")}
    one = desk(recorded(simple(), **settings), upstreams)
    await one.call("tools/call", {"name": "get_note", "arguments": {"to": "bob", "deep": {"inner": 1}, "rest": "y"}})
    one.book.close()
    intent, outcome = one.rows()
    assert json.loads(intent["arguments"]) == {"to": {"value": "bob"}, "deep.inner": {"value": 1}}
    results = json.loads(outcome["results"])
    assert results == {
        "number": {"value": 7},
        "items.id": {"value": [1, 2]},
        "page": {"redacted": "secret"},
        "link": {"redacted": "secret"},
        "long": {"bytes": 602, "digest": results["long"]["digest"]},
    }


async def test_an_intent_without_an_outcome_is_unknown_after_a_restart(tmp_path, desk):
    one = desk()
    started = anyio.Event()

    async def never(_):
        started.set()
        await anyio.sleep_forever()

    one.upstreams.serve("notes", never)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.call, "tools/call", {"name": "get_note"})
        await started.wait()
        one.book.close()  # as a crash: nothing is written after this
        tasks.cancel_scope.cancel()
    assert [row["kind"] for row in one.rows()] == ["intent"]
    desk().book.close()
    intent, outcome = one.rows()
    assert (outcome["outcome"], outcome["reason"], outcome["intent"]) == ("unknown", "interrupted", intent["seq"])
    assert (outcome["epoch"], outcome["decision"]) == (2, intent["decision"])
    desk().book.close()
    assert len(one.rows()) == 2


class Locked:
    """Holds the ledger's file, as a disk that takes nothing."""

    def __init__(self, folder):
        self.db = sqlite3.connect(folder / "ledger/writer-0-000001.db", isolation_level=None)
        self.db.execute("BEGIN IMMEDIATE")

    def free(self):
        self.db.execute("ROLLBACK")
        self.db.close()


async def test_while_the_disk_takes_nothing_calls_are_refused_and_counted(desk):
    one = desk(recorded(simple(), overflow="refuse"), capacity=2)
    await one.call("tools/call", {"name": "get_note"})
    await one.book._writer.written()
    lock = Locked(one.folder)
    await one.call("tools/call", {"name": "get_note"})
    with pytest.raises(RpcError) as caught:
        await one.call("tools/call", {"name": "get_note"})
    assert caught.value.data == {"reason": "ledger_full"}
    one.invoker.turn_away("dev", "no_key")
    lock.free()
    one.book.close()
    assert len(one.rows()) == 4
    assert [json.loads(row["detail"]) for row in one.rows("gap")] == [{"overloaded": 1, "unauthenticated": 1}]


async def test_while_the_disk_takes_nothing_calls_wait(desk):
    one = desk(capacity=2)
    await one.call("tools/call", {"name": "get_note"})
    await one.book._writer.written()
    lock = Locked(one.folder)
    await one.call("tools/call", {"name": "get_note"})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.call, "tools/call", {"name": "get_note"})
        await anyio.wait_all_tasks_blocked()
        assert len(one.upstreams.get("notes").requests) == 2
        lock.free()
    one.book.close()
    assert len(one.rows("intent")) == len(one.rows("outcome")) == 3
    assert one.rows("gap") == []


async def late(book):
    with anyio.fail_after(20):
        while not book.pen.late:
            await anyio.lowlevel.checkpoint()


async def test_while_a_commit_takes_longer_than_the_window_no_call_leaves_before_its_intent_is_on_the_disk(desk):
    one = desk(recorded(simple(), window_ms=40))
    await one.call("tools/call", {"name": "get_note"})
    await one.book.pen.written()
    assert not one.book.pen.late
    lock, requests = Locked(one.folder), one.upstreams.get("notes").requests
    await one.call("tools/call", {"name": "get_note"})
    assert len(requests) == 2
    await late(one.book)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one.call, "tools/call", {"name": "get_note"})
        await anyio.wait_all_tasks_blocked()
        assert (len(requests), one.book.report()["late"]) == (2, True)
        lock.free()
    assert len(requests) == 3
    await one.book.pen.written()
    assert not one.book.pen.late


async def test_where_overflow_refuses_a_call_does_not_wait_long_for_a_slow_disk(desk):
    one = desk(recorded(simple(), window_ms=40, overflow="refuse"))
    lock = Locked(one.folder)
    await one.call("tools/call", {"name": "get_note"})
    await late(one.book)
    with pytest.raises(RpcError) as caught:
        await one.call("tools/call", {"name": "get_note"})
    assert caught.value.data == {"reason": "ledger_full"}
    assert len(one.upstreams.get("notes").requests) == 1
    lock.free()
    one.book.close()
    assert [row["outcome"] for row in one.rows("outcome")] == ["ok", "overloaded"]


def test_two_processes_write_chains_of_their_own_and_another_path_needs_a_restart(desk, tmp_path):
    one, other = desk(), desk()
    one.book.close()
    other.book.close()
    assert sorted(path.name for path in (tmp_path / "ledger").glob("*.db")) == [
        "writer-0-000001.db",
        "writer-1-000001.db",
    ]
    with pytest.raises(PlanRefusedError, match="started again"):
        one.book.prepare(recorded(simple(), path="elsewhere").plan)


def test_a_ledger_that_cannot_be_opened_refuses_the_plan(tmp_path, desk):
    (tmp_path / "ledger").write_text("a file")
    with pytest.raises(PlanRefusedError, match="cannot be opened"):
        desk()
