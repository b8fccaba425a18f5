"""Texts that only this mesh can make and read: AES-256-GCM, with a key per purpose."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.shapes import members
from meshplan.schemas import jsontext
from meshplan.schemas.plan import Value

MAX_TEXT: Final = 64 * 1024
"""Characters of a sealed text that are still looked at."""
OWN_KEY: Final = 32
"""Bytes of a key that is made at start."""
MIN_SECRET: Final = 16
"""Characters of a seal key: what is shorter can be guessed."""

_NONCE, _TAG = 12, 16


class BrokenSealError(Exception):
    """A text that we did not make, or made for something else."""


class Sealer:
    """Seals and opens JSON objects.

    The first of the plan's ``seal_keys`` seals and all of them open, so that keys can be rotated; without any, a key
    made at start does, and no text outlives the process; ``own`` is that key where processes share one. A ``binding`` must be the same on both sides; it is not in
    the text.
    """

    def __init__(self, secrets: Secrets | None = None, own: bytes | None = None) -> None:
        self._secrets = secrets or Secrets(Path())
        self._own = own or os.urandom(OWN_KEY)
        self._ciphers: dict[tuple[bytes, str], AESGCM] = {}

    async def seal(self, keys: Sequence[Value], purpose: str, payload: dict[str, Any], binding: str = "") -> str:
        """The text of a payload (base64url, no padding); raises ``SecretError`` where a key has no value."""
        cipher, nonce = (await self._all(keys[:1], purpose))[0], os.urandom(_NONCE)
        sealed = nonce + cipher.encrypt(nonce, jsontext.dump(payload).encode(), binding.encode())
        return _text(sealed)

    async def open(self, keys: Sequence[Value], purpose: str, text: str, binding: str = "") -> dict[str, Any]:
        """The payload of a text; raises ``BrokenSealError``, and ``SecretError`` where a key has no value."""
        sealed = _bytes(text)
        for cipher in await self._all(keys, purpose):
            try:
                payload = members(jsontext.parse(cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], binding.encode())))
            except InvalidTag:
                continue
            if payload is not None:
                return payload
        raise BrokenSealError

    async def _all(self, keys: Sequence[Value], purpose: str) -> list[AESGCM]:
        secrets = [await self._resolved(key) for key in keys] or [self._own]
        return [self._cipher(secret, purpose) for secret in secrets]

    async def _resolved(self, key: Value) -> bytes:
        secret = await self._secrets.resolve(key)
        if len(secret) < MIN_SECRET:
            raise SecretError(f"a seal key has fewer than {MIN_SECRET} characters")
        return secret.encode()

    def _cipher(self, secret: bytes, purpose: str) -> AESGCM:
        found = self._ciphers.get((secret, purpose))
        if found is None:
            derived = HKDF(SHA256(), 32, salt=None, info=f"meshplan {purpose} v1".encode()).derive(secret)
            found = self._ciphers[secret, purpose] = AESGCM(derived)
        return found


def _bytes(text: str) -> bytes:
    try:
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise BrokenSealError from None
    if len(text) > MAX_TEXT or len(sealed) < _NONCE + _TAG or _text(sealed) != text:
        raise BrokenSealError
    return sealed


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
