"""The segments of a ledger's folder in the hands of a writer: made, continued, closed, and let go when they are too old."""

from __future__ import annotations

import fcntl
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Final

from meshplan.schemas.ledger.entry import FORMAT, genesis
from meshplan.schemas.ledger.heads import Head
from meshplan.schemas.ledger.segment import FORMER, SCHEMA, Folded, Segment, UnreadableError, paths, read, row_of

MAX_WRITERS: Final = 64
"""Processes that may write into one folder at a time, each a chain of its own."""
BUSY: Final = 0.5
"""Seconds that a commit waits for somebody else who holds the file."""


def claim(folder: Path) -> tuple[IO[bytes], int]:
    """The first chain of the folder that no running process writes; its lock goes with the process."""
    for number in range(MAX_WRITERS):
        lock = _locked(folder, number)
        if lock is not None:
            return lock, number
    raise OSError(f"{MAX_WRITERS} processes write to it already")


def _locked(folder: Path, number: int) -> IO[bytes] | None:
    lock = (folder / f"writer-{number}.lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def newest(folder: Path, number: int) -> Segment:
    """The segment where a chain is continued, made if there is none; raises ``UnreadableError``."""
    if any(folder.glob(FORMER)):
        raise UnreadableError("it has the format of an earlier version; choose another `runtime.ledger.path`")
    mine = [(part, path) for writer, part, path in paths(folder) if writer == number]
    for part, path in reversed(mine):
        db = _connect(path)
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone() is not None:
            return read(path, number, part, db)
        db.close()  # a crash came between the file and what is in it
        path.unlink()
    writer = secrets.token_hex(8)
    return make(folder, number, 1, writer, 0, genesis(writer), Folded(0, (), 0, 0))


def make(folder: Path, number: int, part: int, writer: str, start: int, tie: bytes, folded: Folded) -> Segment:
    """A new segment that continues after the entry ``start``."""
    path = folder / f"writer-{number}-{part:06d}.db"
    db = _connect(path)
    meta = {"format": str(FORMAT), "writer": writer, "start": str(start), "tie": tie.hex()}
    with db:
        db.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA.split(";\n"):
            db.execute(statement)
        db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        db.execute("INSERT INTO folded VALUES (?, ?, ?, ?)", row_of(folded))
    return read(path, number, part, db)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, BUSY, isolation_level=None, check_same_thread=False, cached_statements=16)
    path.chmod(0o600)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def expired(folder: Path, before: str, mine: int, needed: int) -> Iterator[tuple[Path, Head]]:
    """Segments, oldest first, whose last entry is before a time, and what to sign instead of them.

    Of the chain that is being written, only those that end before the entry ``needed``; of others, those of which no
    running process has the lock.
    """
    for number in sorted({writer for writer, _, _ in paths(folder)}):
        if number == mine:
            yield from _old(folder, number, before, lambda end: end < needed)
            continue
        lock = _locked(folder, number)
        if lock is not None:
            with lock:
                yield from _old(folder, number, before, lambda _: True)


def _old(folder: Path, number: int, before: str, free: Callable[[int], bool]) -> Iterator[tuple[Path, Head]]:
    for path, part in [(path, part) for writer, part, path in paths(folder) if writer == number]:
        with closing(_connect(path)) as db:
            segment = read(path, number, part, db)
            last = next(segment.backwards(), None)
        if last is None:
            return
        entry = last.entry()
        if entry.at >= before or not free(last.seq):
            return
        yield path, Head(segment.writer, entry.epoch, last.seq, last.hash.hex(), entry.at, removed=True)


def remove(path: Path) -> None:
    """Let go of a segment, with what SQLite keeps beside it."""
    path.unlink()
    for beside in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + beside).unlink()
