"""A list in pages of bounded size; a cursor holds only for the plan, the endpoint and the set of things that it was made for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

MAX_ITEMS = 1000
MAX_BYTES = 1024 * 1024
"""Of one page; a larger definition has a page of its own."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one list, each of definitions joined by commas; ``mark`` is what cursors are bound to."""

    parts: tuple[bytes, ...]
    mark: str

    def page(self, cursor: object) -> tuple[bytes, str | None]:
        """A page (the first for ``None``) and the cursor of the next; raises ``LookupError`` for no cursor of this list."""
        number = 0 if cursor is None else self._number(cursor)
        following = number + 1
        return self.parts[number], f"{self.mark}.{following}" if following < len(self.parts) else None

    def _number(self, cursor: object) -> int:
        for number in range(1, len(self.parts)):
            if cursor == f"{self.mark}.{number}":
                return number
        raise LookupError


def paginate(items: Iterable[bytes], bound: Iterable[str], *, most: int = MAX_ITEMS, size: int = MAX_BYTES) -> Pages:
    """Cut a list into pages of at most ``most`` items and ``size`` bytes; ``bound`` are the texts that make up the mark."""
    parts: list[list[bytes]] = [[]]
    held = 0
    for item in items:
        if parts[-1] and (len(parts[-1]) >= most or held + 1 + len(item) > size):
            parts.append([])
            held = 0
        parts[-1].append(item)
        held += len(item) + 1
    mark = hashlib.sha256("\0".join(bound).encode()).hexdigest()[:24]
    return Pages(tuple(b",".join(part) for part in parts), mark)
