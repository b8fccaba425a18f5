"""One file of a chain: a stretch of its entries in pages, and what was folded from them to find and to sum them."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, NamedTuple, cast

import msgspec

from meshplan.schemas.ledger.entry import (
    DIMENSIONS,
    FORMAT,
    HASH_BYTES,
    ID_LENGTH,
    SUMS,
    Entry,
    Group,
    Value,
    decode,
    encode,
)

NAME: Final = re.compile(r"writer-(\d{1,4})-(\d{6,12})\.db")
MAX_PAGE: Final = 64 * 1024 * 1024
"""Bytes of the lines of a page; entries are bounded, so only what nobody wrote has more."""
_SHORT: Final = 4096
"""Bytes within which a line ends, as a rule."""
_UNKNOWN: Final = "a format that this version does not know"
FORMER: Final = "writer-[0-9].db"
"""What the files of format 1 are called."""

_TOTALS: Final = f"""(
  begins TEXT, "group" INTEGER, calls INTEGER NOT NULL, {", ".join(f"{name} INTEGER NOT NULL" for name in SUMS)},
  PRIMARY KEY (begins, "group")
) WITHOUT ROWID"""

SCHEMA: Final = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pages (first INTEGER PRIMARY KEY, lines BLOB NOT NULL, hashes BLOB NOT NULL);
CREATE TABLE folded (
  through INTEGER NOT NULL, open TEXT NOT NULL, checkpoint INTEGER NOT NULL, unspent INTEGER NOT NULL
);
CREATE TABLE ids (id TEXT, seq INTEGER, PRIMARY KEY (id, seq)) WITHOUT ROWID;
CREATE TABLE groups (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE hours {_TOTALS};
CREATE TABLE days {_TOTALS};
"""
"""A page has entries one a line, from the number ``first`` on, compressed (RFC 1950), and their hashes. Up to the entry ``through``, outcomes
are in ``ids`` and ``hours`` (totals by hour and dimensions; ``groups.key`` is a JSON array), and ``open`` are the intents
without one. ``days`` are the same totals by day, of all hours but the newest. ``checkpoint`` is the newest entry that sums up what was spent (0: none), and up to ``unspent`` no other
entry after it adds anything."""
_decode_group: Final = msgspec.json.Decoder(tuple[Value, ...]).decode
_decode_open: Final = msgspec.json.Decoder(tuple[int, ...]).decode


class Folded(NamedTuple):
    """The columns of ``folded``."""

    through: int
    open: tuple[int, ...]
    checkpoint: int
    unspent: int


class UnreadableError(Exception):
    """There is no ledger, or not one that can be read; the text says why."""


class Stored(NamedTuple):
    """An entry as it lies in the file: its number, its line and its hash, either empty where it is missing."""

    seq: int
    line: bytes
    hash: bytes

    def entry(self) -> Entry:
        """What the line says; raises ``UnreadableError``."""
        try:
            return decode(self.line)
        except ValueError:
            raise UnreadableError(f"entry {self.seq} is not one; run `mesh ledger verify`") from None


@dataclass(frozen=True, slots=True)
class Segment:
    """One file, open; what comes before it ends with the entry ``start`` and the hash ``tie``."""

    path: Path
    db: sqlite3.Connection
    writer: str
    number: int
    part: int
    start: int
    tie: bytes

    def stored(self, first: int = 0) -> Iterator[Stored]:
        """The entries from a number on, as they lie in the file."""
        sql = "SELECT first, lines, hashes FROM pages WHERE first >= (SELECT coalesce(max(first), 0) FROM pages WHERE first <= ?) ORDER BY first"
        for number, lines, hashes in self.db.execute(sql, (first,)):
            for stored in _split(number, lines, hashes):
                if stored.seq >= first:
                    yield stored

    def backwards(self) -> Iterator[Stored]:
        """All entries, newest first."""
        for number, lines, hashes in self.db.execute("SELECT first, lines, hashes FROM pages ORDER BY first DESC"):
            yield from reversed(list(_split(number, lines, hashes)))

    def end(self) -> int:
        """The number of the last entry; where there is none, ``start``."""
        row = self.db.execute("SELECT first, length(hashes) FROM pages ORDER BY first DESC LIMIT 1").fetchone()
        return self.start if row is None else int(row[0]) + int(row[1]) // HASH_BYTES - 1

    def found(self, seq: int) -> Entry | None:
        """One entry by its number; raises ``UnreadableError``."""
        stored = next(self.stored(seq), None)
        return stored.entry() if stored is not None and stored.seq == seq else None

    def begins(self) -> str | None:
        """The time of the first entry, if there is one."""
        stored = next(self.stored(), None)
        return None if stored is None else stored.entry().at

    def first_at(self, at: str) -> int:
        """The number of the first entry that is not before a time; times never go back within a chain."""
        low, high = self.start + 1, self.end() + 1
        while low < high:
            leads = self._leads((low + high) // 2)
            if leads.seq > low and leads.entry().at >= at:
                high = leads.seq
            elif leads.seq > low:
                low = leads.seq
            else:
                return next((one.seq for one in self.stored(low) if one.seq >= high or one.entry().at >= at), high)
        return low

    def _leads(self, seq: int) -> Stored:
        """The first entry of the page in which an entry lies, without its hash."""
        row = self.db.execute("SELECT first, lines FROM pages WHERE first <= ? ORDER BY first DESC LIMIT 1", (seq,))
        found = row.fetchone()
        return Stored(self.start, b"", b"") if found is None else Stored(int(found[0]), _first_line(found[1]), b"")

    def folded(self) -> Folded:
        """What was folded, and up to where; raises ``UnreadableError``."""
        row = self.db.execute("SELECT through, open, checkpoint, unspent FROM folded").fetchone()
        try:
            return Folded(int(row[0]), _decode_open(row[1]), int(row[2]), int(row[3]))
        except (ValueError, TypeError):
            raise UnreadableError(f"what is folded in `{self.path.name}` is not; run `mesh ledger verify`") from None

    def numbers(self, wanted: str, most: int) -> list[int]:
        """The entries that may have an id: so many that are folded, and the intents that were open then."""
        rows = self.db.execute("SELECT seq FROM ids WHERE id = ? ORDER BY seq LIMIT ?", (wanted[:ID_LENGTH], most))
        return [*(int(row[0]) for row in rows), *self.folded().open]

    def groups(self) -> dict[int, Group]:
        """The dimensions of each group of the totals; raises ``UnreadableError``."""
        found: dict[int, Group] = {}
        for number, key in self.db.execute("SELECT id, key FROM groups"):
            try:
                found[number] = _group(key)
            except (ValueError, TypeError):
                raise UnreadableError(f"group {number} of the totals is not one; run `mesh ledger verify`") from None
        return found


def _group(key: str) -> Group:
    values = _decode_group(key)
    if len(values) != len(DIMENSIONS):
        raise ValueError(key)
    return values


def row_of(folded: Folded) -> tuple[int, str, int, int]:
    """The row of the table ``folded``."""
    return folded.through, encode(sorted(folded.open)).decode(), folded.checkpoint, folded.unspent


def page(first: int, lines: list[bytes], hashes: list[bytes]) -> tuple[int, bytes, bytes]:
    """A row of ``pages``."""
    return first, zlib.compress(b"\n".join(lines), 1), b"".join(hashes)


def _split(first: int, lines: object, hashes: object) -> Iterator[Stored]:
    texts = _inflated(lines).split(b"\n") if isinstance(lines, bytes) else [b""]
    told = hashes if isinstance(hashes, bytes) else b""
    links = [told[at : at + HASH_BYTES] for at in range(0, len(told), HASH_BYTES)]
    for number, (line, link) in enumerate(zip_longest(texts, links, fillvalue=b""), first):
        yield Stored(number, line, link)


def _inflated(lines: bytes) -> bytes:
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(lines, MAX_PAGE)
    except zlib.error:
        return b""
    return text if unpack.eof and not unpack.unused_data else b""


def _first_line(lines: object) -> bytes:
    """The same of the first line alone, without what is after it where it is short."""
    if not isinstance(lines, bytes):
        return b""
    try:
        line, end, _ = zlib.decompressobj().decompress(lines, _SHORT).partition(b"\n")
    except zlib.error:
        return b""
    return line if end else _inflated(lines).partition(b"\n")[0]


def paths(folder: Path) -> list[tuple[int, int, Path]]:
    """Writer's number, part and path of each segment of a folder, in order."""
    named = [(NAME.fullmatch(path.name), path) for path in folder.glob("writer-*.db")]
    return sorted((int(found[1]), int(found[2]), path) for found, path in named if found is not None)


def read(path: Path, number: int, part: int, db: sqlite3.Connection) -> Segment:
    """What an open file says of itself; raises ``UnreadableError``."""
    meta = cast("dict[str, str]", dict(db.execute("SELECT name, value FROM meta").fetchall()))
    said = meta.get("format", "")
    if said != str(FORMAT):
        older = said.isdecimal() and int(said) < FORMAT
        how = "the format of an earlier version; choose another `runtime.ledger.path`" if older else _UNKNOWN
        raise UnreadableError(f"`{path.name}` has {how}")
    try:
        return Segment(path, db, meta["writer"], number, part, int(meta["start"]), bytes.fromhex(meta["tie"]))
    except (KeyError, ValueError):
        raise UnreadableError(f"`{path.name}` does not say what it continues") from None
