"""Frames over a Unix socket in a private folder: four bytes of length, then one JSON value; for this user's processes only."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from meshplan.runtime.shapes import members

MAX_FRAME: Final = 128 * 1024 * 1024
"""Bytes: an answer of 16 MiB, the most that is taken from a server, with every character escaped, and the rest."""

_HEAD: Final = struct.Struct(">I")
_CREDENTIALS: Final = struct.Struct("3i")


class CannotCarryError(ValueError):
    """A value that does not fit into a frame."""


class ForeignPeerError(OSError):
    """The process on the other end belongs to another user."""


def encode(value: Any) -> bytes:
    """One frame; raises ``CannotCarryError``."""
    try:
        text = json.dumps(value, separators=(",", ":")).encode()
    except (ValueError, RecursionError, TypeError) as error:
        raise CannotCarryError(f"the message cannot be passed on: {error}") from None
    if len(text) > MAX_FRAME:
        raise CannotCarryError("the message is too large to be passed on")
    return _HEAD.pack(len(text)) + text


class Wire:
    """One open connection; frames may be sent by several tasks, and received by one."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream, self._reader = stream, BufferedByteReceiveStream(stream)
        self._lock = anyio.Lock()
        self.pid = _checked(stream)

    async def send(self, frame: bytes) -> None:
        """Send one encoded frame; raises ``OSError`` where nobody reads any more."""
        try:
            async with self._lock:
                await self._stream.send(frame)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise BrokenPipeError from None

    async def receive(self) -> dict[str, Any] | None:
        """The next frame, or ``None`` at the end; whatever is not a frame is the end, too."""
        try:
            (size,) = _HEAD.unpack(await self._reader.receive_exactly(_HEAD.size))
            if size > MAX_FRAME:
                return None
            return members(json.loads(await self._reader.receive_exactly(size)))
        except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError, ValueError, RecursionError):
            return None

    async def aclose(self) -> None:
        """Close the connection; the other end notices."""
        await self._stream.aclose()


def _checked(stream: anyio.abc.SocketStream) -> int:
    """The process at the other end; raises ``ForeignPeerError`` unless it is this user's.

    Where the system does not tell, the folder's permissions have to do, and 0 is returned.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    raw_socket: socket.socket = stream.extra_attributes[anyio.abc.SocketAttribute.raw_socket]()
    descriptor = raw_socket.fileno()
    with socket.fromfd(descriptor, socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        sent = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(sent)
    if user != os.geteuid():
        raise ForeignPeerError(f"process {pid} belongs to user {user}")
    return pid


@asynccontextmanager
async def connected(path: Path) -> AsyncGenerator[Wire]:
    """A connection to the process that listens there; raises ``OSError`` where none does."""
    stream = await anyio.connect_unix(path)
    async with stream:
        yield Wire(stream)


async def listen_at(path: Path) -> anyio.abc.SocketListener:
    """Listen there; nobody but this user may connect. The folder is the caller's, and private."""
    return await anyio.create_unix_listener(path, mode=0o600)
