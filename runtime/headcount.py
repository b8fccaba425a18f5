"""How many of a thing each of several has at once: calls of callers, turns at servers, streams, sessions."""

from __future__ import annotations

import sys
from typing import Final, Protocol

Who = tuple[str, ...]
"""Whose they are: a principal (issuer, sub), or a server."""

UNBOUNDED: Final = sys.maxsize


class Headcount(Protocol):
    """Counts one kind of thing in the whole runtime."""

    def enter(self, who: Who, limit: int) -> bool:
        """One more, unless that made more than ``limit``."""
        ...

    def leave(self, who: Who) -> None:
        """One less; only for what ``enter`` let in."""
        ...

    def total(self, who: Who) -> int:
        """How many there are."""
        ...

    def make_room(self, who: Who) -> bool:
        """Have another process let one go; False where none has any."""
        ...


class Alone:
    """See ``Headcount``: of a runtime that is one process."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[Who, int] = {}

    def enter(self, who: Who, limit: int) -> bool:
        """See ``Headcount``."""
        count = self._counts.get(who, 0)
        if count >= limit:
            return False
        self._counts[who] = count + 1
        return True

    def leave(self, who: Who) -> None:
        """See ``Headcount``."""
        count = self._counts[who] - 1
        if count:
            self._counts[who] = count
        else:
            del self._counts[who]

    def total(self, who: Who) -> int:
        """See ``Headcount``."""
        return self._counts.get(who, 0)

    def make_room(self, who: Who) -> bool:
        """See ``Headcount``."""
        del who
        return False
