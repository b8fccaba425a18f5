"""Where the access tests of a mesh are."""

from __future__ import annotations

import os
from pathlib import Path

SUFFIX = ".mesh-test.yaml"
_PASSED_BY = frozenset({"node_modules", "__pycache__"})


def test_files(root: Path) -> list[str]:
    """The test files below a folder, without hidden folders and installed packages, sorted."""
    found: list[str] = []
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in _PASSED_BY)
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in names if name.endswith(SUFFIX)]
    return sorted(found)
