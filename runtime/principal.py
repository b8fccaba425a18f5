"""Who is calling: keys, tokens and trusted proxies as one plan declares them; knows nothing of what they may do."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import cast

from msgspec import Struct

from meshplan.runtime.identity.token import MAX_TOKEN, RejectedError, Token
from meshplan.runtime.upstream.port import Behalf
from meshplan.schemas.decide import Principal
from meshplan.schemas.plan import Identity
from meshplan.schemas.rules import Claim, JwtIssuer, ProxyIssuer

LOCAL = "local"

CHALLENGE = "Bearer"
CHALLENGE_INVALID = 'Bearer error="invalid_token"'

_FORWARDED = frozenset({"forwarded", "x-real-ip", "via"})
_FORWARDED_PREFIX = "x-forwarded-"
_CACHED = 4096
_MAX_NAME = 512


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token at the endpoint that it was brought to; ``resource`` is that endpoint's URL, if it has one."""

    token: Token
    resource: str | None


@dataclass(frozen=True, slots=True)
class Vouched:
    """A name that a trusted proxy gives in its header."""

    issuer: str
    name: str


Credential = str | Bearer | Vouched
"""A key's SHA-256 in hex or ``local``, a token, or a proxy's word."""


class Caller(Struct):
    """One authenticated caller; ``credential`` finds it again in a newer plan."""

    credential: Credential
    principal: Principal

    @property
    def owner(self) -> tuple[str, str]:
        """The identity that sessions are bound to: (issuer, sub)."""
        return self.principal.issuer, self.principal.sub

    @property
    def behalf(self) -> Behalf:
        """What an upstream that is called on behalf of its callers needs of this one."""
        return Behalf(self.owner, self.credential.token.text if isinstance(self.credential, Bearer) else None)

    @property
    def ends(self) -> float | None:
        """When a token ends, in seconds since the epoch."""
        return self.credential.token.expires if isinstance(self.credential, Bearer) else None


class UnauthenticatedError(Exception):
    """No caller; ``challenge`` is the ``WWW-Authenticate`` value (RFC 6750 3), ``why`` is for the record."""

    def __init__(self, challenge: str, why: str, status: int = 401) -> None:
        super().__init__(why)
        self.challenge, self.why, self.status = challenge, why, status


class Keyring:
    """The credentials that one plan takes, and the subjects that they prove."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._keys = {key.sha256: (name, key) for name, key in identity.keys.items()}
        self._local = None if identity.local is None else frozenset(identity.local)
        self._exclusive = [[frozenset(subjects) for subjects in group] for group in identity.exclusive]
        self._named = {i.url: (name, i) for name, i in identity.issuers.items() if isinstance(i, JwtIssuer)}
        self.issuers = {name: i for name, i in identity.issuers.items() if isinstance(i, JwtIssuer)}
        self.proxies = {i.header.lower(): name for name, i in identity.issuers.items() if isinstance(i, ProxyIssuer)}
        self._of_token = lru_cache(_CACHED)(self._read_token)
        self._principals = {
            found: Principal("key", name, frozenset(key.subjects)) for found, (name, key) in self._keys.items()
        }
        self._ends = {found: date.fromisoformat(k.expires) for found, (_, k) in self._keys.items() if k.expires}
        self._unclear = frozenset(found for found, principal in self._principals.items() if self._excluded(principal))

    @property
    def has_local(self) -> bool:
        """Whether the plan has a local profile."""
        return self._local is not None

    def knows(self, digest: str) -> bool:
        """Whether there is an API key with this SHA-256."""
        return digest in self._keys

    def issuer(self, url: str) -> JwtIssuer | None:
        """The declared issuer with exactly this URL."""
        found = self._named.get(url)
        return None if found is None else found[1]

    def principal(self, credential: Credential, now: datetime) -> Principal | None:
        """Whom a credential stands for now, if it still stands for anybody."""
        try:
            return self.judge(credential, now)
        except RejectedError:
            return None

    def judge(self, credential: Credential, now: datetime) -> Principal:
        """Whom a credential stands for now; raises ``RejectedError``."""
        if isinstance(credential, str):
            return self._of_key(credential, now)
        match credential:
            case Bearer(token=token, resource=resource):
                token.check_time(now.timestamp())
                return self._of_token(token, resource)
            case Vouched(issuer=issuer, name=name):
                return self._vouched(issuer, name)

    def logged_in(self, token: Token) -> Principal | None:
        """Whom an ID token stands for that an issuer gave to the mesh itself, if for anybody."""
        found = self._named.get(token.issuer)
        try:
            return found and self._checked(
                Principal(token.issuer, token.subject, self._subjects(found[0], token.claims))
            )
        except RejectedError:
            return None

    def _of_key(self, credential: str, now: datetime) -> Principal:
        if credential == LOCAL:
            if self._local is None:
                raise RejectedError("no_local_profile")
            return self._checked(Principal(LOCAL, LOCAL, self._local))
        found = self._principals.get(credential)
        if found is None:
            raise RejectedError("unknown_key")
        ends = self._ends.get(credential)
        if ends is not None and now.astimezone(UTC).date() >= ends:
            raise RejectedError("key_expired")
        if credential in self._unclear:
            raise RejectedError("exclusive_subjects")
        return found

    def _read_token(self, token: Token, resource: str | None) -> Principal:
        """What the plan makes of a token: whether it takes it at all, and the subjects that its claims prove."""
        found = self._named.get(token.issuer)
        if found is None:
            raise RejectedError("unknown_issuer")
        name, issuer = found
        if token.algorithm not in issuer.algorithms:
            raise RejectedError("algorithm_not_allowed")
        audience = issuer.audience or resource
        if audience is None or audience not in token.audience:
            raise RejectedError("wrong_audience")
        if not token.scopes.issuperset(issuer.scopes):
            raise RejectedError("insufficient_scope")
        return self._checked(Principal(token.issuer, token.subject, self._subjects(name, token.claims)))

    def _vouched(self, issuer: str, name: str) -> Principal:
        if not isinstance(self._identity.issuers.get(issuer), ProxyIssuer):
            raise RejectedError("unknown_issuer")
        return self._checked(Principal(f"proxy:{issuer}", name, self._subjects(issuer, {"sub": name})))

    def _subjects(self, issuer: str, claims: Mapping[str, object]) -> frozenset[str]:
        """The declared subjects that an issuer's claims prove; values that nobody declared prove nothing."""
        found = {claim.subject for claim in self._identity.claims if claim.issuer == issuer and _proves(claim, claims)}
        users = self._identity.users
        if users is not None and users.issuer == issuer:
            user = claims.get(users.claim)
            if isinstance(user, str) and 0 < len(user) <= _MAX_NAME:
                found.add(f"user:{user}")
        return frozenset(found)

    def _checked(self, principal: Principal) -> Principal:
        """Nobody has two subjects that the mesh declares exclusive: its invariants were proved on that."""
        if self._excluded(principal):
            raise RejectedError("exclusive_subjects")
        return principal

    def _excluded(self, principal: Principal) -> bool:
        return any(sum(subjects <= principal.subjects for subjects in group) > 1 for group in self._exclusive)


def _proves(claim: Claim, claims: Mapping[str, object]) -> bool:
    """``has`` looks into a list and ``is`` at a string: a string that contains the value is neither."""
    found = claims.get(claim.claim)
    if claim.test == "is":
        return isinstance(found, str) and found == claim.value
    return isinstance(found, list) and claim.value in cast("list[object]", found)


class Approach(Struct):
    """What a request shows of itself: headers by lower-case name, and the address that it comes from.

    ``presented`` is the text in its Authorization header and the credential that this is, once they were read.
    """

    headers: dict[str, str]
    peer: str | None
    presented: tuple[str, str] | None = None

    @property
    def host(self) -> str:
        """The host part of the Host header."""
        return host_of(self.headers.get("host", ""))

    @property
    def forwarded(self) -> bool:
        """Whether something stands between the caller and us."""
        return any(name in _FORWARDED or name.startswith(_FORWARDED_PREFIX) for name in self.headers)

    @property
    def local(self) -> bool:
        """A process on this machine that speaks to us directly."""
        return not self.forwarded and is_loopback(self.peer or "") and is_loopback(self.host)


def bearer_token(approach: Approach) -> str:
    """The token of the Authorization header (RFC 6750 2.1); raises ``UnauthenticatedError``."""
    sent = approach.headers.get("authorization")
    if sent is None:
        raise UnauthenticatedError(CHALLENGE, "no_credential")
    scheme, _, token = sent.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
        raise UnauthenticatedError(CHALLENGE_INVALID, "not_a_bearer_token")
    return token


def host_of(authority: str) -> str:
    """The host of ``host[:port]``, lower case, without the brackets of IPv6."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower()


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
