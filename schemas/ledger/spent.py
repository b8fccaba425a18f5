"""What calls have spent of budgets, as a ledger tells it: the sum of what its entries add to counters."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from meshplan.schemas import windows
from meshplan.schemas.budgets import Counter, counter_of
from meshplan.schemas.ledger.book import Chain
from meshplan.schemas.ledger.segment import UnreadableError

Addition = tuple[str, int, int]
"""A counter (``budgets.Counter.text``), the start of the bucket, and what is added to it (less, if negative)."""

Sums = dict[str, dict[int, int]]
"""By counter and the start of the bucket."""

KEPT: Final = {"minute": 120, "hour": 7200, "day": 2 * 86_400, "month": 32 * 86_400}
"""Seconds after the start of a bucket when it counts no more for sure."""

_LONGEST: Final = KEPT["month"]
_decode = msgspec.json.Decoder(list[Addition]).decode
_encode = msgspec.json.Encoder().encode


class SpentError(ValueError):
    """An entry does not say what it adds in the way that it should."""


def additions_text(additions: Iterable[Addition]) -> str | None:
    """What an entry adds, as it is kept; ``None`` for nothing."""
    found = list(additions)
    return _encode(found).decode() if found else None


def add(sums: Sums, text: str) -> None:
    """Add what one entry, or a checkpoint, says; raises ``SpentError``."""
    try:
        found = _decode(text)
    except (ValueError, msgspec.DecodeError):
        raise SpentError(f"`{text[:80]}` does not say what is added to budgets") from None
    for counter, bucket, amount in found:
        buckets = sums.setdefault(counter, {})
        buckets[bucket] = buckets.get(bucket, 0) + amount


def kept(name: str) -> int:
    """Seconds after the start of a bucket of a counter when it counts no more for sure."""
    counter = counter_of(name)
    return _LONGEST if counter is None else KEPT[counter.window]


def forget(sums: Sums, now: float) -> None:
    """Leave out what counts no more; ``now`` in seconds since the epoch."""
    for name, buckets in list(sums.items()):
        longest = kept(name)
        for bucket in [bucket for bucket, amount in buckets.items() if bucket + longest < now or not amount]:
            del buckets[bucket]
        if not buckets:
            del sums[name]


def counting(sums: Sums, now: float) -> dict[Counter, int]:
    """What each counter has come to, of what counts now; raises ``ZoneInfoNotFoundError``."""
    found: dict[Counter, int] = {}
    for name, buckets in sums.items():
        counter = counter_of(name)
        if counter is not None:
            first = windows.oldest(counter.window, windows.bucket(counter.window, counter.zone, int(now)))
            found[counter] = sum(amount for start, amount in buckets.items() if start >= first)
    return {counter: amount for counter, amount in found.items() if amount}


def whole(sums: Sums) -> str:
    """All sums in one text: a checkpoint, from which a later reader goes on."""
    found = [(name, bucket, amount) for name, buckets in sorted(sums.items()) for bucket, amount in buckets.items()]
    return _encode(found).decode()


def spent(chain: Chain) -> tuple[Sums, int]:
    """What one chain has come to, and the number of its newest checkpoint (0: none); raises ``UnreadableError``."""
    sums: Sums = {}
    folded = chain.segments[-1].folded()
    checkpoint = folded.checkpoint
    try:
        if folded.checkpoint:
            add(sums, _detail(chain, folded.checkpoint))
        for stored in chain.stored(max(folded.checkpoint, folded.unspent) + 1):
            entry = stored.entry()
            if entry.kind == "spent":
                checkpoint = entry.seq
                sums.clear()
                add(sums, entry.detail or "")
            elif entry.reserved is not None:
                add(sums, entry.reserved)
    except SpentError as error:
        raise UnreadableError(f"{chain.name}: {error}; run `mesh ledger verify`") from None
    return sums, checkpoint


def _detail(chain: Chain, checkpoint: int) -> str:
    stored = chain.at(checkpoint)
    entry = None if stored is None else stored.entry()
    if entry is None or entry.kind != "spent":
        raise UnreadableError(f"{chain.name}: entry {checkpoint} is not a checkpoint; run `mesh ledger verify`")
    return entry.detail or ""


def by_chain(chains: Iterable[Chain], now: datetime) -> dict[str, Sums]:
    """What each chain of a ledger has come to, by writer, of what counts now; raises ``UnreadableError``."""
    found = {chain.writer: spent(chain)[0] for chain in chains}
    for sums in found.values():
        forget(sums, now.timestamp())
    return found


def together(several: Iterable[Sums]) -> Sums:
    """All of them added up."""
    total: Sums = {}
    for sums in several:
        for name, buckets in sums.items():
            into = total.setdefault(name, {})
            for bucket, amount in buckets.items():
                into[bucket] = into.get(bucket, 0) + amount
    return total
