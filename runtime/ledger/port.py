"""What the way in asks of a ledger, wherever its writer lives; knows no file and no thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from meshplan.runtime.call import Call
from meshplan.runtime.record import Attempt
from meshplan.runtime.targets import Target, Trace


class Ledger(Protocol):
    """Takes each attempt twice: before it is forwarded, and when it has ended.

    A method that has to wait returns what to await, and ``None`` where there is nothing to wait for.
    """

    def admit(self) -> Awaitable[None] | None:
        """Before anything else: is there room for the entries of one more call? The wait raises ``RpcError`` for no."""
        ...

    def intent(
        self, now: Callable[[], str], plan: str, call: Call, trace: Trace, target: Target
    ) -> Awaitable[None] | None:
        """Before the request leaves, by the plan with this digest; the wait, if any, ends when the intent is on the disk."""
        ...

    def outcome(self, attempt: Attempt, call: Call | None = None, trace: Trace | None = None) -> None:
        """How an attempt ended; without a call, one that never became a call."""
        ...
