"""What several workers count together: against a plain oracle, with workers that die, and in processes that race."""

import mmap
import os
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.runtime.headcount import Alone
from meshplan.runtime.supervisor import board as board_module
from meshplan.runtime.supervisor.board import MAX_COUNT, Board, Shared

WORKERS, LIMIT = 3, 4
STEPS = st.lists(
    st.tuples(st.sampled_from(["enter", "enter", "leave", "die"]), st.integers(0, WORKERS - 1), st.integers(0, 8)),
    max_size=80,
)


def shared(board, column, kind="calls", asked=None):
    return Shared(board, column, kind, lambda *what: None if asked is None else asked.append(what))


def who(number):
    return ("issuer", f"user-{number}")


class Runtime:
    """Workers of one board beside what each of them has, kept plainly."""

    def __init__(self, buckets_log2):
        self.board = Board(WORKERS, buckets_log2)
        self.columns = [shared(self.board, column) for column in range(WORKERS)]
        self.has = [Counter() for _ in range(WORKERS)]

    def total(self, number):
        return sum(has[number] for has in self.has)

    def step(self, what, column, number):
        """Do it, and say whether ``enter`` let one in."""
        if what == "enter" and self.columns[column].enter(who(number), LIMIT):
            self.has[column][number] += 1
            return True
        if what == "leave" and self.has[column][number]:
            self.columns[column].leave(who(number))
            self.has[column][number] -= 1
        if what == "die":
            self.board.clear(column)
            self.columns[column], self.has[column] = shared(self.board, column), Counter()
        return False


@settings(deadline=None, max_examples=200)
@given(STEPS)
def test_every_worker_counts_what_all_have(steps):
    runtime = Runtime(12)
    for what, column, number in steps:
        room = runtime.total(number) < LIMIT
        assert runtime.step(what, column, number) is (what == "enter" and room)
        for counts, has in zip(runtime.columns, runtime.has, strict=True):
            assert counts.total(who(number)) == runtime.total(number)
            assert counts.here(who(number)) == has[number]
    for column in range(WORKERS):
        runtime.board.clear(column)
    assert not any(runtime.board.cells)


@settings(deadline=None, max_examples=200)
@given(STEPS)
def test_where_there_is_no_room_to_write_nobody_is_refused_because_of_another(steps):
    runtime = Runtime(0)
    for what, column, number in steps:
        room = runtime.total(number) < LIMIT
        let_in = runtime.step(what, column, number)
        assert let_in or what != "enter" or not room
        assert runtime.has[column][number] <= LIMIT


def test_names_that_are_no_longer_there_are_forgotten_and_counts_are_kept(monkeypatch):
    monkeypatch.setattr(board_module, "KNOWN", 10)
    board = Board(2)
    counts, other = shared(board, 0), shared(board, 1)
    assert counts.enter(who(0), 1)
    for number in range(1, 100):
        assert counts.enter(who(number), 1)
        counts.leave(who(number))
    assert len(counts._known) <= 10
    assert not other.enter(who(0), 1)
    counts.leave(who(0))
    assert other.enter(who(0), 1)


def test_kinds_and_names_are_told_apart():
    board = Board(1)
    assert len({board.place(kind, who) for kind in "ab" for who in (("a", "b"), ("a b",), ("a", "b", ""))}) == 6
    assert board.place("calls", ("\ud800",)) != board.place("calls", ("\ud801",))
    assert board.place("calls", who(1)) != Board(1).place("calls", who(1))


def test_a_worker_has_as_many_as_a_cell_can_tell():
    counts = shared(Board(2), 0)
    assert all(counts.enter(who(0), MAX_COUNT + 5) for _ in range(MAX_COUNT))
    assert not counts.enter(who(0), MAX_COUNT + 5)
    assert counts.total(who(0)) == MAX_COUNT


def test_who_has_the_most_makes_room():
    board, asked = Board(3), []
    columns = [shared(board, column, asked=asked) for column in range(3)]
    assert not columns[0].make_room(who(0))
    for column, count in enumerate((1, 2, 2)):
        for _ in range(count):
            assert columns[column].enter(who(0), 9)
    assert [counts.most(who(0)) for counts in columns] == [False, True, False]
    assert columns[0].make_room(who(0))
    assert asked == [("calls", who(0))]
    assert not Alone().make_room(who(0))


def test_processes_that_race_never_have_more_than_the_limit():
    board, seen = Board(4), memoryview(mmap.mmap(-1, 4 * 8 * 3)).cast("Q")
    has, over, times = seen[:4], seen[4:8], seen[8:]

    def race(column):
        counts = shared(board, column)
        for _ in range(20_000):
            if counts.enter(who(0), 2):
                has[column] = 1
                over[column] += sum(has) > 2
                times[column] += 1
                has[column] = 0
                counts.leave(who(0))

    pids = []
    for column in range(4):
        pid = os.fork()
        if not pid:
            try:
                race(column)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert all(times)
    assert sum(over) == 0
    assert not any(board.cells)
