"""What is kept of every attempt: who tried what, how it was decided and how it ended; never arguments, results or keys."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TextIO

from meshplan.runtime.errors import Outcome


def new_id() -> str:
    """An id that nobody guesses: 16 hex digits."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One JSON-RPC request, as it ended; ``duration`` in seconds, ``at`` is UTC in ISO 8601.

    ``reason`` is the precise code (``not_offered``, ``no_allow``, ``denied_by_rule``, …) that callers do not see,
    ``rule`` the id of the rule that decided, ``drift`` how the capability differs from what was reviewed, ``call`` is shared by the rounds of one call.
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
    call: str = field(default_factory=new_id)
    decision: str = field(default_factory=new_id)


Say = Callable[[str, Mapping[str, Any]], None]
"""Takes one event of the runtime's own life, by name."""

Recorder = Callable[[Attempt], None]
"""Takes one finished attempt; the ledger will be one."""


_MEMBERS = tuple(member.name for member in fields(Attempt))


def log_to(say: Say) -> Recorder:
    """One event an attempt."""

    def record(attempt: Attempt) -> None:
        members = {name: value for name in _MEMBERS if (value := getattr(attempt, name)) is not None}
        members["duration"] = round(attempt.duration, 6)
        say("attempt", members)

    return record


def say_to(stream: TextIO) -> Say:
    """One line of JSON an event."""

    def say(event: str, members: Mapping[str, Any]) -> None:
        stream.write(json.dumps({"event": event, **members}, ensure_ascii=True) + "\n")
        stream.flush()

    return say
