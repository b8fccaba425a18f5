"""The sandbox's process to the runtime: what it is told to run, and what it says, over standard input and output."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from meshplan.runtime.strategies.code.frames import Unframed, framed

Kind = Literal["error", "syntax", "wall", "memory", "output", "logs", "calls", "stopped", "crashed"]
"""Why a program did not end well; the first two are the program's own."""


@dataclass(slots=True)
class Order:
    """One program and its bounds: seconds of the monotonic clock, bytes, and how many calls."""

    code: str
    names: frozenset[str]
    deadline: float
    wall: float
    memory: int
    calls: int
    output: int
    logs: int


def order_of(message: Mapping[str, Any]) -> Order:
    """A program to run, whose time begins now."""
    wall = message["wall"] / 1000
    return Order(
        code=message["run"],
        names=frozenset(message["names"]),
        deadline=time.monotonic() + wall,
        wall=wall,
        memory=message["memory"],
        calls=message["calls"],
        output=message["output"],
        logs=message["logs"],
    )


@dataclass(slots=True)
class Wire:
    """The two pipes to the parent."""

    held: Unframed = field(default_factory=Unframed)

    def send(self, text: bytes) -> None:
        """Write one text, all of it."""
        left = memoryview(framed(text))
        while left:
            left = left[os.write(1, left) :]

    def receive(self, until: float | None) -> dict[str, Any] | None:
        """The next message, or ``None`` when the time is over; raises ``EOFError`` when the parent is gone."""
        while (text := self.held.next()) is None:
            if not _readable(until):
                return None
            chunk = os.read(0, 1 << 16)
            if not chunk:
                raise EOFError
            self.held.feed(chunk)
        return json.loads(text)


def _readable(until: float | None) -> bool:
    wait = None if until is None else max(0.0, until - time.monotonic())
    return bool(select.select([0], [], [], wait)[0])


Failure = tuple[Kind, str, int | None]
"""What went wrong, in words, and the line of the program."""


def end_text(value: str | None, failure: Failure | None, logs: list[str]) -> bytes:
    """How a program ended: the JSON of its value, or why it has none."""
    told = None if failure is None else {"kind": failure[0], "message": failure[1], "line": failure[2]}
    rest = json.dumps({"error": told, "logs": "".join(logs)}, ensure_ascii=False)
    return f'{{"say":"end","value":{value or "null"},{rest[1:]}'.encode()
