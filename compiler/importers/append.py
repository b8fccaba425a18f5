"""Entries added under `servers:` of a mesh.yaml that exists: one insertion, every other character kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from meshplan.compiler.importers import yamltext
from meshplan.compiler.importers.model import ImportedServer, ImportProblem, Note, Plain
from meshplan.compiler.importers.write import server_lines
from meshplan.compiler.marks import MapNode
from meshplan.compiler.newlines import ending, normalised, origin
from meshplan.compiler.source import read_yaml

_BY_HAND: Final = "add the servers by hand; `--format json` has them"
_COMMENT: Final = re.compile(r"( *)#")


class _Edit(NamedTuple):
    """Characters `start` to `end` of the text become `text`."""

    start: int
    end: int
    text: str


def existing_servers(root: MapNode) -> list[ImportedServer]:
    """Return the servers that a mesh.yaml has."""
    servers = root.get("servers")
    return [ImportedServer(name, entry) for name, entry in servers.items()] if isinstance(servers, MapNode) else []


def append_servers(text: str, root: MapNode, servers: Sequence[ImportedServer], notes: Sequence[Note]) -> str:
    """Return the text with entries behind those that it has; `root` is what `read_yaml` made of it.

    Line ends and a byte order mark stay. Raises ImportProblem where `servers` is no mapping, or stands in a form that
    only a person should edit.
    """
    if not servers:
        return text
    normal, place = normalised(text), origin(text)
    edit = _edit(normal, root, servers, notes)
    _check(root, normal[: edit.start] + edit.text + normal[edit.end :], servers)
    return text[: place(edit.start)] + edit.text.replace("\n", ending(text)) + text[place(edit.end) :]


def _edit(text: str, root: MapNode, servers: Sequence[ImportedServer], notes: Sequence[Note]) -> _Edit:
    if "servers" not in root:
        if text[root.here.start.index : root.here.start.index + 1] == "{":
            raise _problem(text, root.here.start.index, "the file is one `{…}` without `servers`")
        gap = "\n" if text.endswith("\n") else "\n\n"
        return _Edit(len(text), len(text), f"{gap}servers:\n{_block(servers, notes, 2)}\n")
    at = root.at["servers"]
    held = root["servers"]
    if isinstance(held, MapNode) and held:
        if text[at.start.index] == "{":
            last = max(entry.end.index for entry in held.at.values())
            return _Edit(last, last, "".join(f", {_flow(server)}" for server in servers))
        return _behind(text, held, servers, notes)
    if isinstance(held, MapNode) or (held is None and at.style is None):
        return _first(text, root, at.start.index, at.end.index, servers, notes)
    raise _problem(text, at.start.index, "`servers` is not a mapping")


def _first(
    text: str, root: MapNode, start: int, end: int, servers: Sequence[ImportedServer], notes: Sequence[Note]
) -> _Edit:
    """An empty `servers`: its `{}` or `null` goes, what follows on its line stays in front of the first entry."""
    if text[root.here.start.index : root.here.start.index + 1] == "{":
        return _Edit(start, end, "{" + ", ".join(_flow(server) for server in servers) + "}")
    start = len(text[:start].rstrip(" "))
    line = text.find("\n", end)
    stop = len(text) if line < 0 else line
    return _Edit(start, stop, f"{text[end:stop]}\n{_block(servers, notes, 2)}" + ("\n" if line < 0 else ""))


def _behind(text: str, held: MapNode, servers: Sequence[ImportedServer], notes: Sequence[Note]) -> _Edit:
    """Behind the last entry and the comments that are indented as if they belonged to it."""
    indent = min(entry.key_start.column for entry in held.at.values())
    end = max(entry.end.index for entry in held.at.values())
    end = len(text[:end].rstrip("\n"))
    at = _line_end(text, end)
    ahead = at
    while ahead < len(text):
        following = _line_end(text, ahead + 1)
        line = text[ahead + 1 : following]
        comment = _COMMENT.match(line)
        if comment is not None and len(comment[1]) >= indent:
            at = following
        elif line.strip():
            break
        ahead = following
    return _Edit(at, at, "\n" + _block(servers, notes, indent))


def _line_end(text: str, offset: int) -> int:
    found = text.find("\n", offset)
    return len(text) if found < 0 else found


def _block(servers: Sequence[ImportedServer], notes: Sequence[Note], indent: int) -> str:
    return "\n".join(line for server in servers for line in server_lines(server, notes, indent))


def _flow(server: ImportedServer) -> str:
    return f"{yamltext.text(server.name)}: {yamltext.flow(dict(server.entry))}"


def _check(root: MapNode, after: str, servers: Sequence[ImportedServer]) -> None:
    """Read the result back: it must be what was there, and the new entries."""
    found, said = read_yaml("mesh.yaml", after)
    before: Mapping[str, Any] = root["servers"] if isinstance(root.get("servers"), MapNode) else {}
    added: dict[str, Plain] = {server.name: dict(server.entry) for server in servers}
    wanted: dict[str, Any] = {**root, "servers": {**before, **added}}
    if found is None or said or found != wanted:
        raise ImportProblem(1, 1, "`servers` cannot be added to without touching something else", _BY_HAND)


def _problem(text: str, offset: int, message: str) -> ImportProblem:
    line = text.count("\n", 0, offset) + 1
    return ImportProblem(line, offset - text.rfind("\n", 0, offset), message, _BY_HAND)
