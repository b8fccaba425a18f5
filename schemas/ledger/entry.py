"""One entry of the ledger, and the hash that ties it to the one before."""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Final, Literal, cast

import msgspec

FORMAT: Final = 3
Kind = Literal["opened", "intent", "outcome", "gap", "spent"]


class Entry(msgspec.Struct, omit_defaults=True, gc=False):
    """What is kept of one step of one attempt; the members of its JSON, in this order, without those that are null.

    ``at`` is UTC in ISO 8601 with milliseconds and never goes back within a chain. ``seq``, ``epoch`` and ``intent``
    (the number of the intent that an outcome ends) are the writer's. ``decision`` is the attempt's id, ``call`` is
    shared by the rounds of one call, ``parent`` is the decision of the attempt that made this one, ``trace`` the trace id
    of W3C Trace Context. ``teams`` are joined by commas. Durations are microseconds, money is billionths of
    ``currency``. ``inputs`` (what the conditions of rules read), ``arguments``, ``results`` and ``detail`` are JSON, and
    so is ``reserved``: what the entry adds to budgets' counters (see ``spent``). An intent's is its reservation, its
    outcome's the correction; together they are what the call came to.
    """

    kind: Kind
    at: str
    seq: int = 0
    epoch: int = 0
    intent: int | None = None
    decision: str | None = None
    call: str | None = None
    parent: str | None = None
    trace: str | None = None
    plan: str | None = None
    endpoint: str | None = None
    principal: str | None = None
    user: str | None = None
    teams: str | None = None
    agent: str | None = None
    application: str | None = None
    method: str | None = None
    era: str | None = None
    capability: str | None = None
    upstream: str | None = None
    rule: str | None = None
    outcome: str | None = None
    reason: str | None = None
    drift: str | None = None
    queue_us: int | None = None
    upstream_us: int | None = None
    total_us: int | None = None
    sent_bytes: int | None = None
    received_bytes: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nano: int | None = None
    currency: str | None = None
    reserved: str | None = None
    inputs: str | None = None
    arguments: str | None = None
    results: str | None = None
    detail: str | None = None

    def ids(self) -> tuple[str | None, str | None, str | None, str | None]:
        """What it can be looked up by."""
        return self.decision, self.call, self.parent, self.trace


Value = str | int | None

COLUMNS: Final = Entry.__struct_fields__
encode: Final = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class NotAnEntryError(ValueError):
    """A line that is not an entry."""


def decode(line: bytes) -> Entry:
    """The entry of a line; raises ``NotAnEntryError``."""
    try:
        return _decode(line)
    except ValueError as error:
        raise NotAnEntryError(str(error)) from None


def genesis(writer: str) -> bytes:
    """What the first entry of a chain is tied to."""
    return hashlib.sha256(b"meshplan ledger %d %s" % (FORMAT, writer.encode())).digest()


def link(previous: bytes, line: bytes) -> bytes:
    """SHA-256 of the hash before and the entry's line; the one definition of the chain."""
    return hashlib.sha256(previous + line).digest()


HASH_BYTES: Final = 32
ID_LENGTH: Final = 32
"""Characters of an id that are looked up, which is all of those that are made here, and of a trace's."""

DIMENSIONS: Final = (
    "plan",
    "endpoint",
    "principal",
    "user",
    "teams",
    "agent",
    "application",
    "method",
    "era",
    "capability",
    "upstream",
    "rule",
    "outcome",
    "currency",
)
"""What usage can be asked by, besides time."""

SUMS: Final = (
    "input_tokens",
    "output_tokens",
    "cost_nano",
    "sent_bytes",
    "received_bytes",
    "upstream_us",
    "total_us",
)

MEASURES: Final = ("calls", *SUMS)
"""What totals say, in this order."""

Group = tuple[Value, ...]
"""The values of ``DIMENSIONS``."""

_group_of = attrgetter(*DIMENSIONS)
_summed = attrgetter(*SUMS)
HOUR: Final = 13
"""Characters of a time that name its hour."""
DAY: Final = 10
"""Characters of a time that name its day."""


class Totals:
    """Outcomes of a stretch of the chain, added up by (hour, dimensions): how many, and ``SUMS``."""

    def __init__(self) -> None:
        self.by: dict[tuple[str, Group], list[int]] = {}

    def add(self, entry: Entry) -> None:
        """Count one outcome."""
        key = entry.at[:HOUR], cast("Group", _group_of(entry))
        found = self.by.get(key)
        if found is None:
            found = self.by[key] = [0] * len(MEASURES)
        found[0] += 1
        for place, value in enumerate(cast("tuple[int | None, ...]", _summed(entry)), 1):
            if value:
                found[place] += value

    def days(self) -> dict[tuple[str, Group], list[int]]:
        """The same by (day, dimensions), without the newest hour."""
        newest = max((hour for hour, _ in self.by), default="")
        found: dict[tuple[str, Group], list[int]] = {}
        for (hour, group), sums in self.by.items():
            if hour < newest:
                key = hour[:DAY], group
                found[key] = [one + more for one, more in zip(found.get(key, [0] * len(sums)), sums, strict=True)]
        return found
