"""One entry of the ledger, and the hash that ties it to the one before."""

from __future__ import annotations

import hashlib
from typing import Final, Literal, NamedTuple

import msgspec

FORMAT: Final = 1
Kind = Literal["opened", "intent", "outcome", "gap", "checkpoint", "spent"]


class Entry(NamedTuple):
    """What is kept of one step of one attempt; columns of the table `entries`, in this order.

    ``at`` is UTC in ISO 8601 with milliseconds and never goes back within a chain. ``decision`` is the attempt's id,
    ``call`` is shared by the rounds of one call, ``trace`` is the trace id of W3C Trace Context. ``teams`` are joined
    by commas. Durations are microseconds, money is billionths of ``currency``. ``inputs`` (what the
    conditions of rules read) and ``detail`` are JSON, and so is ``reserved``: what the entry adds to budgets' counters (see
    ``spent``). An intent's is its reservation, its outcome's the correction; together they are what the call came to.
    """

    kind: Kind
    at: str
    decision: str | None = None
    call: str | None = None
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
    detail: str | None = None


Value = str | int | None
Stored = tuple[Value, ...]
"""The values of one row: ``seq``, ``epoch``, ``intent`` (the number of the intent that an outcome ends), the entry's."""

PLACE: Final = ("seq", "epoch", "intent")
COLUMNS: Final = (*PLACE, *Entry._fields)
_encode = msgspec.json.Encoder().encode


def genesis(writer: str) -> bytes:
    """What the first entry of a chain is tied to."""
    return hashlib.sha256(b"meshplan ledger %d %s" % (FORMAT, writer.encode())).digest()


def link(previous: bytes, row: Stored) -> bytes:
    """SHA-256 of the hash before and the row's values as compact JSON; the one definition of the chain."""
    return hashlib.sha256(previous + _encode(row)).digest()


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

SCHEMA: Final = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, intent INTEGER, {", ".join(f'"{name}"' for name in Entry._fields)},
  hash BLOB NOT NULL
);
CREATE INDEX by_decision ON entries(decision) WHERE kind = 'outcome';
CREATE INDEX by_call ON entries(call) WHERE kind = 'outcome';
CREATE INDEX by_trace ON entries(trace) WHERE kind = 'outcome' AND trace IS NOT NULL;
CREATE TABLE open (seq INTEGER PRIMARY KEY);
CREATE TABLE groups (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE totals (
  hour TEXT, "group" INTEGER, calls INTEGER NOT NULL, {", ".join(f"{name} INTEGER NOT NULL" for name in SUMS)},
  PRIMARY KEY (hour, "group")
) WITHOUT ROWID;
"""
"""``open`` are intents without an outcome, ``totals`` the outcomes by hour and dimensions (``groups.key``: a JSON array)."""


class Totals:
    """Outcomes of a stretch of the chain, added up by (hour, dimensions)."""

    _AT = Entry._fields.index("at")
    _OF = tuple(Entry._fields.index(name) for name in DIMENSIONS)
    _SUMMED = tuple(Entry._fields.index(name) for name in SUMS)

    def __init__(self) -> None:
        self.by: dict[tuple[str, Stored], list[int]] = {}

    def add(self, values: Stored) -> None:
        """Count the values of one outcome, in the order of ``Entry``."""
        key = str(values[self._AT])[:13], tuple([values[at] for at in self._OF])
        found = self.by.get(key)
        if found is None:
            found = self.by[key] = [0] * (1 + len(SUMS))
        found[0] += 1
        for place, at in enumerate(self._SUMMED, 1):
            value = values[at]
            if isinstance(value, int):
                found[place] += value
