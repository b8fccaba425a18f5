"""Which file of a client an entry goes into when nobody names one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from meshplan.compiler.clients.entries import Client

_SYSTEMS = {"darwin": "macos", "win32": "windows"}


def configuration_file(client: Client, project: Path, home: Path) -> Path:
    """The project's own file where the client reads one, else the person's on this system."""
    if "project" in client.paths:
        return project / client.paths["project"]
    written = client.paths[_SYSTEMS.get(sys.platform, "linux")]
    if written.startswith("~/"):
        return home / written.removeprefix("~/")
    return Path(os.path.expandvars(written))
