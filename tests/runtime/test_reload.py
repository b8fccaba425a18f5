"""Following a store: a good plan is swapped in, a bad one is refused and said, the old one goes on."""

import pytest
from plans import FakeUpstreams, publish, simple

from meshplan.runtime.active import Active
from meshplan.runtime.reload import RETRY, Follower
from meshplan.runtime.status import Desired
from meshplan.schemas.store import object_path, pointer_path


class Bench:
    def __init__(self, store):
        self.store, self.active, self.upstreams, self.desired = store, Active(), FakeUpstreams(), Desired()
        self.said, self.time = [], 0.0
        parts = (self.active, self.upstreams, self.desired, self.say)
        self.follower = Follower(store, "main", *parts, now=lambda: self.time)

    def say(self, event, members):
        self.said.append((event, members.get("code")))

    @property
    def served(self):
        return self.active.snapshot and (self.active.snapshot.seq, self.active.snapshot.digest)

    async def look(self):
        await self.follower.look()
        return self.served


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def two():
    draft = simple()
    first = draft.bundle()
    draft.tool("dev", "notes", "add")
    return first, draft.bundle()


async def test_an_empty_store_serves_nothing_and_the_first_plan_is_picked_up(bench):
    assert await bench.look() is None
    assert bench.desired.refused is None
    first, second = two()
    publish(bench.store, first, 1)
    assert await bench.look() == (1, first.digest)
    publish(bench.store, second, 2)
    assert await bench.look() == (2, second.digest)
    assert bench.upstreams.replaced == [["notes"], ["notes"]]
    assert bench.said == [("plan", None), ("plan", None)]


async def test_a_pointer_that_did_not_move_is_not_read_again(bench):
    first, _ = two()
    publish(bench.store, first, 1)
    await bench.look()
    snapshot = bench.active.snapshot
    (bench.store / object_path(first.digest)).unlink()
    await bench.look()
    assert bench.active.snapshot is snapshot
    assert bench.desired.refused is None


@pytest.mark.parametrize("damage", ["cut", "gone", "swapped"])
async def test_a_damaged_plan_is_refused_and_tried_again_later(bench, damage):
    first, second = two()
    publish(bench.store, first, 1)
    await bench.look()
    publish(bench.store, second, 2)
    path = bench.store / object_path(second.digest)
    whole = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(whole[:100])
        case "gone":
            path.unlink()
        case "swapped":
            path.write_bytes((bench.store / object_path(first.digest)).read_bytes())
    assert await bench.look() == (1, first.digest)
    refused = bench.desired.refused
    assert (refused["plan"], refused["seq"]) == (second.digest, 2)
    assert refused["code"] == ("missing" if damage == "gone" else "digest")
    path.write_bytes(whole)
    assert await bench.look() == (1, first.digest)
    bench.time += RETRY
    assert await bench.look() == (2, second.digest)
    assert bench.desired.refused is None


@pytest.mark.parametrize("seq", [4, 5])
async def test_a_sequence_number_that_does_not_grow_is_refused(bench, seq):
    first, second = two()
    publish(bench.store, first, 5)
    await bench.look()
    publish(bench.store, second, seq)
    assert await bench.look() == (5, first.digest)
    assert bench.desired.refused["code"] == "sequence"
    for _ in range(3):
        bench.time += RETRY
        await bench.look()
    assert bench.said == [("plan", None), ("plan_refused", "sequence")]


async def test_the_same_plan_under_a_greater_number_is_taken(bench):
    first, _ = two()
    publish(bench.store, first, 1)
    await bench.look()
    publish(bench.store, first, 2)
    assert await bench.look() == (2, first.digest)


async def test_a_pointer_that_goes_away_or_breaks_changes_nothing(bench):
    first, _ = two()
    publish(bench.store, first, 1)
    await bench.look()
    path = bench.store / pointer_path("main")
    path.write_text("{")
    assert await bench.look() == (1, first.digest)
    assert bench.desired.refused["code"] == "pointer"
    path.unlink()
    assert await bench.look() == (1, first.digest)
    assert bench.desired.refused["code"] == "missing"
