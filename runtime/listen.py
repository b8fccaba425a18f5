"""Addresses to listen on: how they are written, and the sockets that are made of them."""

from __future__ import annotations

import socket
import sys
from typing import cast

from meshplan.runtime.front.guard import Binding
from meshplan.schemas.bundle import PlanRefusedError

OK, TRUST, USAGE, INTERRUPTED = 0, 6, 64, 130


class StartError(Exception):
    """The runtime cannot start; ``code`` is the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def refused(error: PlanRefusedError) -> StartError:
    """The plan to begin with cannot be served."""
    return StartError(TRUST, f"the plan is refused ({error.code}): {error}")


def told(error: BaseException) -> int | None:
    """Say why the runtime cannot start; the exit code, or ``None`` where the error, or the group of one, is another."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        codes = [told(inner) for inner in group.exceptions]
        return next((code for code in codes if code is not None), None)
    if not isinstance(error, StartError):
        return None
    sys.stderr.write(f"{error}\n")
    sys.stderr.flush()
    return error.code


def binding_of(listen: str) -> Binding:
    """Read ``HOST:PORT``, with brackets around an IPv6 address; raises ``StartError``."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise StartError(USAGE, f"`{listen}` is not an address to listen on; write `HOST:PORT`")
    return Binding(host, int(port))


def listen_on(wanted: Binding, *, shared: bool = False) -> socket.socket:
    """A listening TCP socket, ``shared`` with others on the same port; raises ``OSError``."""
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is spelled out; else every answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((wanted.host, wanted.port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener
