"""What a client's file says about one entry, and which texts our own entry is made of."""

from __future__ import annotations

from collections.abc import Iterator

from meshplan.compiler.clients.entries import Client
from meshplan.compiler.importers.documents import load
from meshplan.compiler.importers.model import Log, Plain


def holds_another(client: Client, text: str, name: str, endpoint: str) -> bool:
    """Whether the file has an entry of that name that leads somewhere else than to ``endpoint`` of a mesh.

    Raises ImportProblem where the text cannot be read.
    """
    section = _read(client, text).get(client.section)
    entry = section.get(name) if isinstance(section, dict) else None
    if entry is None:
        return False
    if not isinstance(entry, dict):
        return True
    url, arguments = entry.get("url"), entry.get("args")
    connects = isinstance(url, str) and url.rstrip("/").endswith(f"/mcp/{endpoint}")
    return not connects and not (isinstance(arguments, list) and arguments[-2:] == ["stdio", endpoint])


def texts(client: Client, snippet: str) -> frozenset[str]:
    """Every text in a snippet: what may be shown of a file that holds it."""
    return frozenset(_texts(_read(client, snippet)))


def _read(client: Client, text: str) -> dict[str, Plain]:
    if not text.strip("\ufeff \t\r\n"):
        return {}
    return load("toml" if client.language == "toml" else "jsonc", text, Log())


def _texts(value: Plain) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
