"""What one call owes budgets: what was reserved for it, what it came to, and how the ledger tells both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from meshplan.runtime.budget.port import Charge, Granted
from meshplan.runtime.call import Result
from meshplan.schemas.budgets import Tokens
from meshplan.schemas.ledger.spent import Addition, additions_text


@dataclass(slots=True)
class Bill:
    """Of one attempt. ``capped``: a crash must not forget it, so its intent is on the disk before anything leaves.

    ``cost_nano`` (billionths of ``currency``) is what is reserved until ``tokens`` and cost are known. ``noted``: the
    ledger has the reservation. ``count`` takes the server's answer, where the cost depends on it; ``detail`` is JSON.
    """

    charges: Sequence[Charge]
    currency: str | None
    cost_nano: int | None
    capped: bool
    granted: Granted | None = None
    actual: Sequence[int] | None = None
    tokens: Tokens | None = None
    noted: bool = False
    detail: str | None = None
    count: Callable[[Result], None] | None = None

    def reserved(self) -> str | None:
        """What the intent adds to counters."""
        if self.granted is None:
            return None
        self.noted = True
        return additions_text(self._additions([charge.amount for charge in self.charges]))

    def corrected(self) -> str | None:
        """What the outcome adds, or takes away, after what its intent said."""
        if not self.noted or self.actual is None:
            return None
        return additions_text(
            self._additions([found - charge.amount for found, charge in zip(self.actual, self.charges, strict=True)])
        )

    def note(self, **what: Any) -> None:
        """Keep more in ``detail``."""
        known: dict[str, Any] = {} if self.detail is None else msgspec.json.decode(self.detail)
        self.detail = msgspec.json.encode({**known, **what}).decode()

    def _additions(self, amounts: Sequence[int]) -> list[Addition]:
        if self.granted is None:
            return []
        return [
            (charge.counter, bucket, amount)
            for charge, bucket, amount in zip(self.charges, self.granted.buckets, amounts, strict=True)
            if amount
        ]
