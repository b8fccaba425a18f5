import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """The compiler is hermetic: a socket in these tests is a defect."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("the compiler opened a socket")

    for way_out in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, way_out, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
