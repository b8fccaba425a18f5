"""What goes between the runtime and the process that holds the sandbox: JSON texts, each after its length."""

from __future__ import annotations

import struct

MAX_FRAME = 32 * 1024 * 1024
"""Bytes of one text; a longer one is a broken peer."""

_LENGTH = struct.Struct("!I")


class BrokenFrameError(ValueError):
    """A length that nobody sends."""


def framed(text: bytes) -> bytes:
    """The text with its length before it, 4 bytes in network order."""
    return _LENGTH.pack(len(text)) + text


class Unframed:
    """Takes bytes as they come and gives whole texts."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._held, self._limit = bytearray(), limit

    def feed(self, chunk: bytes) -> None:
        """More bytes."""
        self._held += chunk

    def next(self) -> bytes | None:
        """The next whole text, if it is there; raises ``BrokenFrameError``."""
        if len(self._held) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._held)
        if length > self._limit:
            raise BrokenFrameError(f"a text of {length} bytes")
        end = _LENGTH.size + length
        if len(self._held) < end:
            return None
        text = bytes(self._held[_LENGTH.size : end])
        del self._held[:end]
        return text
