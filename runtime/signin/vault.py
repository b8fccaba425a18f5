"""What callers were given by authorization servers: one sealed file each, replaced as a whole, readable by us alone."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread

from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.upstream.oauth import AccessToken
from meshplan.schemas import jsontext
from meshplan.schemas.plan import Value

_LOCK_SECONDS, _LOCK_TRIES = 0.05, 500
"""Longer in all than the questions to an authorization server that whoever holds the lock asks."""
_MAX_BYTES: Final = 64 * 1024
_PURPOSE: Final = "sign-in"


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose tokens, where, and from whom: none of them is good for anything else, not even after an edit of the plan."""

    owner: tuple[str, str]
    server: str
    issuer: str
    client_id: str
    resource: str
    scopes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the file; it tells nobody whose it is."""
        return hashlib.sha256(jsontext.canonical([*self.owner, self.server]).encode()).hexdigest()

    @property
    def binding(self) -> str:
        """What the seal is bound to: a file that is put in another's place does not open."""
        where = [self.server, self.issuer, self.client_id, self.resource, list(self.scopes)]
        return jsontext.canonical([*self.owner, *where])


@dataclass(frozen=True, slots=True)
class Vault:
    """The folder of all tokens, which all processes and runtimes of a mesh share."""

    folder: Path
    sealer: Sealer = field(repr=False)
    keys: Sequence[Value] = ()

    def version(self, holder: Holder) -> tuple[int, int] | None:
        """Tells one state of a file from another, without reading it; ``None`` where there is none."""
        try:
            found = (self.folder / holder.name).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    async def read(self, holder: Holder) -> AccessToken | None:
        """The tokens of a holder, with the time in seconds since the epoch; raises ``SecretError`` for an unset key."""
        try:
            text = await anyio.to_thread.run_sync(_read, self.folder / holder.name)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            raise SecretError(f"the folder of sign-ins cannot be read: {type(error).__name__}") from None
        try:
            found = await self.sealer.open(self.keys, _PURPOSE, text, holder.binding)
        except BrokenSealError:
            return None
        return AccessToken(found["token"], found["until"], found["refresh"])

    async def write(self, holder: Holder, token: AccessToken) -> None:
        """Keep the tokens of a holder in the place of older ones; raises ``SecretError``."""
        payload: dict[str, Any] = {"token": token.value, "until": int(token.until), "refresh": token.refresh}
        text = await self.sealer.seal(self.keys, _PURPOSE, payload, holder.binding)
        try:
            await anyio.to_thread.run_sync(_write, self.folder, holder.name, text)
        except OSError as error:
            raise SecretError(f"the folder of sign-ins cannot be written: {error.strerror}") from None

    def forget(self, holder: Holder) -> None:
        """Remove what is no longer good."""
        with suppress(FileNotFoundError):
            (self.folder / holder.name).unlink()

    @asynccontextmanager
    async def locked(self, holder: Holder) -> AsyncGenerator[None]:
        """Be the only one, in all processes, who renews the tokens of a holder; raises ``SecretError``."""
        try:
            descriptor = os.open(
                _made(self.folder) / f"{holder.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise SecretError(f"the folder of sign-ins cannot be written: {error.strerror}") from None
        try:
            for _ in range(_LOCK_TRIES):
                if _taken(descriptor):
                    break
                await anyio.sleep(_LOCK_SECONDS)
            else:
                raise SecretError("the caller's tokens are being renewed elsewhere, and that takes too long")
            yield
        finally:
            os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, encoding="ascii") as file:
        return file.read(_MAX_BYTES)


def _write(folder: Path, name: str, text: str) -> None:
    """Write to a file of our own first, then rename it: who looks sees the old text or the new one, also after a crash."""
    draft = _made(folder) / f".{name}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
