"""What a reservation brings to light first: a counter at the sum that its budget warns at, or above its limit; once a window."""

from __future__ import annotations

from collections.abc import Sequence

from meshplan.runtime.budget.port import Charge, Standing
from meshplan.schemas.windows import LENGTHS, SLIDING

_REMEMBERED = 10_000


class News:
    """Remembers until when a counter was told of; for whoever counts in memory."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def of(
        self, charges: Sequence[Charge], standings: Sequence[Standing], now: float
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The places of charges whose counters have come to ``warn``, and above the limit, and were not told of yet."""
        warned, passed = (), ()
        for place, (charge, standing) in enumerate(zip(charges, standings, strict=True)):
            used = standing.used
            if 0 < charge.warn <= used and self._first("warned", charge, standing, now):
                warned = (*warned, place)
            if used > charge.limit and self._first("passed", charge, standing, now):
                passed = (*passed, place)
        return warned, passed

    def _first(self, what: str, charge: Charge, standing: Standing, now: float) -> bool:
        key = what, charge.counter
        if self._until.get(key, 0.0) > now:
            return False
        if len(self._until) >= _REMEMBERED:
            self._until.clear()
        self._until[key] = now + (LENGTHS[charge.window] if charge.window in SLIDING else standing.resets)
        return True
