"""Signed heads: what a chain ended with at a moment, so that whatever changes before it can be shown (RFC 8032)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from meshplan.schemas import jsontext

HEADS = "heads.jsonl"
PUBLIC_KEY = "ledger.pub"
PRIVATE_KEY = "ledger.key"


class HeadError(ValueError):
    """A head or a key that cannot be believed; the text says which."""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    writer: str
    epoch: int
    seq: int
    hash: str
    at: str
    signature: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The chain of ``writer`` had the entry ``seq`` with this hash (hex) at this time.

    ``removed``: the entries up to it were older than the ledger keeps them, and were let go.
    """

    writer: str
    epoch: int
    seq: int
    hash: str
    at: str
    removed: bool = False

    def members(self) -> dict[str, str | int]:
        """The head as one object."""
        said = {"writer": self.writer, "epoch": self.epoch, "seq": self.seq, "hash": self.hash, "at": self.at}
        return said | ({"removed": True} if self.removed else {})

    def text(self) -> bytes:
        """What is signed."""
        return b"meshplan ledger head\n" + jsontext.canonical(self.members()).encode()

    def signed(self, key: Ed25519PrivateKey) -> dict[str, str | int]:
        """The head as one object, with its signature in hex."""
        return {**self.members(), "signature": key.sign(self.text()).hex()}


def public_key(path: Path) -> Ed25519PublicKey:
    """Read a PEM public key; raises ``HeadError``."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise HeadError(f"`{path}` is not a public key that can be read: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise HeadError(f"`{path}` is not an Ed25519 key")
    return key


def read_heads(path: Path, key: Ed25519PublicKey) -> Iterator[Head]:
    """Every head of a file of JSON lines; raises ``HeadError`` at one that was not signed by this key.

    A last line that was cut off by a crash, without its line feed, is left out.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise HeadError(f"`{path}` cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines[:-1], 1):
        try:
            found = msgspec.json.decode(line, type=_Written)
            head = Head(found.writer, found.epoch, found.seq, found.hash, found.at, found.removed)
            key.verify(bytes.fromhex(found.signature), head.text())
        except (ValueError, InvalidSignature):
            raise HeadError(f"line {number} of `{path}` is not a head signed with this key") from None
        yield head
