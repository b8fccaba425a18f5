"""Standard input and output as lines of bytes for the event loop; a reader that blocks keeps no process alive."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from meshplan.runtime.front.desk import Write

_CHUNK = 65_536


@asynccontextmanager
async def lines_of(source: int, longest: int) -> AsyncGenerator[MemoryObjectReceiveStream[bytes]]:
    """The lines that can be read from a file descriptor, at most ``longest`` bytes each; a longer one ends the input."""
    send, receive = anyio.create_memory_object_stream[bytes](0)
    token = anyio.lowlevel.current_token()

    def pump() -> None:
        try:
            for line in _lines(source, longest):
                anyio.from_thread.run(send.send, line, token=token)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, RuntimeError, OSError):
            return
        finally:
            _close(send, token)

    # A daemon that reads the descriptor itself: one that held the lock of sys.stdin would crash the interpreter's exit.
    threading.Thread(target=pump, name="standard input", daemon=True).start()
    with send, receive:
        yield receive


def _lines(source: int, longest: int) -> Iterator[bytes]:
    rest = b""
    while chunk := os.read(source, _CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if len(line) > longest:
                return
            yield line
        if len(rest) > longest:
            return
    if rest:
        yield rest


def _close(send: MemoryObjectSendStream[bytes], token: anyio.lowlevel.EventLoopToken) -> None:
    try:
        anyio.from_thread.run_sync(send.close, token=token)
    except RuntimeError:
        return


def line_writer(sink: int) -> Write:
    """Writes one message a line to a file descriptor, in order, without holding up the event loop."""
    lock = anyio.Lock()

    def put(line: bytes) -> None:
        try:
            while line:
                line = line[os.write(sink, line) :]
        except OSError:
            return  # The client has left; the end of its input will say so.

    async def write(message: bytes) -> None:
        async with lock:
            await anyio.to_thread.run_sync(put, message + b"\n")

    return write
