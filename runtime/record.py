"""What is kept of every attempt: who tried what, how it was decided and how it ended; never arguments, results or keys."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TextIO

import msgspec

from meshplan.runtime.errors import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    Outcome,
    RefusedError,
    RpcError,
)
from meshplan.runtime.protocol import MISSING_REQUIRED_CLIENT_CAPABILITY, UNSUPPORTED_PROTOCOL_VERSION
from meshplan.runtime.shapes import members, text

_REASONS: Mapping[int, str] = {
    PARSE_ERROR: "not_json",
    INVALID_REQUEST: "invalid_request",
    METHOD_NOT_FOUND: "method_not_found",
    INVALID_PARAMS: "invalid_params",
    HEADER_MISMATCH: "header_mismatch",
    MISSING_REQUIRED_CLIENT_CAPABILITY: "missing_client_capability",
    UNSUPPORTED_PROTOCOL_VERSION: "unsupported_version",
}
"""The reason of an error that names none of its own."""


_ID_DIGITS, _AT_ONCE = 16, 256
_ids: list[str] = []


def new_id() -> str:
    """An id that nobody guesses: 16 hex digits of the system's randomness, which is asked for many ids at a time."""
    if not _ids:
        _draw()
    return _ids.pop()


def _draw() -> None:
    digits = os.urandom(_AT_ONCE * _ID_DIGITS // 2).hex()
    _ids.extend(digits[at : at + _ID_DIGITS] for at in range(0, len(digits), _ID_DIGITS))


# A worker must not go on with the ids of the process that it was forked from.
os.register_at_fork(after_in_child=_ids.clear)


def ordered_id() -> str:
    """As ``new_id``, after 12 hex digits of the time in milliseconds: what is kept by it is kept in its order."""
    if not _ids:
        _draw()
    return f"{time.time_ns() // 1_000_000:012x}{_ids.pop()}"


# As all that is made for each call, a struct: a dataclass takes several times as long to make.
class Attempt(msgspec.Struct, omit_defaults=True, tag_field="event", tag="attempt"):
    """One JSON-RPC request, as it ended; ``duration`` in seconds, ``at`` is UTC in ISO 8601.

    ``reason`` is the precise code (``not_offered``, ``no_allow``, ``denied_by_rule``, …) that callers do not see,
    ``rule`` the id of the rule that decided, ``drift`` how the capability differs from what was reviewed, ``call`` is shared by the rounds of one call.
    ``parent`` is the ``decision`` of the attempt that made this one, where a strategy did; ``trace`` the trace id of W3C
    Trace Context, ``budget`` the name of the budget that had no room.
    """

    at: str
    plan: str | None
    endpoint: str
    principal: str | None
    method: str
    outcome: Outcome
    duration: float
    capability: str | None = None
    reason: str | None = None
    rule: str | None = None
    drift: str | None = None
    call: str = msgspec.field(default_factory=ordered_id)
    decision: str = msgspec.field(default_factory=ordered_id)
    parent: str | None = None
    trace: str | None = None
    budget: str | None = None


def reason_of(error: RpcError) -> str:
    """Why the mesh itself refused, as it is recorded: the precise code, also where the caller sees a vaguer one."""
    if isinstance(error, RefusedError):
        return error.why
    told = text((members(error.data) or {}).get("reason"))
    return told or _REASONS.get(error.code, "refused")


Say = Callable[[str, Mapping[str, Any]], None]
"""Takes one event of the runtime's own life, by name."""

Recorder = Callable[[Attempt], None]
"""Takes one finished attempt."""


FLUSH_SECONDS, FLUSH_EVENTS = 0.05, 256
"""Attempts wait so long, or until they are so many, to be written together."""
_encoder = msgspec.json.Encoder()


class Lines:
    """One line of JSON an event, on a stream; attempts in batches, anything else at once and in its place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[dict[str, Any] | Attempt] = []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, event: str, members: Mapping[str, Any]) -> None:
        """See ``Say``."""
        self._waiting.append({"event": event, **members})
        self.flush()

    def attempt(self, attempt: Attempt) -> None:
        """See ``Recorder``."""
        self._waiting.append(attempt)
        if len(self._waiting) >= FLUSH_EVENTS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events, self._waiting = self._waiting, []
        if events:
            self._stream.write(_lines(events))
            self._stream.flush()


def _lines(events: list[dict[str, Any] | Attempt]) -> str:
    """In ASCII, as terminals are among the readers."""
    try:
        text = _encoder.encode_lines(events)
    except (ValueError, TypeError):
        text = b""
    if text and text.isascii():
        return text.decode("ascii")
    return "".join(json.dumps(msgspec.to_builtins(event), ensure_ascii=True) + "\n" for event in events)


@asynccontextmanager
async def say_to(stream: TextIO) -> AsyncGenerator[Lines]:
    """Takes events, and writes each at the latest when the context ends."""
    lines = Lines(stream)
    try:
        yield lines
    finally:
        lines.flush()
