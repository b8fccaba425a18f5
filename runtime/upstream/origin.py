"""The kept-alive connections to one server: taken, made and given back; nothing is sent twice.

A connection is let go before the common servers do it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import cache
from urllib.parse import SplitResult, urlsplit

from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.failures import SessionLost
from meshplan.runtime.upstream.wire import Connection, Reply

CONNECT_SECONDS = 10.0
MAX_IDLE = 256


@cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of all upstreams: the system's certificates, verified. It takes 20 ms to make."""
    return ssl.create_default_context()


class Origin:
    """The connections to one server; ``head`` is the start of every request."""

    def __init__(self, url: str, egress: Egress) -> None:
        parts, self._egress = urlsplit(url), egress
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed = False
        self.head = _head(parts)

    async def send(self, request: bytes, deadline: float) -> tuple[Connection, Reply]:
        """Send one request, which is given up at ``deadline`` (the event loop's seconds).

        Raises ``SessionLost`` where no connection could be made, so that nothing was sent.
        """
        connection = self._take() or await self._connect(deadline)
        reply = Reply()
        connection.send(request, reply, deadline)
        return connection, reply

    def _take(self) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            found = self._idle.pop()
            if found.usable(now):
                return found
            found.close()
        return None

    async def _connect(self, deadline: float) -> Connection:
        if self._closed:
            raise SessionLost("the connection has ended")
        loop = asyncio.get_running_loop()
        context = tls_context() if self._secure else None
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + CONNECT_SECONDS)):
                made = await self._reach(await self._egress.addresses(self._host, self._port), context)
        except TimeoutError:
            raise SessionLost(f"cannot connect: no answer within {CONNECT_SECONDS:g} s") from None
        except (OSError, UnicodeError) as error:
            raise SessionLost(f"cannot connect: {_why(error)}") from None
        self._open.add(made)
        return made

    async def _reach(self, addresses: list[str], context: ssl.SSLContext | None) -> Connection:
        """A connection to the first address that takes one; raises ``OSError``."""
        name = self._host if context is not None else None
        for number, address in enumerate(addresses, 1):
            try:
                _, made = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self._released, self._lost),
                    address,
                    self._port,
                    ssl=context,
                    server_hostname=name,
                )
            except OSError:
                if number == len(addresses):
                    raise
            else:
                return made
        raise OSError

    def _released(self, connection: Connection) -> None:
        connection.idle_since = asyncio.get_running_loop().time()
        if self._closed or len(self._idle) >= MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close every connection, and make no more."""
        self._closed = True
        for connection in tuple(self._open):
            connection.close()


def _head(parts: SplitResult) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = parts.netloc.rpartition("@")[2]
    lines = (
        f"POST {target} HTTP/1.1",
        f"host: {authority}",
        "user-agent: meshplan",
        "accept: application/json, text/event-stream",
        "accept-encoding: identity",
        "content-type: application/json",
    )
    return "".join(f"{line}\r\n" for line in lines).encode("ascii", errors="strict")


def _why(error: OSError | UnicodeError) -> str:
    """What the operating system or TLS said."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "the host name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return "connection failed"
