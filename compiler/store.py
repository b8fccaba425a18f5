"""Publishing to a directory store: objects first, then the log, then one pointer flipped atomically."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meshplan.compiler.files import sync_folder, write_atomically
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle, PlanRefusedError, verify
from meshplan.schemas.store import Pointer, log_path, object_path, pointer_path, read_pointer


class StaleError(Exception):
    """The channel is not where the caller expected it to be; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Published:
    """The channel's pointer after publishing, and whether it moved."""

    pointer: Pointer
    changed: bool


def current(store: Path, channel: str) -> Pointer | None:
    """What a channel points at; raises ``PlanRefusedError`` for a damaged pointer."""
    try:
        return read_pointer((store / pointer_path(channel)).read_bytes())
    except FileNotFoundError:
        return None


def published(store: Path, digest: str) -> Bundle | None:
    """The plan with a digest that any channel of a store ever pointed at; raises ``PlanRefusedError`` for a damaged one."""
    for log in sorted((store / "channels").glob("*.log.jsonl")):
        for line in log.read_bytes().splitlines():
            if digest.encode() in line and (pointer := read_pointer(line)).plan == digest:
                return bundle_at(store, pointer)
    return None


def bundle_at(store: Path, pointer: Pointer) -> Bundle:
    """The plan that a pointer names, with its source map; raises ``PlanRefusedError``."""
    places = _object(store, pointer.source_map)
    if jsontext.digest(places) != pointer.source_map:
        raise PlanRefusedError("digest", "the source map's bytes do not match its digest")
    found: dict[str, list[str | int]] = jsontext.parse(places)
    return verify(pointer.plan, _object(store, pointer.plan), lambda wanted: _object(store, wanted), found)


def _object(store: Path, digest: str) -> str:
    try:
        return (store / object_path(digest)).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise PlanRefusedError("incomplete", f"the store has no `{digest}`") from None


def publish(store: Path, bundle: Bundle, *, channel: str, expect_seq: int | None = None) -> Published:
    """Make ``bundle`` the channel's current plan; the same plan again changes nothing.

    ``expect_seq`` (0: nothing published yet) makes it a compare-and-swap: raises ``StaleError`` when the channel moved.
    """
    ir, source_map = bundle.text(), jsontext.whole(bundle.source_map).decode()
    for text in (ir, source_map, *bundle.definitions.values()):
        _put(store, text)
    with _exclusive(store, channel):
        before = current(store, channel)
        seq = before.seq if before else 0
        if expect_seq is not None and expect_seq != seq:
            raise StaleError(f"channel `{channel}` is at sequence {seq}, not {expect_seq}")
        source = jsontext.digest(source_map)
        if before is not None and (before.plan, before.source_map) == (bundle.digest, source):
            return Published(before, changed=False)
        pointer = Pointer(
            v=1,
            channel=channel,
            seq=seq + 1,
            plan=bundle.digest,
            source_map=source,
            previous=before.plan if before else None,
        )
        record = pointer.model_dump_json()
        _append(store / log_path(channel), record)
        write_atomically(store / pointer_path(channel), (record + "\n").encode(), durable=True)
        return Published(pointer, changed=True)


def _put(store: Path, text: str) -> None:
    """Write one immutable object; one that is there and whole is left alone."""
    content = text.encode()
    path = store / object_path(jsontext.digest(content))
    try:
        if path.read_bytes() == content:
            return
    except FileNotFoundError:
        pass
    write_atomically(path, content, durable=True)


def _append(path: Path, line: str) -> None:
    with path.open("ab") as log:
        log.write(line.encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())


@contextmanager
def _exclusive(store: Path, channel: str) -> Generator[None]:
    """One publisher at a time on a channel."""
    path = store / (pointer_path(channel) + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            sync_folder(path.parent)
