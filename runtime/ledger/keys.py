"""The key that a ledger's heads are signed with."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from meshplan.schemas.ledger.heads import PRIVATE_KEY, PUBLIC_KEY


class LedgerKeyError(ValueError):
    """The file of the key has another one; the text says so."""


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The key of a folder, made once, its public half beside it; raises ``OSError`` and ``ValueError``."""
    path, fresh = folder / PRIVATE_KEY, folder / f".{secrets.token_hex(8)}.key"
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        with suppress(FileExistsError):
            os.link(fresh, path)
        fresh.unlink()
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerKeyError(f"`{path.name}` is not an Ed25519 key")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if not (folder / PUBLIC_KEY).exists():
        (folder / PUBLIC_KEY).write_bytes(public)
    return key
