"""Ids that nobody guesses, also after a fork, and the lines of the log."""

import asyncio
import io
import json
import os

import pytest

from meshplan.runtime import record
from meshplan.runtime.record import Attempt, Lines, new_id


def test_ids_are_sixteen_hex_digits_and_never_the_same():
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)


def test_a_forked_process_has_ids_of_its_own():
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, ",".join(new_id() for _ in range(300)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = set(os.read(reading, 1 << 16).decode().split(","))
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 300
    assert not theirs & {new_id() for _ in range(300)}


def attempt(**more):
    return Attempt("2026-11-22T00:00:00.000+00:00", "sha256:x", "dev", "key:a", "tools/call", "ok", 0.123457, **more)


async def test_attempts_wait_for_each_other_and_anything_else_is_written_at_once():
    stream = io.StringIO()
    lines = Lines(stream)
    write = lines.attempt
    write(attempt(call="c", decision="d"))
    assert stream.getvalue() == ""
    lines("reloaded", {"plan": "p"})
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "event": "attempt",
        "at": "2026-11-22T00:00:00.000+00:00",
        "plan": "sha256:x",
        "endpoint": "dev",
        "principal": "key:a",
        "method": "tools/call",
        "outcome": "ok",
        "duration": 0.123457,
        "call": "c",
        "decision": "d",
    }
    assert second == {"event": "reloaded", "plan": "p"}


class Heard(io.StringIO):
    """A stream that says when something is written."""

    def __init__(self):
        super().__init__()
        self.written = asyncio.Event()

    def write(self, text):
        self.written.set()
        return super().write(text)


async def test_attempts_do_not_wait_long_nor_in_any_number(monkeypatch):
    monkeypatch.setattr(record, "FLUSH_SECONDS", 0.001)
    stream = Heard()
    write = Lines(stream).attempt
    write(attempt())
    async with asyncio.timeout(20):
        await stream.written.wait()
    monkeypatch.setattr(record, "FLUSH_SECONDS", 60)
    for _ in range(record.FLUSH_EVENTS):
        write(attempt())
    assert stream.getvalue().count("\n") == 1 + record.FLUSH_EVENTS


@pytest.mark.parametrize("name", ["größe", "\ud800", "\N{PARTY POPPER}"])
def test_lines_are_ascii_whatever_a_caller_calls_itself(name):
    stream = io.StringIO()
    lines = Lines(stream)
    lines("a", {"name": name})
    text = stream.getvalue()
    assert text.isascii()
    assert json.loads(text)["name"] == name
