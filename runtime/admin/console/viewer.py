"""Who looks, and at what: rows of other endpoints are left out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Viewer:
    """``name`` is shown; ``endpoints`` are those that may be seen, ``None``: everything."""

    name: str
    endpoints: frozenset[str] | None = None

    def sees(self, endpoint: str | None) -> bool:
        """Whether rows of an endpoint may be shown."""
        return self.endpoints is None or endpoint in self.endpoints


LOCAL = Viewer("this machine")
"""Whoever is on this machine and speaks to us directly."""
