"""Checks tokens once and remembers the good ones until they end or their issuer's keys change."""

from __future__ import annotations

from meshplan.runtime.identity.issuers import Issuers
from meshplan.runtime.identity.token import LEEWAY, RejectedError, Token
from meshplan.runtime.principal import Keyring

MAX_TOKENS = 10_000


class Verifier:
    """Verified tokens by the SHA-256 of their text; bounded, the oldest go first."""

    def __init__(self, issuers: Issuers) -> None:
        self.issuers = issuers
        self._verified: dict[str, Token] = {}

    async def check(self, text: str, digest: str, keyring: Keyring, now: float) -> Token:
        """The token behind a text; raises ``RejectedError`` and ``IssuerUnavailableError``."""
        known = self._verified.get(digest)
        if known is not None:
            issuer = keyring.issuer(known.issuer)
            keys = None if issuer is None else self.issuers.of(issuer).current()
            if keys is not None and keys.generation == known.generation and now < known.expires + LEEWAY:
                return known
            del self._verified[digest]
        token = await self.verify(text, keyring)
        token.check_time(now)
        while len(self._verified) >= MAX_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = token
        return token

    async def verify(self, text: str, keyring: Keyring) -> Token:
        """As ``check``, but for the times in the token, and without remembering it."""
        from meshplan.runtime.identity.jwts import glance, verify

        seen = glance(text)
        issuer = keyring.issuer(seen.issuer)
        if issuer is None:
            raise RejectedError("unknown_issuer")
        if seen.algorithm not in issuer.algorithms:
            raise RejectedError("algorithm_not_allowed")
        source, client = self.issuers.of(issuer), self.issuers.client
        keys = await source.get(client)
        token = verify(text, seen, keys)
        if token is None:
            newer = await source.newer(client, keys)
            token = None if newer is None else verify(text, seen, newer)
        if token is None:
            raise RejectedError("unknown_signing_key")
        return token
