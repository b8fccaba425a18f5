"""Reads a ledger's folder: its chains, by number, time, id and hour; changes nothing, also while a runtime writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from meshplan.schemas.ledger.entry import COLUMNS, DIMENSIONS, FORMAT, Stored, Value

Row = dict[str, Any]
"""One entry by column, with ``writer`` and ``hash`` (hex)."""

_NAMES: Final = ", ".join(f'"{name}"' for name in COLUMNS)


class UnreadableError(Exception):
    """There is no ledger, or not one that can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The file of one writer, open for reading."""

    name: str
    writer: str
    db: sqlite3.Connection

    def stored(self, first: int = 0) -> Iterator[tuple[Stored, bytes]]:
        """Every entry from a number on, as it is hashed, with the hash beside it."""
        for row in self.db.execute(f"SELECT {_NAMES}, hash FROM entries WHERE seq >= ? ORDER BY seq", (first,)):
            yield row[:-1], row[-1]

    def rows(self, where: str = "", values: tuple[str | int, ...] = ()) -> Iterator[Row]:
        """Entries in their order."""
        for row in self.db.execute(f"SELECT {_NAMES}, hash FROM entries {where} ORDER BY seq", values):
            yield {"writer": self.writer, **dict(zip(COLUMNS, row[:-1], strict=True)), "hash": _hex(row[-1])}

    def span(self) -> tuple[int, int]:
        """The first and the last number; (0, -1) where there is no entry."""
        first, last = self.db.execute("SELECT min(seq), max(seq) FROM entries").fetchone()
        return (0, -1) if first is None else (int(first), int(last))

    def groups(self) -> dict[int, Stored]:
        """The dimensions of each group of the totals; raises ``UnreadableError``."""
        found: dict[int, Stored] = {}
        for number, key in self.db.execute("SELECT id, key FROM groups"):
            try:
                values: list[Value] = json.loads(key)
            except (ValueError, TypeError):
                values = []
            if type(values) is not list or len(values) != len(DIMENSIONS):
                raise UnreadableError(f"group {number} of the totals is not one; run `mesh ledger verify`")
            found[number] = tuple(values)
        return found

    def first_at(self, at: str) -> int:
        """The number of the first entry that is not before a time; times never go back within a chain."""
        low, high = self.span()
        high += 1
        while low < high:
            middle = (low + high) // 2
            row = self.db.execute("SELECT at FROM entries WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,)).fetchone()
            if row is not None and row[0] < at:
                low = middle + 1
            else:
                high = middle
        return low


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


@contextmanager
def open_chains(folder: Path) -> Generator[list[Chain]]:
    """Open every chain of a folder; raises ``UnreadableError``."""
    chains: list[Chain] = []
    try:
        chains.extend(_open(path) for path in sorted(folder.glob("writer-*.db")))
        if not chains:
            raise UnreadableError(f"there is no ledger in `{folder}`")
        yield chains
    except sqlite3.DatabaseError as error:
        raise UnreadableError(f"the ledger in `{folder}` cannot be read: {error}") from None
    finally:
        for chain in chains:
            chain.db.close()


def _open(path: Path) -> Chain:
    if not path.is_file():
        raise UnreadableError(f"`{path}` is not a file")
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    meta = cast("dict[str, str]", dict(db.execute("SELECT name, value FROM meta").fetchall()))
    if meta.get("format") != str(FORMAT) or "writer" not in meta:
        db.close()
        raise UnreadableError(f"`{path.name}` has a format that this version does not know")
    return Chain(path.stem, meta["writer"], db)


def traced(chains: list[Chain], wanted: str) -> list[Row]:
    """All entries of an attempt, a call or a trace, by id, oldest first."""
    found: list[Row] = []
    for chain in chains:
        numbers: set[int] = set()
        for column in ("decision", "call", "trace"):
            sql = f"SELECT seq, intent FROM entries WHERE kind = 'outcome' AND {column} = ?"
            if column == "trace":
                sql += " AND trace IS NOT NULL"
            for seq, intent in chain.db.execute(sql, (wanted,)):
                numbers.update({seq} if intent is None else {seq, intent})
        for number in [row[0] for row in chain.db.execute("SELECT seq FROM open")]:
            row = next(chain.rows("WHERE seq = ?", (number,)), None)
            if row is not None and wanted in (row["decision"], row["call"], row["trace"]):
                numbers.add(number)
        for number in sorted(numbers):
            found += chain.rows("WHERE seq = ?", (number,))
    return sorted(found, key=lambda row: (row["at"], row["writer"], row["seq"]))


def last(chain: Chain, count: int) -> list[Row]:
    """The newest outcomes of a chain, oldest first."""
    with closing(
        chain.db.execute("SELECT seq FROM entries WHERE kind = 'outcome' ORDER BY seq DESC LIMIT ?", (count,))
    ) as cursor:
        numbers = [int(row[0]) for row in cursor]
    return [] if not numbers else list(chain.rows("WHERE seq >= ? AND kind = 'outcome'", (min(numbers),)))
