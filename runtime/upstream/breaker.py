"""Stops sending to a server that keeps failing, and lets one call at a time find out whether it is back."""

from __future__ import annotations

from collections.abc import Callable

from meshplan.schemas.plan import Breaker as Policy


class Breaker:
    """One server's; ``now`` is in seconds. Without a policy it is always closed."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.policy: Policy | None = None
        self._now = now
        self._failures = 0
        self._until: float | None = None
        self._probing = False

    @property
    def state(self) -> str | None:
        """``closed``, ``open`` or ``half_open``; ``None`` where there is no policy."""
        if self.policy is None:
            return None
        if self._until is None:
            return "closed"
        return "open" if self._now() < self._until else "half_open"

    def left(self) -> float:
        """Seconds until a call is worth a try; 0 where one is now."""
        if self.policy is None or self._until is None:
            return 0.0
        left = max(0.0, self._until - self._now())
        return left or (self.policy.cooldown_ms / 1000 if self._probing else 0.0)

    def begin(self) -> bool:
        """A call that ``left`` lets through begins; whether it is the probe, which the breaker waits for."""
        self._probing = self.policy is not None and self._until is not None
        return self._probing

    def ended(self, *, failed: bool | None, probe: bool) -> None:
        """How a call ended; ``None``: it was given up, which says nothing of the server."""
        if probe:
            self._probing = False
        if self.policy is None or failed is None:
            return
        if not failed:
            if self._until is None or probe:
                self._failures, self._until = 0, None
            return
        self._failures += 1
        if probe or (self._until is None and self._failures >= self.policy.failures):
            self._until = self._now() + self.policy.cooldown_ms / 1000
