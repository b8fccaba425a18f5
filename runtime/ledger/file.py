"""A ledger's file in the hands of its one writer: appends batches to the chain and keeps the totals in step."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import IO

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from meshplan.runtime.ledger.tally import Tally
from meshplan.schemas.ledger.book import Chain, UnreadableError
from meshplan.schemas.ledger.entry import COLUMNS, FORMAT, SCHEMA, SUMS, Entry, Stored, Totals, genesis, link
from meshplan.schemas.ledger.heads import HEADS, PRIVATE_KEY, PUBLIC_KEY, Head

MAX_WRITERS = 64
"""Processes that may write into one folder at a time, each a chain of its own."""
BUSY = 0.5
"""Seconds that a commit waits for somebody else who holds the file."""
_REMEMBERED = 50_000
_INSERT = f"INSERT INTO entries VALUES ({','.join('?' * (len(COLUMNS) + 1))})"
_ADD = (
    f"INSERT INTO totals VALUES ({','.join('?' * (3 + len(SUMS)))}) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in SUMS)
)
_encode = msgspec.json.Encoder().encode


class LedgerError(Exception):
    """The ledger cannot be opened; the text says why."""


class LedgerFile:
    """The newest end of one chain; all methods belong to one thread, and raise ``sqlite3.Error`` and ``OSError``."""

    def __init__(self, folder: Path, now: Callable[[], str]) -> None:
        self._now = now
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with ExitStack() as undo:
                self._lock, path = _free(folder)
                undo.callback(self._lock.close)
                self._key = _key(folder)
                self._heads = os.open(folder / HEADS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                undo.callback(os.close, self._heads)
                self._db = undo.enter_context(closing(_connect(path)))
                self._resume()
                undo.pop_all()
        except (OSError, sqlite3.Error, ValueError, UnreadableError) as error:
            raise LedgerError(f"the ledger `{folder}` cannot be opened: {error}") from None

    def _resume(self) -> None:
        rows = self._db.execute("SELECT name, value FROM meta")
        meta: dict[str, str] = dict(rows.fetchall())
        if meta.get("format") != str(FORMAT):
            raise LedgerError("the ledger has a format that this version does not know")
        self.writer = meta["writer"]
        last = self._db.execute("SELECT seq, epoch, at, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        self._seq, self._epoch, self._at, self._hash = last or (0, 0, "", genesis(self.writer))
        self._open: dict[str, int] = {}
        self._groups: dict[Stored, int] = {}
        self._headed = 0
        self._epoch += 1
        self._tally = Tally(Chain("", self.writer, self._db))
        left = [
            (int(row[0]), Entry(*row[1:]))
            for row in self._db.execute(
                f"SELECT seq, {', '.join(COLUMNS[3:])} FROM entries WHERE seq IN (SELECT seq FROM open) ORDER BY seq"
            )
        ]
        now = self._now()
        for seq, entry in left:
            self._open[str(entry.decision)] = seq
        ended = [
            entry._replace(kind="outcome", at=now, outcome="unknown", reason="interrupted", reserved=None)
            for _, entry in left
        ]
        self.append([Entry("opened", now, detail=_encode({"ledger": FORMAT, "unknown": len(left)}).decode()), *ended])

    def append(self, entries: Sequence[Entry]) -> None:
        """Commit entries to the disk, in this order, all or none."""
        seq, at, previous = self._seq, self._at, self._hash
        rows: list[tuple[str | int | bytes | None, ...]] = []
        opened: dict[str, int] = {}
        closed: list[int] = []
        totals = Totals()
        for given in entries:
            seq += 1
            entry = given if given.at >= at else given._replace(at=at)
            at = entry.at
            intent = None
            if entry.kind == "intent":
                opened[str(entry.decision)] = seq
            elif entry.kind == "outcome":
                totals.add(entry)
                intent = opened.pop(str(entry.decision), None)
                if intent is None and (intent := self._open.get(str(entry.decision))) is not None:
                    closed.append(intent)
            row: Stored = (seq, self._epoch, intent, *entry)
            previous = link(previous, row)
            rows.append((*row, previous))
        if not rows:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_INSERT, rows)
            self._db.executemany("DELETE FROM open WHERE seq = ?", [(number,) for number in closed])
            self._db.executemany("INSERT INTO open VALUES (?)", [(number,) for number in opened.values()])
            self._add(totals)
        self._seq, self._at, self._hash = seq, at, previous
        ended = set(closed)
        if ended:
            self._open = {name: number for name, number in self._open.items() if number not in ended}
        self._open.update(opened)
        self._tally.add(entries)
        if self._tally.due:
            self.sum_up()

    def sum_up(self) -> None:
        """Append what was spent so far as a checkpoint, from which the next start goes on; not now is no harm."""
        found = self._tally.checkpoint(self._now())
        if found is not None:
            with suppress(sqlite3.Error):
                self.append([found])
                self._db.execute("INSERT OR REPLACE INTO meta VALUES ('spent', ?)", (str(self._seq),))

    def _add(self, totals: Totals) -> None:
        rows: list[tuple[str | int, ...]] = []
        for (hour, values), sums in totals.by.items():
            group = self._groups.get(values)
            if group is None:
                key = _encode(values).decode()
                self._db.execute("INSERT OR IGNORE INTO groups (key) VALUES (?)", (key,))
                group = int(self._db.execute("SELECT id FROM groups WHERE key = ?", (key,)).fetchone()[0])
                if len(self._groups) >= _REMEMBERED:
                    self._groups.clear()
                self._groups[values] = group
            rows.append((hour, group, *sums))
        self._db.executemany(_ADD, rows)

    def head(self) -> dict[str, str | int] | None:
        """Sign where the chain stands and export it, if it has grown since."""
        if self._seq == self._headed:
            return None
        signed = Head(self.writer, self._epoch, self._seq, self._hash.hex(), self._now()).signed(self._key)
        os.write(self._heads, _encode(signed) + b"\n")
        os.fsync(self._heads)
        self._headed = self._seq
        return signed

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()
        os.close(self._heads)
        self._lock.close()


def _free(folder: Path) -> tuple[IO[bytes], Path]:
    """The first chain of the folder that no running process writes; its lock goes with the process."""
    for number in range(MAX_WRITERS):
        lock = (folder / f"writer-{number}.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return lock, folder / f"writer-{number}.db"
    raise OSError(f"{MAX_WRITERS} processes write to it already")


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, BUSY, isolation_level=None, check_same_thread=False, cached_statements=16)
    path.chmod(0o600)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        known = f"INSERT INTO meta VALUES ('format', '{FORMAT}'), ('writer', '{secrets.token_hex(8)}');"
        db.executescript(f"BEGIN; {SCHEMA} {known} COMMIT;")
    return db


def _key(folder: Path) -> Ed25519PrivateKey:
    """The key that heads are signed with, made once; its public half lies beside it."""
    path, fresh = folder / PRIVATE_KEY, folder / f".{secrets.token_hex(8)}.key"
    made = Ed25519PrivateKey.generate()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"`{path.name}` is not an Ed25519 key")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if not (folder / PUBLIC_KEY).exists():
        (folder / PUBLIC_KEY).write_bytes(public)
    return key
