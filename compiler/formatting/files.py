"""Which files `mesh fmt` is for when it is given none: the mesh's own, and its tests."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Any, cast

from meshplan.compiler.reader import FolderReader
from meshplan.compiler.source import read_yaml

TESTS = ".mesh-test.yaml"
_NOT_OURS = frozenset({"node_modules", "__pycache__", "venv"})


def mesh_files(root: Path, entry: str) -> list[str]:
    """The entry file, what it includes, and every access test below ``root``, relative to it; missing files are left out."""
    reader = FolderReader(root)
    found: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop(0)
        text = None if name in found else reader.read(name)
        if text is not None:
            found[name] = None
            waiting += _included(reader, name, text)
    return [*found, *(test for test in _tests(root) if test not in found)]


def _included(reader: FolderReader, name: str, text: str) -> list[str]:
    root = read_yaml(name, text)[0]
    written: Any = root.get("include") if root is not None else None
    patterns = cast("list[Any]", written) if isinstance(written, list) else []
    joined = [posixpath.join(posixpath.dirname(name), part) for part in patterns if isinstance(part, str) and part]
    return [file for pattern in joined for file in reader.names(pattern)]


def _tests(root: Path) -> list[str]:
    found: list[str] = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".") and name not in _NOT_OURS]
        here = Path(folder).relative_to(root)
        found += [(here / file).as_posix() for file in files if file.endswith(TESTS)]
    return sorted(found)
