"""Memory that all workers share, in which each writes down how much of everything it has, and reads what the others do.

A name (a kind, and whose) leads to one bucket of ``DEEP`` cells for each worker, and to a tag. A cell holds a tag and a count in one
word of 64 bits, which is read and written whole. Only its own worker writes it, so nothing has to be locked, and what a
worker had is taken back by clearing its column. A worker whose cells of a bucket are all taken keeps that count for itself:
the others then let in more, never less. Bucket and tag are 63 bits of a hash with a key of this run, so no two names
share a count by accident (about 1 in 10^11 with 10,000 names at once), and nobody can choose names that do.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from hashlib import blake2b
from struct import Struct
from typing import Final

from meshplan.runtime.headcount import Who

BUCKETS_LOG2: Final = 15
DEEP: Final = 2
"""Names of one bucket that a worker can have counts of at once."""
COUNT_BITS: Final = 16
TAG_BITS: Final = 48
MAX_COUNT: Final = (1 << COUNT_BITS) - 1
"""What one worker can have of one thing."""
KNOWN: Final = 8192
"""Names whose place each worker remembers."""


class Board:
    """Made once, before the workers; ``workers`` is how many there are at once. 2 MiB for four."""

    def __init__(self, workers: int, buckets_log2: int = BUCKETS_LOG2) -> None:
        self.workers, self._buckets_log2 = workers, buckets_log2
        self.cells = memoryview(mmap.mmap(-1, (DEEP * workers * 8) << buckets_log2)).cast("Q")
        self._key = os.urandom(32)

    def place(self, kind: str, who: Who) -> tuple[int, int]:
        """The first cell of a name's buckets, and its tag."""
        digest = blake2b(repr((kind, who)).encode(), key=self._key, digest_size=8).digest()
        number = int.from_bytes(digest, "big")
        bucket, tag = number >> (64 - self._buckets_log2), number & ((1 << TAG_BITS) - 1)
        return bucket * DEEP * self.workers, tag

    def clear(self, column: int) -> None:
        """A worker has ended: it has nothing any more."""
        own = self.cells[column :: self.workers]
        own[:] = memoryview(bytes(own.nbytes)).cast("Q")


class _Own:
    """What this worker has of one name; ``cell`` is where that stands, -1 where there was no room."""

    __slots__ = ("base", "cell", "count", "tag")

    def __init__(self, base: int, tag: int) -> None:
        self.base, self.tag, self.cell, self.count = base, tag << COUNT_BITS, -1, 0


class Shared:
    """See ``headcount.Headcount``: of one kind, as one worker writes and reads it.

    It writes before it looks, so that of two workers that let one in at once each sees the other: both may then refuse,
    and both let in only where a processor sees the other's write late, by nanoseconds.
    """

    def __init__(self, board: Board, column: int, kind: str, ask_for_room: Callable[[str, Who], None]) -> None:
        self._board, self._column, self._kind, self._ask_for_room = board, column, kind, ask_for_room
        self._cells, self._span = board.cells, DEEP * board.workers
        # In native words: each is read whole.
        self._bucket = Struct(f"@{self._span}Q").unpack_from
        self._known: dict[Who, _Own] = {}

    def enter(self, who: Who, limit: int) -> bool:
        """See ``Headcount``."""
        own = self._known.get(who) or self._met(who)
        if own.count >= limit or own.count == MAX_COUNT:
            return False
        if not own.count:
            self._sit(own)
        own.count = count = own.count + 1
        tag, cell = own.tag, own.cell
        if cell >= 0:
            self._cells[cell] = tag + count
            count = 0
        for word in self._bucket(self._cells, own.base * 8):
            if tag < word <= tag + MAX_COUNT:
                count += word - tag
        if count <= limit:
            return True
        self.leave(who)
        return False

    def leave(self, who: Who) -> None:
        """See ``Headcount``."""
        own = self._known[who]
        own.count = count = own.count - 1
        if own.cell >= 0:
            self._cells[own.cell] = own.tag + count if count else 0

    def total(self, who: Who) -> int:
        """See ``Headcount``."""
        own = self._known.get(who) or self._met(who)
        return sum(self._columns(own))

    def make_room(self, who: Who) -> bool:
        """See ``Headcount``: told to all, done by the one that has the most."""
        if self.total(who) == self.here(who):
            return False
        self._ask_for_room(self._kind, who)
        return True

    def here(self, who: Who) -> int:
        """How many of them this worker has."""
        own = self._known.get(who)
        return 0 if own is None else own.count

    def most(self, who: Who) -> bool:
        """Whether no other worker has more of them, and of those that have as many none comes before this one."""
        counts = self._columns(self._known.get(who) or self._met(who))
        return max(counts) > 0 and counts.index(max(counts)) == self._column

    def _columns(self, own: _Own) -> list[int]:
        counts = [0] * self._board.workers
        for place, word in enumerate(self._bucket(self._cells, own.base * 8)):
            if own.tag < word <= own.tag + MAX_COUNT:
                counts[place % len(counts)] += word - own.tag
        counts[self._column] = own.count
        return counts

    def _met(self, who: Who) -> _Own:
        """Remember where a name's counts are; of those that have none now, not too many."""
        if len(self._known) >= KNOWN:
            self._known = {known: own for known, own in self._known.items() if own.count}
        own = self._known[who] = _Own(*self._board.place(self._kind, who))
        return own

    def _sit(self, own: _Own) -> None:
        """Find a free cell of this worker's; the one of last time, if nobody has it."""
        if own.cell >= 0 and not self._cells[own.cell]:
            return
        cells = range(own.base + self._column, own.base + self._span, self._board.workers)
        own.cell = next((cell for cell in cells if not self._cells[cell]), -1)
