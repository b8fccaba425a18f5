"""Where sources come from: a folder or memory; read-only, and never outside the mesh's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Protocol


class Reader(Protocol):
    """The files of one mesh by their path relative to its root, with `/` between parts."""

    def read(self, path: str) -> str | None:
        """The text of a file, or ``None`` where there is none. Bytes that are not UTF-8 read as U+FFFD."""
        ...

    def names(self, pattern: str) -> list[str]:
        """The existing files that match a glob, sorted."""
        ...


@dataclass(frozen=True, slots=True)
class FolderReader:
    """A folder on disk."""

    root: Path

    def read(self, path: str) -> str | None:
        """See ``Reader``."""
        if not inside(path):
            return None
        try:
            return (self.root / path).read_bytes().decode("utf-8", errors="replace")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def names(self, pattern: str) -> list[str]:
        """See ``Reader``."""
        if not inside(pattern) or not _plain(pattern):
            return []
        try:
            return sorted(p.relative_to(self.root).as_posix() for p in self.root.glob(pattern) if p.is_file())
        except (ValueError, OSError):
            return []

    def is_folder(self, path: str) -> bool:
        """Whether a folder has this path."""
        return inside(path) and "\0" not in path and (self.root / path).is_dir()


@dataclass(frozen=True, slots=True)
class MemoryReader:
    """Files in memory: an editor's unsaved buffers, a test, a git tree."""

    files: Mapping[str, str]

    def read(self, path: str) -> str | None:
        """See ``Reader``."""
        return self.files.get(path)

    def names(self, pattern: str) -> list[str]:
        """See ``Reader``."""
        if not inside(pattern) or not _plain(pattern):
            return []
        return sorted(name for name in self.files if _matches(PurePosixPath(name).parts, PurePosixPath(pattern).parts))


def _plain(pattern: str) -> bool:
    """Whether every Python reads the pattern alike: `**` is a whole part or nothing."""
    return all("**" not in part or part == "**" for part in pattern.split("/")) and "\0" not in pattern


def _matches(name: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """As `Path.glob` matches: part by part, `**` any number of folders."""
    if not pattern or not name:
        return not pattern and not name
    if pattern[0] == "**":
        return _matches(name, pattern[1:]) or _matches(name[1:], pattern)
    return fnmatchcase(name[0], pattern[0]) and _matches(name[1:], pattern[1:])


def inside(path: str) -> bool:
    """Whether a path stays below the mesh's folder."""
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts
