"""What is folded from outcomes, some time after they were written: by which ids they are found, and their totals."""

from __future__ import annotations

import sqlite3
from typing import Final

from meshplan.schemas.ledger.entry import DAY, ID_LENGTH, MEASURES, Entry, Group, Totals, encode
from meshplan.schemas.ledger.segment import Folded, row_of

_REMEMBERED: Final = 50_000
_ADDED: Final = "ON CONFLICT DO UPDATE SET " + ", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURES)
_ADD: Final = f"INSERT INTO hours VALUES ({','.join('?' * (2 + len(MEASURES)))}) {_ADDED}"
_CLOSE: Final = (
    f'INSERT INTO days SELECT substr(begins, 1, {DAY}), "group", {", ".join(MEASURES)} FROM hours '
    f"WHERE begins >= ? AND begins < ? {_ADDED}"
)


class Folds:
    """Collects outcomes of one segment in memory, and writes what comes of them into it."""

    def __init__(self) -> None:
        self._totals = Totals()
        self._ids: set[tuple[str, int]] = set()
        self._groups: dict[Group, int] = {}
        self.outcomes = 0

    def add(self, outcome: Entry) -> None:
        """Count an outcome that is in the segment."""
        self.outcomes += 1
        self._totals.add(outcome)
        seq = outcome.seq
        for one in outcome.ids():
            if one is not None:
                self._ids.add((one[:ID_LENGTH], seq))

    def write(self, db: sqlite3.Connection, folded: Folded) -> None:
        """Fold everything up to an entry, all or nothing; raises ``sqlite3.Error``."""
        with db:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", sorted(self._ids))
            rows = [(hour, self._group(db, group), *sums) for (hour, group), sums in self._totals.by.items()]
            newest = db.execute("SELECT max(begins) FROM hours").fetchone()[0] or ""
            db.executemany(_ADD, rows)
            db.execute(_CLOSE, (newest, max((row[0] for row in rows), default="")))
            db.execute("DELETE FROM folded")
            db.execute("INSERT INTO folded VALUES (?, ?, ?, ?)", row_of(folded))
        self._totals, self.outcomes = Totals(), 0
        self._ids.clear()

    def _group(self, db: sqlite3.Connection, values: Group) -> int:
        found = self._groups.get(values)
        if found is not None:
            return found
        key = encode(values).decode()
        db.execute("INSERT OR IGNORE INTO groups (key) VALUES (?)", (key,))
        found = int(db.execute("SELECT id FROM groups WHERE key = ?", (key,)).fetchone()[0])
        if len(self._groups) >= _REMEMBERED:
            self._groups.clear()
        self._groups[values] = found
        return found
