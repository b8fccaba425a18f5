"""The package that a stdio server is started from, and its integrity as npm's or pip's own client reports it.

Used by `mesh lock` and `mesh drift` only. Where a registry cannot be asked, the answer is a reason and never an error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, cast
from urllib.parse import unquote, urlsplit

from meshplan.compiler.lockfile import Package
from meshplan.compiler.package_spec import spec_of
from meshplan.compiler.syntax.servers import AnyServer, StdioServer

SECONDS: Final = 30.0
CONCURRENT: Final = 8
_MAX_OUTPUT: Final = 4 * 1024 * 1024

_SRI: Final = re.compile(r"sha(?:256|384|512)-[A-Za-z0-9+/]{20,100}={0,2}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_ELSEWHERE: Final = frozenset(
    ("--registry", "--index-url", "--index", "--extra-index-url", "--default-index", "--find-links", "-i", "-f")
)
_ELSEWHERE_ENV: Final = re.compile(r"(?:npm_config_|uv_|pip_).*(?:registry|index|find_links)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a package, or why nothing is."""

    package: Package | None
    reason: str | None = None


class Packages:
    """Asks for the integrity of servers' packages in the background; leave the context to drop what is unanswered."""

    def __init__(self, servers: Mapping[str, AnyServer], root: Path) -> None:
        self._pool = ThreadPoolExecutor(max_workers=CONCURRENT, thread_name_prefix="package")
        self._asked: dict[str, Future[Answer]] = {
            name: self._pool.submit(integrity, server, root)
            for name, server in servers.items()
            if isinstance(server, StdioServer) and spec_of(server.stdio) is not None
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def answer(self, server: str) -> Answer:
        """What is known of a server's package; waits for it at most ``SECONDS`` and a little."""
        return self._asked[server].result() if server in self._asked else Answer(None)


def integrity(server: StdioServer, root: Path) -> Answer:
    """Ask the ordinary client; blocks for at most ``SECONDS``."""
    spec = spec_of(server.stdio)
    if spec is None:
        return Answer(None)
    if spec.version is None:
        return Answer(None, f"`{spec.name}` is not pinned to one version")
    flags = {word.partition("=")[0] for word in server.stdio}
    if flags & _ELSEWHERE or any(_ELSEWHERE_ENV.fullmatch(name) for name in server.env):
        return Answer(None, f"`{spec.name}` comes from a registry of its own")
    folder = root / server.cwd
    ask = _npm if spec.ecosystem == "npm" else _pypi
    return ask(spec.name, spec.version, folder if folder.is_dir() else root)


def _npm(name: str, version: str, folder: Path) -> Answer:
    client = shutil.which("npm")
    if client is None:
        return Answer(None, "npm is not installed")
    said = _run([client, "view", f"{name}@{version}", "dist.integrity", "--json"], folder)
    found = _json(said)
    if not isinstance(found, str) or not _SRI.fullmatch(found):
        return Answer(None, f"npm gives no integrity for `{name}@{version}`")
    return Answer(Package("npm", name, version, found))


def _pypi(name: str, version: str, folder: Path) -> Answer:
    """Only wheels: to look into a source distribution pip would have to run its code."""
    client = shutil.which("pip")
    words = [client] if client else [sys.executable, "-m", "pip"]
    words += ["install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:"]
    said = _run([*words, "--quiet", "--report", "-", f"{name}=={version}"], folder)
    try:
        download = cast("dict[str, Any]", _json(said))["install"][0]["download_info"]
        digest = str(download["archive_info"]["hashes"]["sha256"])
        file = unquote(urlsplit(str(download["url"])).path.rpartition("/")[2])
    except (KeyError, IndexError, TypeError, ValueError):
        digest, file = "", ""
    if not _SHA256.fullmatch(digest):
        return Answer(None, f"pip gives no hash for `{name}=={version}`")
    return Answer(Package("pypi", name, version, f"sha256:{digest}", file[:200] or None))


def _json(text: str | None) -> object:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None


def _run(argv: list[str], folder: Path) -> str | None:
    """The standard output of a client that ends well and in time, with its children ended in any case."""
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env={**os.environ, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        said, _ = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        said = b""
    finally:
        _end(process)
    return said[:_MAX_OUTPUT].decode("utf-8", "replace") if process.returncode == 0 else None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
