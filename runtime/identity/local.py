"""The secret of the local profile: a file of ours, made once, that nobody else may read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

LOCAL_FILE = ".mesh/local-secret"
"""Where the secret of the local profile lies, below the root folder."""

_MAX_BYTES = 4096


class LocalSecretError(Exception):
    """The file of the local secret cannot be trusted; the text says what to do."""


def ensure_local_secret(root: Path) -> str:
    """Read the local secret below ``root``, or make it once; raises ``LocalSecretError`` where others could read it."""
    path = root / LOCAL_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_secret(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="ascii") as file:
        found = os.fstat(file.fileno())
        if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid != os.getuid():
            raise LocalSecretError(f"`{LOCAL_FILE}` can be read by others; remove it, and it is made again")
        secret = file.read(_MAX_BYTES).strip()
    if len(secret) < 32:
        raise LocalSecretError(f"`{LOCAL_FILE}` holds no secret; remove it, and it is made again")
    return secret


def _make_secret(path: Path) -> None:
    """Write to a file of our own first, then link it into place: who looks sees nothing or all of it."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"mesh-local-{secrets.token_urlsafe(32)}\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
