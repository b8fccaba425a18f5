"""The tokens of one caller at one server: taken from the vault, renewed by one at a time, asked for anew when revoked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

import anyio

from meshplan.runtime.identity.challenge import MAX_SCOPES
from meshplan.runtime.secrets import SecretError, Secrets, SignInRequiredError
from meshplan.runtime.signin.registration import Place, forget
from meshplan.runtime.signin.vault import Holder, Vault
from meshplan.runtime.upstream.oauth import MIN_AGE, AccessToken, Client, RefusedGrantError

_REVOKED: Final = frozenset({"invalid_grant"})
"""What RFC 6749 5.2 says of a refresh token that is expired, revoked or somebody else's: asking the caller helps."""
_UNKNOWN: Final = frozenset({"invalid_client", "unauthorized_client"})
"""What it says of a client that it does not know (any more): where that registers itself, asking the caller helps, too."""
ASK_AGAIN: Final = 600.0
"""Seconds for which scopes that a caller was asked for, and that did not help, are not asked for again."""
_MAX_SAID: Final = 200


class Vaults(Protocol):
    """Knows the newest plan's vault."""

    def vault(self) -> Vault:
        """Where tokens are kept; raises ``SecretError``."""
        ...


class SignedIn:
    """See ``port.Source``; the clock is in seconds since the epoch, as what the vault keeps."""

    def __init__(
        self,
        vaults: Vaults,
        holder: Holder,
        client: Client,
        secrets: Secrets,
        clock: Callable[[], float] = time.time,
        place: Place | None = None,
    ) -> None:
        self._vaults, self._holder, self._client, self._secrets = vaults, holder, client, secrets
        self._clock, self._place = clock, place
        self._token: AccessToken | None = None
        self._version: tuple[int, int] | None = None
        self._renewed = 0.0
        self._asking = anyio.Lock()

    async def resolve(self) -> str:
        """The caller's token; raises ``SignInRequiredError`` where there is none any more."""
        vault = self._vaults.vault()
        version = vault.version(self._holder)
        if version is None:
            raise self._wanted()
        if self._token is None or version != self._version or self._clock() >= self._token.until:
            return await self._settled(vault, None)
        return self._token.value

    async def refresh(self, rejected: str) -> str:
        """Another token than the one that the server rejected, unless that one was given a moment ago."""
        return await self._settled(self._vaults.vault(), rejected)

    async def widen(self, scopes: tuple[str, ...]) -> NoReturn:
        """After the server has said that a token does not go far enough: never a token, but why there is none.

        Raises ``SignInRequiredError`` where asking the caller for these scopes may help, else ``SecretError``.
        """
        said = " ".join(scopes)[:_MAX_SAID]
        if self._holder.scopes and not set(scopes) <= set(self._holder.scopes):
            raise SecretError(f"the server wants the scopes `{said}`, and the plan does not declare all of them")
        found = await self._vaults.vault().read(self._holder)
        if found is not None and covers(found, scopes, self._clock()):
            raise SecretError(f"the server wants the scopes `{said}`, which the caller was asked for a moment ago")
        if found is not None and len({*found.terms.asked, *scopes}) > MAX_SCOPES:
            raise SecretError(f"the server wants more than {MAX_SCOPES} scopes")
        raise SignInRequiredError("the caller has not agreed to as much as the server wants", scopes)

    async def _settled(self, vault: Vault, rejected: str | None) -> str:
        async with self._asking, vault.locked(self._holder):
            found = await vault.read(self._holder)
            if found is None:
                raise self._wanted()
            recent = self._clock() - self._renewed < MIN_AGE
            if self._clock() >= found.until or (found.value == rejected and not recent):
                found = await self._anew(vault, found)
            self._token, self._version = found, vault.version(self._holder)
            return found.value

    async def _anew(self, vault: Vault, old: AccessToken) -> AccessToken:
        """Tokens by the refresh token (RFC 6749 6), which the server may replace (RFC 9700 4.14)."""
        if old.refresh is None:
            vault.forget(self._holder)
            raise self._wanted()
        from meshplan.runtime.upstream.grants import request_token

        try:
            made = await request_token(
                old.terms.on(self._client), self._secrets, "refresh_token", {"refresh_token": old.refresh}, self._clock
            )
        except RefusedGrantError as error:
            unknown = self._place is not None and error.code in _UNKNOWN
            if unknown and self._place is not None and old.terms.registered is not None:
                await forget(vault, self._place, old.terms.registered.client_id)
            if not unknown and error.code not in _REVOKED:
                raise
            vault.forget(self._holder)
            raise self._wanted() from None
        kept = AccessToken(made.value, made.until, made.refresh or old.refresh, terms=old.terms)
        await vault.write(self._holder, kept)
        self._renewed = self._clock()
        return kept

    def _wanted(self) -> SignInRequiredError:
        self._token = None
        return SignInRequiredError("the caller has not signed in to it")


def covers(found: AccessToken, scopes: tuple[str, ...], now: float) -> bool:
    """Whether tokens are from a sign-in that asked for these scopes, and not long ago."""
    return set(scopes) <= set(found.terms.asked) and now - found.terms.at < ASK_AGAIN
