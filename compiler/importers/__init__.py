"""Readers of the configurations that people already have; pure: no network, no environment, no files.

Secrets are never copied: they become references, and a note says which variable to set.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from meshplan.compiler.importers.agentgateway import AGENTGATEWAY
from meshplan.compiler.importers.codex import CODEX
from meshplan.compiler.importers.combine import combine as combine
from meshplan.compiler.importers.docker_catalog import DOCKER_CATALOG
from meshplan.compiler.importers.documents import Syntax, load
from meshplan.compiler.importers.gridctl import GRIDCTL
from meshplan.compiler.importers.litellm import LITELLM
from meshplan.compiler.importers.mcpservers import CLAUDE_CODE, CLAUDE_DESKTOP, CURSOR
from meshplan.compiler.importers.model import Format, Import, ImportedServer, ImportProblem, Level, Log, Note, Plain
from meshplan.compiler.importers.vscode import VSCODE
from meshplan.compiler.importers.write import mesh_data as mesh_data
from meshplan.compiler.importers.write import render_mesh as render_mesh
from meshplan.compiler.importers.zed import ZED

__all__ = [
    "FORMATS",
    "Format",
    "Import",
    "ImportProblem",
    "ImportedServer",
    "Level",
    "Note",
    "combine",
    "detect",
    "mesh_data",
    "read",
    "render_mesh",
]

FORMATS: Final[tuple[Format, ...]] = (
    CURSOR,
    CLAUDE_DESKTOP,
    CLAUDE_CODE,
    ZED,
    VSCODE,
    CODEX,
    DOCKER_CATALOG,
    GRIDCTL,
    LITELLM,
    AGENTGATEWAY,
)
"""Every format, in the order in which contents are tried: the narrower claim first."""

_SUFFIXES: Final[dict[str, Syntax]] = {
    ".json": "jsonc",
    ".jsonc": "jsonc",
    ".json5": "jsonc",
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
}


def detect(name: str, text: str) -> str | None:
    """Return the id of the format that a file has by its name or else by its contents, or None."""
    path = "/" + name.replace("\\", "/").lower().lstrip("/")
    by_name = next((f for f in FORMATS if any(path.endswith(f"/{file}") for file in f.files)), None)
    for syntax in _syntaxes(path, text):
        data = _try(syntax, text)
        if data is None:
            continue
        if by_name is not None and by_name.syntax == syntax and by_name.claims(data):
            return by_name.id
        found = next((f.id for f in FORMATS if f.syntax == syntax and f.claims(data)), None)
        if found is not None:
            return found
    return by_name.id if by_name is not None else None


def read(format_id: str, name: str, text: str) -> Import:
    """Read one file; `name` is only for messages.

    Raises ImportProblem where the text is not of that format's syntax, and KeyError for an unknown format.
    """
    del name
    format = {known.id: known for known in FORMATS}[format_id]
    log = Log()
    found = format.read(load(format.syntax, text, log), log)
    if not found.servers and not found.notes:
        return Import((), (Note("warning", None, "", f"the file has no servers that {format.title} would start"),))
    return found


def _syntaxes(path: str, text: str) -> Iterable[Syntax]:
    for suffix, syntax in _SUFFIXES.items():
        if path.endswith(suffix):
            return (syntax,)
    return ("jsonc",) if text.lstrip("\ufeff \t\r\n").startswith(("{", "//", "/*")) else ("toml", "yaml")


def _try(syntax: Syntax, text: str) -> dict[str, Plain] | None:
    try:
        return load(syntax, text, Log())
    except ImportProblem:
        return None
