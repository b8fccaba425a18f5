"""Publishing: objects, one pointer, a log; compare-and-swap; nothing half-written."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from meshes import BASE, compile_text

from meshplan.compiler.store import StaleError, current, publish
from meshplan.schemas import jsontext
from meshplan.schemas.store import object_path


@pytest.fixture(scope="module")
def plans():
    return [compile_text(BASE.replace("acme", name)).bundle for name in ("one", "two", "three")]


def test_each_plan_moves_the_pointer_once(tmp_path, plans):
    first = publish(tmp_path, plans[0], channel="main")
    again = publish(tmp_path, plans[0], channel="main")
    second = publish(tmp_path, plans[1], channel="main")
    assert (first.changed, again.changed, second.changed) == (True, False, True)
    assert (first.pointer.seq, again.pointer.seq, second.pointer.seq) == (1, 1, 2)
    assert second.pointer.previous == plans[0].digest
    assert current(tmp_path, "main") == second.pointer
    assert current(tmp_path, "other") is None
    log = [json.loads(line) for line in (tmp_path / "channels/main.log.jsonl").read_text().splitlines()]
    assert [record["seq"] for record in log] == [1, 2]


def test_every_object_matches_its_name(tmp_path, plans):
    publish(tmp_path, plans[0], channel="main")
    objects = list(tmp_path.glob("objects/**/*.json"))
    assert len(objects) == len(plans[0].definitions) + 2
    for path in objects:
        assert path == tmp_path / object_path(jsontext.digest(path.read_bytes()))


def test_a_damaged_object_is_written_again(tmp_path, plans):
    publish(tmp_path, plans[0], channel="main")
    damaged = tmp_path / object_path(plans[0].digest)
    damaged.write_text("{}")
    publish(tmp_path, plans[0], channel="main")
    assert jsontext.digest(damaged.read_bytes()) == plans[0].digest


def test_a_moved_channel_refuses_who_expected_otherwise(tmp_path, plans):
    publish(tmp_path, plans[0], channel="main", expect_seq=0)
    with pytest.raises(StaleError, match="at sequence 1, not 0"):
        publish(tmp_path, plans[1], channel="main", expect_seq=0)
    assert current(tmp_path, "main").plan == plans[0].digest


def test_of_many_publishers_at_once_one_wins_each_number(tmp_path, plans):
    def attempt(number):
        try:
            return publish(tmp_path, plans[number % 3], channel="main", expect_seq=0).changed
        except StaleError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == 1
    assert current(tmp_path, "main").seq == 1
