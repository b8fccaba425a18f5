"""A stdio server's process: where it runs, what it may see, and where its standard error goes."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.upstream import sdk
from meshplan.runtime.upstream.failures import SecretUnavailable, Unavailable
from meshplan.schemas.plan import StdioTransport

MAX_LINE_BYTES = 8 * 1024
"""A longer line of standard error is cut into lines of this length."""


@asynccontextmanager
async def open_child(
    name: str, transport: StdioTransport, secrets: Secrets, root: Path
) -> AsyncGenerator[tuple[sdk.Streams, StderrRelay], None]:
    """Start the process; yields its streams, and the relay of its standard error, which the caller runs.

    Raises ``SecretUnavailable``, and ``Unavailable`` where the process does not start.
    """
    try:
        env = {key: await secrets.resolve(value) for key, value in transport.env.items()}
    except SecretError as error:
        raise SecretUnavailable(str(error)) from None
    cwd = root / transport.cwd
    if not cwd.is_dir():
        raise Unavailable(f"working directory `{transport.cwd}` does not exist")
    reader, writer = os.pipe()
    relay, errlog, started = StderrRelay(name, reader), os.fdopen(writer, "w"), False
    try:
        async with sdk.open_stdio(transport.argv, env, cwd, errlog) as streams:
            started = True
            errlog.close()
            yield streams, relay
    except (OSError, ValueError) as error:
        if started:
            raise
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "an argument holds a NUL character"
        raise Unavailable(f"command `{transport.argv[0]}` does not start: {reason}") from None
    finally:
        errlog.close()
        relay.close()


class StderrRelay:
    """Copies a child's standard error to ours, each line after the server's name, control characters left out."""

    def __init__(self, name: str, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._name, self._descriptor, self._rest = name, descriptor, b""

    async def run(self) -> None:
        """Copy until every process that holds the other end has closed it."""
        while True:
            await anyio.wait_readable(self._descriptor)
            if self._copy() == b"":
                return

    def close(self) -> None:
        """Copy what is left, without waiting, and close."""
        while self._copy():
            pass
        if self._rest:
            self._show(self._rest)
        os.close(self._descriptor)

    def _copy(self) -> bytes | None:
        """What was read: empty at the end, ``None`` where there is nothing yet."""
        try:
            chunk = os.read(self._descriptor, 64 * 1024)
        except BlockingIOError:
            return None
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._show(line)
        while len(self._rest) > MAX_LINE_BYTES:
            self._show(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return chunk

    def _show(self, line: bytes) -> None:
        text = line[:MAX_LINE_BYTES].decode(errors="replace").replace("\t", "    ")
        shown = "".join(character for character in text if character.isprintable())
        sys.stderr.write(f"[{self._name}] {shown}\n")
