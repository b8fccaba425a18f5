"""The public keys of an issuer (RFC 7517): only such as its tokens may be signed with, chosen by kid and algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

MIN_RSA_BITS = 2048
_FAMILY = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": ("P-256",), "ES384": ("P-384",), "ES512": ("P-521",), "EdDSA": ("Ed25519", "Ed448")}


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys of one issuer at one time; ``generation`` grows with every change."""

    keys: tuple[Mapping[str, Any], ...]
    generation: int

    def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """The one key that a token with this header may be signed with; none where there are two."""
        fitting = [key for key in self.keys if _fits(key, algorithm) and (kid is None or key.get("kid") == kid)]
        return _public(fitting[0], algorithm) if len(fitting) == 1 else None


def read_keys(document: Mapping[str, Any], before: SigningKeys | None) -> SigningKeys:
    """The signing keys of a JWK set; raises ``ValueError`` where there is none."""
    listed: Any = document.get("keys")
    entries = cast("list[Any]", listed) if isinstance(listed, list) else []
    found = [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
    usable = tuple(key for key in found if _usable(key))
    if not usable:
        raise ValueError("it holds no public key for signatures")
    if before is not None and before.keys == usable:
        return before
    return SigningKeys(usable, 1 if before is None else before.generation + 1)


def _usable(key: Mapping[str, Any]) -> bool:
    """Public, asymmetric and meant for signatures: what holds a secret is no public key, whoever published it."""
    operations: Any = key.get("key_ops")
    return (
        key.get("kty") in _FAMILY.values()
        and "d" not in key
        and key.get("use", "sig") == "sig"
        and (not isinstance(operations, list) or "verify" in operations)
    )


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    if key.get("kty") != _FAMILY.get(algorithm[:2]) or key.get("alg", algorithm) != algorithm:
        return False
    return algorithm not in _CURVES or key.get("crv") in _CURVES[algorithm]


def _public(key: Mapping[str, Any], algorithm: str) -> PyJWK | None:
    try:
        made = PyJWK(dict(key), algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    return None if isinstance(made.key, RSAPublicKey) and made.key.key_size < MIN_RSA_BITS else made
