"""Frames over a Unix socket in a private folder: four bytes of length, then one JSON value; for this user's processes only."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio

from meshplan.runtime.shapes import members

MAX_FRAME: Final = 128 * 1024 * 1024
"""Bytes: an answer of 16 MiB, the most that is taken from a server, with every character escaped, and the rest."""
READ_AHEAD: Final = 1 << 20
"""Bytes that wait to be read before the other side has to wait."""
BACKLOG: Final = 4096

_HEAD: Final = struct.Struct(">I")
_CREDENTIALS: Final = struct.Struct("3i")

_log = logging.getLogger(__name__)


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
    """One open connection; frames may be sent by several tasks, and received by one.

    asyncio's own streams: those of anyio report an error for each event that follows a cancellation.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.pid = _checked(writer)

    async def send(self, frame: bytes) -> None:
        """Send one encoded frame; raises ``OSError`` where nobody reads any more."""
        if self._writer.is_closing():
            raise BrokenPipeError
        self._writer.write(frame)
        await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next frame, or ``None`` at the end; whatever is not a frame is the end, too."""
        try:
            (size,) = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
            if size > MAX_FRAME:
                return None
            return members(json.loads(await self._reader.readexactly(size)))
        except (asyncio.IncompleteReadError, OSError, ValueError, RecursionError):
            return None

    def close(self) -> None:
        """Close the connection, once what was sent has gone; the other end notices."""
        self._writer.close()


def _checked(writer: asyncio.StreamWriter) -> int:
    """The process at the other end; raises ``ForeignPeerError`` unless it is this user's.

    Where the system does not tell, the folder's permissions have to do, and 0 is returned.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return 0
    sent = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(sent)
    if user != os.geteuid():
        raise ForeignPeerError(f"process {pid} belongs to user {user}")
    return pid


@asynccontextmanager
async def connected(path: Path) -> AsyncGenerator[Wire]:
    """A connection to the process that listens there; raises ``OSError`` where none does."""
    reader, writer = await asyncio.open_unix_connection(path, limit=READ_AHEAD)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


class Listener:
    """Takes connections at a path: nobody but this user may connect. The folder is the caller's, and private."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        path.chmod(0o600)
        self._socket.listen(BACKLOG)

    async def serve(self, welcome: Callable[[Wire], Awaitable[None]]) -> None:
        """Let ``welcome`` have each connection, which is closed afterwards, until cancelled."""
        async with anyio.create_task_group() as tasks:

            async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await welcome(Wire(reader, writer))
                except ForeignPeerError as error:
                    _log.warning("a connection was refused: %s", error)
                finally:
                    writer.close()

            def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tasks.start_soon(meet, reader, writer)

            server = await asyncio.start_unix_server(met, sock=self._socket, limit=READ_AHEAD, backlog=BACKLOG)
            try:
                await anyio.sleep_forever()
            finally:
                server.close()
