"""What callers were given by authorization servers: one sealed file each, replaced as a whole, readable by us alone."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import anyio
import anyio.to_thread

from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.upstream.oauth import AccessToken, Registered, Terms
from meshplan.schemas import jsontext
from meshplan.schemas.plan import Value

_LOCK_SECONDS, _LOCK_TRIES = 0.05, 500
"""Longer in all than the questions to an authorization server that whoever holds the lock asks."""
_MAX_BYTES: Final = 64 * 1024


class Slot(Protocol):
    """One file: its name, what it is for, and what its seal is bound to, so that it does not open in another's place."""

    purpose: ClassVar[str]

    @property
    def name(self) -> str:
        """Tells nobody what it is about."""
        ...

    @property
    def binding(self) -> str:
        """See the class."""
        ...


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose tokens, where, and from whom: none of them is good for anything else, not even after an edit of the plan."""

    purpose: ClassVar[str] = "sign-in"

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
        """See ``Slot``."""
        where = [self.server, self.issuer, self.client_id, self.resource, list(self.scopes)]
        return jsontext.canonical([*self.owner, *where])


@dataclass(frozen=True, slots=True)
class Vault:
    """The folder of all tokens and registrations, which all processes and runtimes of a mesh share."""

    folder: Path
    sealer: Sealer = field(repr=False)
    keys: Sequence[Value] = ()

    def version(self, slot: Slot) -> tuple[int, int] | None:
        """Tells one state of a file from another, without reading it; ``None`` where there is none."""
        try:
            found = (self.folder / slot.name).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    async def read(self, holder: Holder) -> AccessToken | None:
        """The tokens of a holder, with the time in seconds since the epoch; raises ``SecretError`` for an unset key."""
        found = await self.load(holder)
        if found is None:
            return None
        return AccessToken(found["token"], found["until"], found["refresh"], terms=_terms(found.get("terms")))

    async def write(self, holder: Holder, token: AccessToken) -> None:
        """Keep the tokens of a holder in the place of older ones; raises ``SecretError``."""
        payload = {
            "token": token.value,
            "until": int(token.until),
            "refresh": token.refresh,
            "terms": asdict(token.terms),
        }
        await self.keep(holder, payload)

    async def load(self, slot: Slot) -> dict[str, Any] | None:
        """What a file holds, ``None`` where there is none that opens; raises ``SecretError``."""
        try:
            text = await anyio.to_thread.run_sync(_read, self.folder / slot.name)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            raise SecretError(f"the folder of sign-ins cannot be read: {type(error).__name__}") from None
        try:
            return await self.sealer.open(self.keys, slot.purpose, text, slot.binding)
        except BrokenSealError:
            return None

    async def keep(self, slot: Slot, payload: dict[str, Any]) -> None:
        """Put this into a file, in the place of what is there; raises ``SecretError``."""
        text = await self.sealer.seal(self.keys, slot.purpose, payload, slot.binding)
        try:
            await anyio.to_thread.run_sync(_write, self.folder, slot.name, text)
        except OSError as error:
            raise SecretError(f"the folder of sign-ins cannot be written: {error.strerror}") from None

    def forget(self, slot: Slot) -> None:
        """Remove what is no longer good."""
        with suppress(FileNotFoundError):
            (self.folder / slot.name).unlink()

    @asynccontextmanager
    async def locked(self, slot: Slot) -> AsyncGenerator[None]:
        """Be the only one, in all processes, who replaces a file; raises ``SecretError``."""
        try:
            descriptor = os.open(_made(self.folder) / f"{slot.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SecretError(f"the folder of sign-ins cannot be written: {error.strerror}") from None
        try:
            for _ in range(_LOCK_TRIES):
                if _taken(descriptor):
                    break
                await anyio.sleep(_LOCK_SECONDS)
            else:
                raise SecretError("another process is at it, and that takes too long")
            yield
        finally:
            os.close(descriptor)


def _terms(found: dict[str, Any] | None) -> Terms:
    """What a file says of its tokens; those of files from before are the declared client's."""
    if found is None:
        return Terms()
    client = found["registered"]
    registered = None if client is None else Registered(**client)
    return Terms(registered, tuple(found["asked"]), found["at"], found["told"])


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
