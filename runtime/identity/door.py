"""Lets a request in: one credential, in its proper place, from somebody who may present it; everything else is refused."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import parse_qsl

from meshplan.runtime.identity.issuers import IssuerUnavailableError
from meshplan.runtime.identity.metadata import challenge, resource_url
from meshplan.runtime.identity.token import RejectedError
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.principal import (
    LOCAL,
    Approach,
    Bearer,
    Caller,
    Credential,
    Keyring,
    UnauthenticatedError,
    Vouched,
    bearer_token,
)
from meshplan.schemas.plan import Settings

MAX_NAME = 512


@dataclass(frozen=True, slots=True)
class Door:
    """The way to one endpoint of one plan: ``base`` is the mesh's own URL, ``local_secret`` None without local profile."""

    endpoint: str
    keyring: Keyring
    verifier: Verifier
    settings: Settings
    base: str | None
    local_secret: str | None

    async def admit(self, seen: Approach, query: bytes, now: datetime) -> Caller:
        """The caller behind a request; raises ``UnauthenticatedError``."""
        if query and _token_in(query):
            raise self._refused("token_in_query", "invalid_request", 400)
        credential: Credential | None = self.vouched(seen)
        try:
            if credential is None:
                text, credential = self._presented(seen)
                if credential != LOCAL and not self.keyring.knows(credential) and text.count(".") == 2:
                    credential = await self._credential(text, credential, now)
            return Caller(credential, self.keyring.judge(credential, now))
        except RejectedError as error:
            if error.why == "insufficient_scope" and isinstance(credential, Bearer):
                raise self._lacking(credential) from None
            raise self._refused(error.why, "invalid_token") from None
        except UnauthenticatedError as error:
            raise self._refused(error.why, None if error.why == "no_credential" else "invalid_token") from None
        except IssuerUnavailableError:
            raise UnauthenticatedError("", "issuer_unavailable", 503) from None

    def secret(self, text: str, seen: Approach) -> str:
        """The local profile, or the key with this text, whether there is one or not; raises ``RejectedError``."""
        if self.local_secret is not None and hmac.compare_digest(text.encode(), self.local_secret.encode()):
            if not seen.local:
                raise RejectedError("local_profile_not_local")
            return LOCAL
        return hashlib.sha256(text.encode()).hexdigest()

    def _presented(self, seen: Approach) -> tuple[str, str]:
        if seen.presented is None:
            text = bearer_token(seen)
            seen.presented = text, self.secret(text, seen)
        return seen.presented

    async def _credential(self, text: str, digest: str, now: datetime) -> Credential:
        if not self.keyring.issuers:
            return digest
        token = await self.verifier.check(text, digest, self.keyring, now.timestamp())
        return Bearer(token, resource_url(self.base, self.endpoint))

    def vouched(self, seen: Approach) -> Vouched | None:
        """The name that a trusted proxy gives; the header from anybody else is an attempt to be somebody."""
        if not self.keyring.proxies:
            return None
        sent = [header for header in self.keyring.proxies if header in seen.headers]
        if not sent:
            return None
        if not is_within(seen.peer, self.settings.trusted_proxies):
            raise self._refused("proxy_header_from_stranger", "invalid_request", 400)
        name = seen.headers[sent[0]]
        if len(sent) > 1 or "authorization" in seen.headers:
            raise self._refused("two_credentials", "invalid_request", 400)
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise self._refused("proxy_header_unusable", "invalid_request", 400)
        return Vouched(self.keyring.proxies[sent[0]], name)

    def _lacking(self, presented: Bearer) -> UnauthenticatedError:
        """A good token without the scopes that its issuer's declaration asks for: all of them in one challenge."""
        issuer = self.keyring.issuer(presented.token.issuer)
        needed = challenge(self.base, self.endpoint, [issuer] if issuer else [], "insufficient_scope")
        return UnauthenticatedError(needed, "insufficient_scope", 403)

    def _refused(self, why: str, error: str | None, status: int = 401) -> UnauthenticatedError:
        issuers = self.keyring.issuers.values()
        return UnauthenticatedError(challenge(self.base, self.endpoint, issuers, error), why, status)


def _token_in(query: bytes) -> bool:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, separator="&")
    return any(name.strip().lower() == "access_token" for name, _ in pairs)


def is_within(peer: str | None, networks: tuple[str, ...]) -> bool:
    """Whether an address is in one of these networks; an IPv4 address counts as itself where IPv6 carries it."""
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _networks(networks))


@lru_cache(16)
def _networks(written: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(network, strict=False) for network in written)
