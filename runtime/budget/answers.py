"""What a caller is told of its budgets: how much is left, in the result's ``_meta`` and in HTTP headers.

The headers are those of draft-ietf-httpapi-ratelimit-headers-10, for budgets that count calls: it has no unit for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from meshplan.runtime.budget.bill import Bill
from meshplan.runtime.budget.port import Standing
from meshplan.runtime.budget.tariff import Item
from meshplan.runtime.call import Result
from meshplan.runtime.shapes import members
from meshplan.schemas.budgets import money
from meshplan.schemas.windows import LENGTHS

META_KEY: Final = "meshplan/budgets"
"""A list of ``{budget, unit, window, limit, remaining, resets}``: money as decimal text, ``resets`` in seconds."""

_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KEY: Final = _encode(META_KEY)


@dataclass(slots=True)
class Limits:
    """How the counters of one call stand; of several of one budget, the one with the least left is told."""

    items: Sequence[Item]
    standings: Sequence[Standing]

    @property
    def headers(self) -> dict[str, str]:
        """``RateLimit-Policy`` and ``RateLimit``, where there is something to say."""
        found = [(item, standing) for item, standing in self._tightest() if item.budget.unit == "calls"]
        if not found:
            return {}
        policies = [f'"{item.name}";q={item.charge.limit};w={LENGTHS[item.budget.window]}' for item, _ in found]
        states = [f'"{item.name}";r={_left(item, standing)};t={standing.resets}' for item, standing in found]
        return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(states)}

    def told(self, result: Result) -> Result:
        """The result with what is left in its ``_meta``; text stays text."""
        said = b"[%b]" % b",".join([_row(item, standing) for item, standing in self._tightest()])
        if isinstance(result, bytes):
            return _spliced(result, said)
        return {**result, "_meta": {**(members(result.get("_meta")) or {}), META_KEY: msgspec.json.decode(said)}}

    def _tightest(self) -> list[tuple[Item, Standing]]:
        if len(self.items) == 1:
            return [(self.items[0], self.standings[0])]
        found: dict[str, tuple[Item, Standing]] = {}
        for item, standing in zip(self.items, self.standings, strict=True):
            before = found.get(item.name)
            if before is None or _left(item, standing) < _left(*before):
                found[item.name] = item, standing
        return list(found.values())


def limits_of(items: Sequence[Item], bill: Bill) -> Limits:
    """How the counters stand when a call is over, as far as this call knows."""
    standings = bill.granted.standings if bill.granted is not None else ()
    if bill.actual is not None:
        standings = [
            standing._replace(used=standing.used + found - charge.amount)
            for standing, found, charge in zip(standings, bill.actual, bill.charges, strict=True)
        ]
    return Limits(items, standings)


def _row(item: Item, standing: Standing) -> bytes:
    left = _left(item, standing)
    if item.budget.unit == "money":
        return b'%b,"remaining":"%b","resets":%d}' % (item.shown, money(left).encode(), standing.resets)
    return b'%b,"remaining":%d,"resets":%d}' % (item.shown, left, standing.resets)


def _left(item: Item, standing: Standing) -> int:
    return max(0, item.charge.limit - standing.used)


def _spliced(text: bytes, said: bytes) -> bytes:
    """Put the member in without reading the rest, unless there may be a ``_meta`` already, however it is escaped."""
    if b"_meta" not in text and b"\\u" not in text and text.startswith(b"{") and text != b"{}":
        return b'{"_meta":{%b:%b},%b' % (_KEY, said, text[1:])
    found = _members.decode(text)
    meta: dict[str, msgspec.Raw] = {}
    if "_meta" in found and bytes(found["_meta"]).startswith(b"{"):
        meta = _members.decode(found["_meta"])
    return _encode({**found, "_meta": {**meta, META_KEY: msgspec.Raw(said)}})
