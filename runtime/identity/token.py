"""A verified token as a value: what its issuer signed, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

LEEWAY = 30.0
"""Seconds that our clock and the issuer's may differ."""

MAX_TOKEN = 16 * 1024


class RejectedError(Exception):
    """A credential that proves nothing: ``why`` is the reason for the record."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token that its issuer signed; ``expires`` and ``starts`` in seconds since the epoch, without leeway.

    ``generation`` is the one of the keys that it was checked with. ``text`` is the token itself: for token exchange
    with a declared authorization server only, never for an upstream and never for a record.
    """

    issuer: str
    subject: str
    audience: frozenset[str]
    algorithm: str
    expires: float
    starts: float
    generation: int
    claims: Mapping[str, Any] = field(repr=False)
    text: str = field(repr=False)

    def check_time(self, now: float) -> None:
        """Raise ``RejectedError`` before the token begins and after it ends."""
        if now >= self.expires + LEEWAY:
            raise RejectedError("token_expired")
        if now < self.starts - LEEWAY:
            raise RejectedError("token_not_yet_valid")

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that it carries: ``scope`` (RFC 9068), or ``scp`` as some issuers call it."""
        found: Any = self.claims.get("scope", self.claims.get("scp"))
        if isinstance(found, str):
            return frozenset(found.split(" "))
        listed = cast("list[Any]", found) if isinstance(found, list) else []
        return frozenset(item for item in listed if isinstance(item, str))
