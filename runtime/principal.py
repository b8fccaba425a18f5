"""Who is calling: API keys, and the local profile under its conditions; knows nothing of what they may do."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from meshplan.schemas.decide import Principal
from meshplan.schemas.plan import Identity

LOCAL = "local"
LOCAL_FILE = ".mesh/local-secret"
"""Where the secret of the local profile lies, below the root folder."""

CHALLENGE = "Bearer"
CHALLENGE_INVALID = 'Bearer error="invalid_token"'

_FORWARDED = frozenset({"forwarded", "x-real-ip", "via"})
_FORWARDED_PREFIX = "x-forwarded-"
_MAX_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated caller; ``credential`` (a key's SHA-256 in hex, or ``local``) finds it again in a newer plan."""

    credential: str
    principal: Principal

    @property
    def owner(self) -> tuple[str, str]:
        """The identity that sessions are bound to: (issuer, sub)."""
        return self.principal.issuer, self.principal.sub


class UnauthenticatedError(Exception):
    """No caller; ``challenge`` is the ``WWW-Authenticate`` value (RFC 6750 3), ``why`` is for the record."""

    def __init__(self, challenge: str, why: str) -> None:
        super().__init__(why)
        self.challenge, self.why = challenge, why


class LocalSecretError(Exception):
    """The file of the local secret cannot be trusted; the text says what to do."""


class Keyring:
    """The credentials that one plan knows."""

    def __init__(self, identity: Identity) -> None:
        self._keys = {key.sha256: (name, key) for name, key in identity.keys.items()}
        self._local = None if identity.local is None else frozenset(identity.local)

    @property
    def has_local(self) -> bool:
        """Whether the plan has a local profile."""
        return self._local is not None

    def principal(self, credential: str, today: date) -> Principal | None:
        """Whom a credential stands for today, if it still stands for anybody."""
        if credential == LOCAL:
            return None if self._local is None else Principal(LOCAL, LOCAL, self._local)
        found = self._keys.get(credential)
        if found is None or not hmac.compare_digest(found[1].sha256, credential):
            return None
        name, key = found
        if key.expires is not None and today >= date.fromisoformat(key.expires):
            return None
        return Principal("key", name, frozenset(key.subjects))


@dataclass(frozen=True, slots=True)
class Approach:
    """What a request shows of itself: headers by lower-case name, and the addresses of both ends."""

    headers: Mapping[str, str]
    peer: str | None

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


def authenticate(keyring: Keyring, approach: Approach, local_secret: str | None, today: date) -> Caller:
    """The caller behind a request; raises ``UnauthenticatedError``. ``local_secret`` is ``None`` without local profile."""
    sent = approach.headers.get("authorization")
    if sent is None:
        raise UnauthenticatedError(CHALLENGE, "no_credential")
    scheme, _, token = sent.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN:
        raise UnauthenticatedError(CHALLENGE_INVALID, "not_a_bearer_token")
    if local_secret is not None and hmac.compare_digest(token.encode(), local_secret.encode()):
        if not approach.local:
            raise UnauthenticatedError(CHALLENGE_INVALID, "local_profile_not_local")
        return _caller(keyring, LOCAL, today)
    return _caller(keyring, hashlib.sha256(token.encode()).hexdigest(), today)


def _caller(keyring: Keyring, credential: str, today: date) -> Caller:
    principal = keyring.principal(credential, today)
    if principal is None:
        raise UnauthenticatedError(CHALLENGE_INVALID, "unknown_or_expired_credential")
    return Caller(credential, principal)


def host_of(authority: str) -> str:
    """The host of ``host[:port]``, lower case, without the brackets of IPv6."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower()


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ensure_local_secret(root: Path) -> str:
    """Read the local secret below ``root``, or make it once; raises ``LocalSecretError`` where others could read it."""
    path = root / LOCAL_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_secret(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="ascii") as file:
        found = os.fstat(file.fileno())
        if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.getuid():
            raise LocalSecretError(f"`{LOCAL_FILE}` can be read by others; remove it, and it is made again")
        secret = file.read(_MAX_TOKEN).strip()
    if len(secret) < 32:
        raise LocalSecretError(f"`{LOCAL_FILE}` holds no secret; remove it, and it is made again")
    return secret


def _make_secret(path: Path) -> None:
    """Write to a file of our own first, then link it into place: who looks sees nothing or all of it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"mesh-local-{secrets.token_urlsafe(32)}\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
