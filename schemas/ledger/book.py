"""Reads a ledger's folder: its chains, by number, time and id; changes nothing, also while a runtime writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.segment import FORMER, Segment, Stored, UnreadableError, paths, read

Row = dict[str, Any]
"""One entry by column, with ``writer`` and ``hash`` (hex)."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The segments of one writer, oldest first, open for reading; there is at least one."""

    name: str
    writer: str
    segments: tuple[Segment, ...]

    def stored(self, first: int = 0) -> Iterator[Stored]:
        """The entries from a number on, as they lie in the files."""
        for segment in self._from(first):
            yield from segment.stored(first)

    def entries(self, first: int = 0) -> Iterator[Entry]:
        """The entries from a number on; raises ``UnreadableError``."""
        return (stored.entry() for stored in self.stored(first))

    def rows(self, first: int = 0) -> Iterator[Row]:
        """The same, by column."""
        return (self.row(stored) for stored in self.stored(first))

    def row(self, stored: Stored) -> Row:
        """An entry by column; raises ``UnreadableError``."""
        return {"writer": self.writer, **msgspec.structs.asdict(stored.entry()), "hash": stored.hash.hex()}

    def newest(self) -> Iterator[Row]:
        """All entries by column, newest first; raises ``UnreadableError``."""
        return (self.row(stored) for segment in reversed(self.segments) for stored in segment.backwards())

    def at(self, seq: int) -> Stored | None:
        """One entry by its number."""
        found = next(self.stored(seq), None)
        return found if found is not None and found.seq == seq else None

    def span(self) -> tuple[int, int]:
        """The first and the last number; the last is one less where there is no entry."""
        return self.segments[0].start + 1, self.segments[-1].end()

    def first_at(self, at: str) -> int:
        """The number of the first entry that is not before a time; times never go back within a chain."""
        chosen = self.segments[0]
        for segment in self.segments[1:]:
            begins = segment.begins()
            if begins is None or begins >= at:
                break
            chosen = segment
        return chosen.first_at(at)

    def _from(self, first: int) -> tuple[Segment, ...]:
        place = max((n for n, segment in enumerate(self.segments) if segment.start < first), default=0)
        return self.segments[place:]


@contextmanager
def open_chains(folder: Path) -> Generator[list[Chain]]:
    """Open every chain of a folder; raises ``UnreadableError``."""
    opened: list[Segment] = []
    try:
        opened.extend(found for place in paths(folder) if (found := _open(*place)) is not None)
        if not opened:
            older = any(folder.glob(FORMER))
            raise UnreadableError(
                f"the ledger in `{folder}` has the format of an earlier version"
                if older
                else f"there is no ledger in `{folder}`"
            )
        yield [
            Chain(f"writer-{number}", writer, tuple(segments))
            for (number, writer), segments in groupby(opened, lambda one: (one.number, one.writer))
        ]
    except sqlite3.DatabaseError as error:
        raise UnreadableError(f"the ledger in `{folder}` cannot be read: {error}") from None
    finally:
        for segment in opened:
            segment.db.close()


def _open(number: int, part: int, path: Path) -> Segment | None:
    """A segment; ``None``: it was let go between two looks, or is only being made."""
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        made = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
    except sqlite3.OperationalError:
        if path.exists():
            raise
        return None
    try:
        if made is not None:
            db.execute("BEGIN")  # everything that is asked is of one moment
            return read(path, number, part, db)
    except UnreadableError:
        db.close()
        raise
    db.close()
    return None
