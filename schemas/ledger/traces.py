"""What belongs together: the entries of an attempt, a call or a trace, with the calls that made it and that it made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from meshplan.schemas.ledger.book import Chain, Row

MAX_ENTRIES: Final = 10_000
"""Entries of one trace that are looked for."""


def traced(chains: list[Chain], wanted: str) -> list[Row]:
    """All entries under an id (decision, call or trace), and those of the calls around them, oldest first.

    Looks at no more than ``MAX_ENTRIES`` of them.
    """
    found: dict[tuple[str, int], Row] = {}
    looked: set[str] = set()
    pending: list[str] = [wanted]
    while pending and len(found) < MAX_ENTRIES:
        ids = {one for one in pending if one not in looked}
        looked |= ids
        pending = []
        for row in _rows(chains, ids):
            if len(found) >= MAX_ENTRIES:
                break
            found.setdefault((row["writer"], row["seq"]), row)
            pending += [row[name] for name in ("call", "decision", "parent") if row[name] is not None]
    return sorted(found.values(), key=lambda row: (row["at"], row["writer"], row["seq"]))


def _rows(chains: list[Chain], ids: set[str]) -> Iterator[Row]:
    for chain in chains if ids else ():
        for number in sorted(_numbers(chain, ids)):
            stored = chain.at(number)
            if stored is None:
                continue
            entry = stored.entry()
            if not ids.isdisjoint(entry.ids()):
                yield chain.row(stored)
                intent = None if entry.intent is None else chain.at(entry.intent)
                if intent is not None:
                    yield chain.row(intent)


def _numbers(chain: Chain, ids: set[str]) -> set[int]:
    found: set[int] = set()
    for segment in chain.segments:
        for wanted in ids:
            found.update(segment.numbers(wanted, MAX_ENTRIES))
    newest = chain.segments[-1].folded().through
    texts = [one.encode() for one in ids]
    found.update(
        stored.seq for stored in chain.segments[-1].stored(newest + 1) if any(text in stored.line for text in texts)
    )
    return found
