"""Stops sending to a server that keeps failing, and lets one call at a time find out whether it is back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from meshplan.schemas.plan import Breaker as Policy


class Standing(Protocol):
    """What all who call a server know of it."""

    @property
    def failures(self) -> int:
        """Failures in a row."""
        ...

    @failures.setter
    def failures(self, count: int) -> None: ...

    @property
    def until(self) -> float | None:
        """When it may be tried again; ``None`` while it is not left alone."""
        ...

    @until.setter
    def until(self, seconds: float | None) -> None: ...

    @property
    def probing(self) -> bool:
        """Whether somebody tries it."""
        ...

    @probing.setter
    def probing(self, probing: bool) -> None: ...

    def change(self) -> AbstractContextManager[None]:
        """Nobody else changes it while the context is open, which must not wait for anything."""
        ...


class OwnStanding:
    """See ``Standing``: known to one process."""

    __slots__ = ("failures", "probing", "until")

    def __init__(self) -> None:
        self.failures = 0
        self.until: float | None = None
        self.probing = False

    def change(self) -> AbstractContextManager[None]:
        """See ``Standing``."""
        return nullcontext()


class Breaker:
    """One server's; ``now`` is in seconds. Without a policy it is always closed."""

    def __init__(self, now: Callable[[], float], standing: Standing | None = None) -> None:
        self.policy: Policy | None = None
        self._now, self._standing = now, standing or OwnStanding()

    @property
    def state(self) -> str | None:
        """``closed``, ``open`` or ``half_open``; ``None`` where there is no policy."""
        if self.policy is None:
            return None
        until = self._standing.until
        if until is None:
            return "closed"
        return "open" if self._now() < until else "half_open"

    def left(self) -> float:
        """Seconds until a call is worth a try; 0 where one is now."""
        until = self._standing.until
        if self.policy is None or until is None:
            return 0.0
        left = max(0.0, until - self._now())
        return left or (self.policy.cooldown_ms / 1000 if self._standing.probing else 0.0)

    def begin(self) -> bool | None:
        """A call begins; whether it is the probe, which the breaker waits for. ``None``: it is not worth a try."""
        if self.policy is None or self._standing.until is None:
            return False
        with self._standing.change():
            if self.left():
                return None
            self._standing.probing = probe = self.state != "closed"
            return probe

    def ended(self, *, failed: bool | None, probe: bool) -> None:
        """How a call ended; ``None``: it was given up, which says nothing of the server."""
        standing = self._standing
        if not probe and (self.policy is None or failed is None or (not failed and not standing.failures)):
            return
        with standing.change():
            if probe:
                standing.probing = False
            if self.policy is None or failed is None:
                return
            if not failed:
                if standing.until is None or probe:
                    standing.failures, standing.until = 0, None
                return
            standing.failures += 1
            if probe or (standing.until is None and standing.failures >= self.policy.failures):
                standing.until = self._now() + self.policy.cooldown_ms / 1000
