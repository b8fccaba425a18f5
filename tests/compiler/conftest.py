import socket
import subprocess
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


@pytest.fixture
def repository(tmp_path):
    """An empty repository: its folder, and git in it."""

    def git(*words):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    return tmp_path, git
