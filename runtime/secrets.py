"""Turns a plan's references into values: environment variables, files and commands; keeps them out of every message."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from meshplan.schemas.plan import FromEnv, FromExec, FromFile, Literally, Value

MAX_BYTES = 64 * 1024
"""A credential is small; more than this is a mistake in the reference."""

_REFUSED = {"\r": "a line break", "\n": "a line break", "\0": "a NUL character"}


class SecretError(Exception):
    """A reference that gives no usable value; the text names the reference, never what it holds."""


class SignInRequiredError(SecretError):
    """The caller has to sign in to a server (again) before anything can be sent for it, for ``scopes`` where it names any."""

    def __init__(self, text: str, scopes: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.scopes = scopes


@dataclass(frozen=True, slots=True)
class _Known:
    value: str
    at: float


class Secrets:
    """Values of references, those of files and commands kept for ``ttl`` seconds; safe for concurrent use.

    ``root`` is the folder of the mesh: relative paths start there and commands run there. ``timeout`` is seconds for
    one command. A value younger than ``min_age`` seconds is not looked up again by ``refresh``, so that a server
    which refuses a good credential does not make us run a command for every call.
    """

    def __init__(
        self,
        root: Path,
        *,
        environ: Mapping[str, str] | None = None,
        ttl: float = 60.0,
        min_age: float = 1.0,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root = root
        self._environ = os.environ if environ is None else environ
        self._ttl, self._min_age, self._timeout, self._clock = ttl, min_age, timeout, clock
        self._known: dict[Value, _Known] = {}
        self._locks: dict[Value, anyio.Lock] = {}

    async def resolve(self, value: Value) -> str:
        """Return the value of a reference; raises ``SecretError``."""
        if isinstance(value, Literally):
            return _usable(value.value, "a literal value")
        if isinstance(value, FromEnv):
            return self._from_environment(value)
        known = self._known.get(value)
        if known is not None and self._clock() - known.at < self._ttl:
            return known.value
        return await self._look_up(value, lambda found: self._clock() - found.at < self._ttl)

    async def refresh(self, value: Value, rejected: str) -> str:
        """Return the value anew where it still is the one that a server rejected; raises ``SecretError``."""
        if isinstance(value, Literally | FromEnv):
            return await self.resolve(value)
        return await self._look_up(
            value, lambda found: found.value != rejected or self._clock() - found.at < self._min_age
        )

    async def _look_up(self, value: FromFile | FromExec, good: Callable[[_Known], bool]) -> str:
        """Read once for all who wait, unless what another reader just found is good enough."""
        async with self._locks.setdefault(value, anyio.Lock()):
            known = self._known.get(value)
            if known is None or not good(known):
                text = await (self._from_file(value) if isinstance(value, FromFile) else self._from_command(value))
                known = self._known[value] = _Known(text, self._clock())
            return known.value

    def _from_environment(self, value: FromEnv) -> str:
        what = f"environment variable `{value.name}`"
        found = self._environ.get(value.name)
        if found is None:
            raise SecretError(f"{what} is not set")
        return _present(_usable(found, what), what)

    async def _from_file(self, value: FromFile) -> str:
        what = f"secret file `{value.path}`"

        def read() -> bytes:
            with (self._root / value.path).open("rb") as file:
                return file.read(MAX_BYTES + 1)

        try:
            content = await anyio.to_thread.run_sync(read, abandon_on_cancel=True)
        except OSError as error:
            raise SecretError(f"{what} cannot be read: {error.strerror}") from None
        return _text(content, what)

    async def _from_command(self, value: FromExec) -> str:
        what = f"secret command `{value.argv[0]}`"
        content = b""
        with _explained(what, self._timeout), anyio.fail_after(self._timeout):
            process = await anyio.open_process(
                list(value.argv), cwd=self._root, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            try:
                while process.stdout is not None and len(content) <= MAX_BYTES:
                    content += await process.stdout.receive(MAX_BYTES)
            except anyio.EndOfStream:
                await process.wait()
            finally:
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                with anyio.CancelScope(shield=True):
                    await process.aclose()
        if len(content) <= MAX_BYTES and process.returncode != 0:
            raise SecretError(f"{what} failed with status {process.returncode}")
        return _text(content, what)


@contextmanager
def _explained(what: str, timeout: float) -> Generator[None]:
    try:
        yield
    except TimeoutError:
        raise SecretError(f"{what} did not finish within {timeout:g} s") from None
    except OSError as error:
        raise SecretError(f"{what} cannot be run: {error.strerror}") from None


def _text(content: bytes, what: str) -> str:
    if len(content) > MAX_BYTES:
        raise SecretError(f"{what} gives more than {MAX_BYTES // 1024} KiB")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise SecretError(f"{what} is not UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    return _present(_usable(text, what), what)


def _usable(text: str, what: str) -> str:
    for character, name in _REFUSED.items():
        if character in text:
            raise SecretError(f"{what} holds {name}")
    return text


def _present(text: str, what: str) -> str:
    if not text:
        raise SecretError(f"{what} is empty")
    return text
