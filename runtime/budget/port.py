"""What the way in asks of counters, wherever they are kept: in this process, at the keeper, or at a server of their own.

A backend has a clock of its own, and finds buckets with ``schemas.windows``. A counter's sum is that of the buckets that
count now. All numbers are whole: calls, tokens, or billionths of a currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from meshplan.schemas.windows import Window

MAX_AMOUNT: Final = 2**53 - 1
"""The most that a counter is sure to add up exactly, also where numbers are doubles."""


class Charge(NamedTuple):
    """One budget's part of a call: ``amount`` on a counter that may hold ``limit``.

    ``counter`` names what is counted together, and differs wherever unit, window, zone or scope do (see
    ``schemas.budgets``). ``binding`` is false for a budget that only warns: it is counted, and never refuses.
    ``warn`` is the sum that is told when the counter comes to it (0: none is).
    """

    counter: str
    window: Window
    zone: str
    limit: int
    amount: int
    binding: bool
    warn: int = 0


class Standing(NamedTuple):
    """A counter after what was done: its sum, and when some of that counts no more, in seconds from now (at least 1).

    For a calendar window that is when the next one begins; for a sliding one, when its oldest bucket leaves.
    """

    used: int
    resets: int


class Granted(NamedTuple):
    """All charges were added; ``buckets`` are the starts of the buckets that they fell into. Both in the charges' order.

    ``warned`` and ``passed`` are the places of charges whose counters have come to ``warn``, and above their limit; each
    once a window, whoever of those that share the counters asks.
    """

    buckets: tuple[int, ...]
    standings: tuple[Standing, ...]
    warned: tuple[int, ...] = ()
    passed: tuple[int, ...] = ()


class Exceeded(NamedTuple):
    """Nothing was added: ``over`` are the places of the binding charges that do not fit.

    ``retry_after`` has for each of these the seconds (at least 1) until it would fit if nobody else spent anything, and
    ``None`` where its amount is above the limit by itself. ``standings`` are those of all charges, as they are.
    """

    over: tuple[int, ...]
    retry_after: tuple[int | None, ...]
    standings: tuple[Standing, ...]


class CountersUnavailableError(Exception):
    """The counters cannot be reached, and are not to be guessed: the call is refused. The text says why."""


class Counters(Protocol):
    """Counts reservations: added before a call is sent, corrected when it is over."""

    async def reserve(self, decision: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        """Add all charges, or none: a binding one must leave its counter's sum at most at its limit.

        ``decision`` is the id of the attempt. Raises ``CountersUnavailableError``. Where nobody hears the answer, also because
        the task was cancelled, what may have been added is the backend's to take back, or to leave.
        """
        ...

    async def settle(self, decision: str, charges: Sequence[Charge], granted: Granted, actual: Sequence[int]) -> None:
        """Replace what was reserved by what it came to, in the bucket of the reservation, also above the limit.

        Zeros release: nothing was sent. Once for each decision: a second time changes nothing. Not called where it
        came to what was reserved. Never raises: what cannot be settled now stays reserved.
        """
        ...

    async def read(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """How counters stand, for those who look (amounts are ignored); raises ``CountersUnavailableError``."""
        ...
