"""A ledger's newest segment in the hands of its one writer: appends pages to the chain, and begins new segments."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from meshplan.runtime.ledger import parts
from meshplan.runtime.ledger.exported import Exported
from meshplan.runtime.ledger.folds import Folds
from meshplan.runtime.ledger.keys import signing_key
from meshplan.runtime.ledger.tally import Tally
from meshplan.schemas.ledger.book import Chain, open_chains
from meshplan.schemas.ledger.entry import FORMAT, Entry, encode, link
from meshplan.schemas.ledger.heads import Head
from meshplan.schemas.ledger.segment import Folded, UnreadableError, page

PAGE: Final = 512
"""Entries of a page at most."""
FOLD: Final = 1_000
"""Outcomes that are not yet folded, at most; what a reader or the next start has to look through."""
LARGEST: Final = 4_000_000
"""Entries of one segment, about."""
STRETCH: Final = 8
"""Segments in the time that entries are kept; so much longer may they stay."""
LOOKS: Final = 100
"""How often in that time to look for what is too old."""
_ADD: Final = "INSERT INTO pages VALUES (?, ?, ?)"

Signed = dict[str, str | int]
"""A head with its signature, as it is exported."""


class LedgerError(Exception):
    """The ledger cannot be opened; the text says why."""


@dataclass(slots=True)
class Keeping:
    """How long entries are kept (``None``: for ever), and how many in one segment, about."""

    retention: timedelta | None = None
    largest: int = LARGEST


class LedgerFile:
    """The newest end of one chain; all methods belong to one thread, and raise ``sqlite3.Error`` and ``OSError``."""

    def __init__(self, folder: Path, now: Callable[[], str], keeping: Keeping | None = None) -> None:
        self._folder, self._now, self.keeping = folder, now, keeping or Keeping()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with ExitStack() as undo:
                self._lock, self._number = parts.claim(folder)
                undo.callback(self._lock.close)
                self._key = signing_key(folder)
                self._heads = Exported(folder)
                undo.callback(self._heads.close)
                self._segment = parts.newest(folder, self._number)
                undo.enter_context(closing(self._segment.db))
                self._resume()
                undo.pop_all()
        except (OSError, sqlite3.Error, ValueError, UnreadableError) as error:
            raise LedgerError(f"the ledger `{folder}` cannot be opened: {error}") from None

    @property
    def writer(self) -> str:
        """Whose chain this is."""
        return self._segment.writer

    def _resume(self) -> None:
        """Go on where the chain ends."""
        self._folds, self._headed, self._look_again = Folds(), 0, ""
        self._begun = self._segment.begins()
        with open_chains(self._folder) as chains:
            chain = next(chain for chain in chains if chain.writer == self._segment.writer)
            last = chain.at(chain.span()[1])
            ended = Entry("opened", "") if last is None else last.entry()
            self._seq, self._at, self._epoch = chain.span()[1], ended.at, ended.epoch
            self._hash = self._segment.tie if last is None else last.hash
            self._tally = Tally(chain)
            left = self._left(chain)
        self._open = {entry.decision: entry.seq for entry in left}
        self._start(left)

    def _left(self, chain: Chain) -> list[Entry]:
        """The intents without an outcome; what is not yet folded is collected on the way."""
        folded = self._segment.folded()
        stored = [chain.at(seq) for seq in folded.open]
        left = {one.seq: one.entry() for one in stored if one is not None}
        for entry in chain.entries(folded.through + 1):
            if entry.kind == "intent":
                left[entry.seq] = entry
            elif entry.kind == "outcome":
                left.pop(entry.intent or 0, None)
                self._folds.add(entry)
        return list(left.values())

    def _start(self, left: list[Entry]) -> None:
        """A new epoch: what was left open is ended, as nobody knows how it did."""
        self._epoch += 1
        now = self._now()
        ended = [
            msgspec.structs.replace(
                entry, kind="outcome", at=now, outcome="unknown", reason="interrupted", reserved=None
            )
            for entry in left
        ]
        detail = encode({"ledger": FORMAT, "unknown": len(left)}).decode()
        self.append([Entry("opened", now, detail=detail), *ended])
        self.fold()

    def append(self, entries: Sequence[Entry]) -> None:
        """Commit entries to the disk, in this order, all or none."""
        if not entries:
            return
        seq, at, epoch, previous = self._seq, self._at, self._epoch, self._hash
        lines: list[bytes] = []
        hashes: list[bytes] = []
        outcomes: list[Entry] = []
        opened: dict[str | None, int] = {}
        closed: set[str | None] = set()
        for entry in entries:
            seq += 1
            entry.at = at = max(entry.at, at)
            entry.seq, entry.epoch = seq, epoch
            if entry.kind == "intent":
                opened[entry.decision] = seq
            elif entry.kind == "outcome":
                outcomes.append(entry)
                entry.intent = opened.pop(entry.decision, None) or self._ended(entry.decision, closed)
            line = encode(entry)
            previous = link(previous, line)
            lines.append(line)
            hashes.append(previous)
        self._commit(lines, hashes)
        self._seq, self._at, self._hash = seq, at, previous
        self._begun = self._begun or entries[0].at
        for decision in closed:
            del self._open[decision]
        self._open.update(opened)
        for entry in outcomes:
            self._folds.add(entry)
        self._tally.add(entries)
        if self._tally.due:
            self.sum_up()

    def sum_up(self, *, again: bool = False) -> None:
        """Append what was spent so far as a checkpoint, from which the next start goes on; not now is no harm."""
        found = self._tally.summed(self._now(), again=again)
        if found is not None:
            with suppress(sqlite3.Error):
                self.append([found])

    def _ended(self, decision: str | None, closed: set[str | None]) -> int | None:
        """The intent of an earlier batch that an outcome ends."""
        intent = self._open.get(decision)
        if intent is None or decision in closed:
            return None
        closed.add(decision)
        return intent

    def _commit(self, lines: list[bytes], hashes: list[bytes]) -> None:
        first, db = self._seq + 1, self._segment.db
        pages = [page(first + at, lines[at : at + PAGE], hashes[at : at + PAGE]) for at in range(0, len(lines), PAGE)]
        if len(pages) == 1:
            db.execute(_ADD, pages[0])  # a transaction of its own, which saves handing over the interpreter twice
            return
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(_ADD, pages)

    @property
    def folds_due(self) -> bool:
        """Whether so much waits that it should be folded now."""
        return self._folds.outcomes >= FOLD

    def fold(self) -> None:
        """Let what was appended be found by its ids, and be in the totals."""
        self._folds.write(self._segment.db, self._folded())

    def _folded(self) -> Folded:
        checkpoint, before = self._tally.checkpoint, self._segment.folded().unspent
        return Folded(self._seq, tuple(self._open.values()), checkpoint, before if self._tally.changed else self._seq)

    def tend(self) -> Iterator[Signed]:
        """Fold; begin a new segment where the newest is large or old; let go of what is too old.

        Gives heads as they are signed and exported.
        """
        self.fold()
        if self._full:
            yield from self.head()
            self._rotate()
        yield from self.head()
        if self.keeping.retention is not None and self._now() >= self._look_again:
            self._look_again = self._from_now(min(self.keeping.retention / LOOKS, timedelta(minutes=10)))
            needed = min([self._segment.start + 1, *self._open.values(), *self._tally.needed()])
            for path, head in parts.expired(
                self._folder, self._from_now(-self.keeping.retention), self._number, needed
            ):
                signed = self._export(head)
                parts.remove(path)
                yield signed

    @property
    def _full(self) -> bool:
        if self._begun is None:
            return False
        retention = self.keeping.retention
        old = retention is not None and self._begun < self._from_now(-retention / STRETCH)
        return old or self._seq - self._segment.start >= self.keeping.largest

    def _from_now(self, span: timedelta) -> str:
        return (datetime.fromisoformat(self._now()) + span).isoformat(timespec="milliseconds")

    def _rotate(self) -> None:
        """Begin a new segment that continues the chain."""
        segment = self._segment
        made = parts.make(
            self._folder, self._number, segment.part + 1, segment.writer, self._seq, self._hash, self._folded()
        )
        segment.db.close()
        self._segment, self._folds, self._begun = made, Folds(), None
        self.sum_up(again=True)

    def head(self) -> Iterator[Signed]:
        """Sign where the chain stands and export it, if it has grown since."""
        if self._seq != self._headed:
            head = Head(self._segment.writer, self._epoch, self._seq, self._hash.hex(), self._now())
            signed = self._export(head)
            self._headed = self._seq
            yield signed

    def _export(self, head: Head) -> Signed:
        signed = head.signed(self._key)
        self._heads.append(encode(signed))
        return signed

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._segment.db.close()
        self._heads.close()
        self._lock.close()
