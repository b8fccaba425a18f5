"""JSON Web Tokens (RFC 7519, RFC 9068): reads one, checks signature and times; what it proves is the plan's to say."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import jwt

from meshplan.runtime.identity.keys import SigningKeys
from meshplan.runtime.identity.token import RejectedError, Token

_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token claims of itself before anything is checked."""

    issuer: str
    algorithm: str
    kid: str | None


def glance(text: str) -> Unverified:
    """Read a token without believing it; raises ``RejectedError``."""
    try:
        whole = jwt.decode_complete(text, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise RejectedError("not_a_token") from None
    header, claims = cast("dict[str, Any]", whole["header"]), cast("dict[str, Any]", whole["payload"])
    issuer, algorithm, kid = claims.get("iss"), header.get("alg"), header.get("kid")
    if not isinstance(issuer, str) or not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise RejectedError("not_a_token")
    if "crit" in header or "b64" in header:
        raise RejectedError("token_extension")
    if str(header.get("typ", "")).lower() not in _TYPES:
        raise RejectedError("token_type")
    return Unverified(issuer, algorithm, kid)


def verify(text: str, seen: Unverified, keys: SigningKeys) -> Token | None:
    """Check the signature with the issuer's keys: ``None`` where no key fits; raises ``RejectedError``.

    ``seen`` has an algorithm that the plan allows; which header members name keys (``jku``, ``jwk``, ``x5u``) is
    ignored: keys come from the issuer alone (RFC 8725, 3.10).
    """
    key = keys.find(seen.kid, seen.algorithm)
    if key is None:
        return None
    try:
        claims: dict[str, Any] = jwt.decode(
            text,
            key,
            algorithms=[seen.algorithm],
            issuer=seen.issuer,
            options={
                "require": ["exp", "iss", "sub", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
            },
        )
    except jwt.MissingRequiredClaimError as error:
        raise RejectedError(f"claim_missing:{error.claim}") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise RejectedError("bad_signature") from None
    return _token(text, seen, claims, keys.generation)


def _token(text: str, seen: Unverified, claims: dict[str, Any], generation: int) -> Token:
    subject, audience = claims["sub"], claims["aud"]
    listed = cast("list[Any]", audience) if isinstance(audience, list) else [audience]
    if not isinstance(subject, str) or not subject or not all(isinstance(item, str) for item in listed):
        raise RejectedError("claim_of_wrong_type")
    return Token(
        issuer=seen.issuer,
        subject=subject,
        audience=frozenset(listed),
        algorithm=seen.algorithm,
        expires=_seconds(claims["exp"]),
        starts=max(_seconds(claims.get("nbf", 0)), _seconds(claims.get("iat", 0))),
        generation=generation,
        claims=claims,
        text=text,
    )


def _seconds(value: Any) -> float:
    """A NumericDate (RFC 7519, 2); raises ``RejectedError``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RejectedError("claim_of_wrong_type")
    return float(value)
