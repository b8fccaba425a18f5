"""The file of signed heads, to which every writer of a folder appends whole lines."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from meshplan.schemas.ledger.heads import HEADS

_LONGEST: Final = 4096
"""Bytes of a line at most."""


class Exported:
    """Open for appending; all methods raise ``OSError``."""

    def __init__(self, folder: Path) -> None:
        """What a crash or a full disk left of a line is cut off, as the next one would be lost with it."""
        self._file = os.open(folder / HEADS, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with self._alone():
            start = max(0, os.fstat(self._file).st_size - _LONGEST)
            end = os.pread(self._file, _LONGEST, start).rfind(b"\n")
            if end >= 0 or start == 0:
                os.ftruncate(self._file, start + end + 1)

    def append(self, line: bytes) -> None:
        """Add a line, on the disk when this returns, or nothing."""
        with self._alone():
            before = os.fstat(self._file).st_size
            try:
                self._write(line + b"\n")
            except OSError:
                os.ftruncate(self._file, before)
                raise

    def _write(self, line: bytes) -> None:
        if os.write(self._file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    @contextmanager
    def _alone(self) -> Generator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
