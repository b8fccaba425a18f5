"""What the entries of one chain have spent, kept in step with it, and when that is worth a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from meshplan.schemas.ledger.book import Chain
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.spent import add, forget, spent, whole

EVERY: Final = 10_000
"""Entries after which a checkpoint is due, so that a start reads no more than these."""


class Tally:
    """Sums by counter and bucket; belongs to the writer's thread. ``checkpoint`` is the newest one's number (0: none)."""

    def __init__(self, chain: Chain) -> None:
        """Read what there is; raises ``UnreadableError``."""
        self._sums, self.checkpoint = spent(chain)
        self._entries, self._changed = 0, bool(self._sums)

    def add(self, entries: Iterable[Entry]) -> None:
        """These are on the disk."""
        for entry in entries:
            self._entries += 1
            if entry.kind == "spent":
                self._entries, self._changed, self.checkpoint = 0, False, entry.seq
            elif entry.reserved is not None:
                add(self._sums, entry.reserved)
                self._changed = True

    @property
    def due(self) -> bool:
        """Whether a checkpoint is worth it by now."""
        return self._changed and self._entries >= EVERY

    @property
    def changed(self) -> bool:
        """Whether entries after the checkpoint have spent anything."""
        return self._changed

    def needed(self) -> list[int]:
        """The entry from which on nothing may be let go, or none."""
        return [self.checkpoint] if self._sums else []

    def summed(self, now: str, *, again: bool = False) -> Entry | None:
        """All of it as one entry, if there is anything new, or ``again``; whoever lets older entries go appends one first."""
        if not self._sums or not (self._changed or again):
            return None
        forget(self._sums, datetime.fromisoformat(now).timestamp())
        return Entry("spent", now, detail=whole(self._sums))
