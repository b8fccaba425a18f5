"""What a place in the document is: a key or a value with its path; hover and definitions are of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from meshplan.compiler.diagnostics import Diagnostic, Fix, Part, Path
from meshplan.compiler.language_server import expressing, language, names
from meshplan.compiler.language_server.analysis import Analysis
from meshplan.compiler.language_server.cursor import cursor_at
from meshplan.compiler.language_server.prose import about_capability, about_key, block, code, inline
from meshplan.compiler.lockfile import SECTIONS, lock_path
from meshplan.compiler.marks import MapNode, SeqNode
from meshplan.compiler.reader import Reader
from meshplan.compiler.render.words import counted
from meshplan.compiler.resolve.select import is_glob
from meshplan.schemas.capability import KINDS, CapabilityKey
from meshplan.schemas.decide import glob_match

_REST = re.compile(r"[^\s,\[\]{}\"'#:]*")
_NAME = re.compile(r"[A-Za-z0-9_]*")
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Thing:
    """A key of the mapping at ``path``, or the value at ``path``, with its text and its offsets."""

    path: Path
    role: names.Role
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Target:
    """A place to go to: offsets in a file, whose name is relative to the mesh's root."""

    file: str
    start: int
    end: int


def thing_at(text: str, offset: int, root: MapNode | None) -> Thing | None:
    """What stands at ``offset``; ``root`` is what ``text`` parses to, where it does."""
    if root is not None:
        return _descend(root, offset, ())
    rest = _REST.match(text, offset)
    cursor = cursor_at(text, offset if rest is None else rest.end())
    return cursor and Thing(cursor.path, cursor.role, cursor.word, cursor.start, cursor.end)


def _descend(node: MapNode | SeqNode, offset: int, path: Path) -> Thing | None:
    entries: list[tuple[Part, Any]] = list(node.at.items() if isinstance(node, MapNode) else enumerate(node.at))
    for part, at in entries:
        start, end = at.key_start.index, at.key_end.index
        if isinstance(node, MapNode) and start <= offset <= end:
            return Thing(path, "key", str(part), start, end)
        if not at.start.index <= offset <= at.end.index:
            continue
        value: Any = cast("Any", node)[part]
        if isinstance(value, MapNode | SeqNode):
            return _descend(value, offset, (*path, part))
        return Thing((*path, part), "value", value if isinstance(value, str) else "", at.start.index, at.end.index)
    return None


def inside(text: str, offset: int, own: MapNode | None, known: Analysis) -> tuple[str, int, int] | None:
    """Markdown about the name in an expression at ``offset``, and where that stands; ``None`` where there is none."""
    rest = _NAME.match(text, offset)
    end = offset if rest is None else rest.end()
    place = expressing.place_at(text, end, own, known)
    said = expressing.explain(place) if place is not None else None
    return None if place is None or said is None else (said, end - len(place.word), end)


def hover(thing: Thing, data: Any, known: Analysis) -> str | None:
    """Markdown about the thing, in which upstream text is only text."""
    named = names.name_at(thing.path, thing.role, data, known)
    said = _about(named, thing.text, data, known) if named is not None and thing.text else None
    if said is not None:
        return said
    path = (*thing.path, thing.text) if thing.role == "key" else _key_of(thing.path)
    key = language.about_key(path, data)
    return None if key is None else f"{code(key.name)}\n\n{about_key(key)}"


def _key_of(path: Path) -> Path:
    while path and isinstance(path[-1], int):
        path = path[:-1]
    return path


def _about(named: names.Name, text: str, data: Any, known: Analysis) -> str | None:
    match named:
        case names.EntryName("server"):
            return _server(text, known)
        case names.EntryName(kind):
            description = _description(known, kind, text)
            return None if text not in names.entries(known, kind) else f"{kind} {code(text)}{description}"
        case names.ArgumentName(tool):
            schema = names.arguments(known, tool).get(text)
            of = f" of {code(tool.name)}" if tool is not None else ""
            return None if schema is None else f"argument {code(text)}{of}\n\n{inline(schema)}"
        case _:
            return _capabilities(named, text, data, known)


def _capabilities(named: names.Name, text: str, data: Any, known: Analysis) -> str | None:
    found = list(_meant(named, text, data, known))
    if found and not is_glob(text):
        return "\n\n---\n\n".join(about_capability(key, known) for key in found[:3])
    if not is_glob(text):
        return None
    shown = "\n".join(f"{key.server}: {key.kind} {key.name}" for key in found[:_SHOWN])
    more = f"\nand {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{code(text)} matches {len(found)} in the lock" + (f"\n\n{block(shown + more)}" if found else "")


def _meant(named: names.Name, text: str, data: Any, known: Analysis) -> Iterator[CapabilityKey]:
    match named:
        case names.CapabilityName(qualified=True):
            server, _, tool = text.partition(".")
            yield from (key for key in names.capabilities(known, named) if (key.server, key.name) == (server, tool))
        case names.CapabilityName():
            yield from (key for key in names.capabilities(known, named) if glob_match(text, key.name))
        case names.OfferedName(endpoint):
            key = names.offered(data, known, endpoint).get(text)
            yield from () if key is None else (key,)
        case names.ArgumentName(tool):
            yield from () if tool is None else (tool,)
        case names.EntryName():
            return


def _server(name: str, known: Analysis) -> str | None:
    entry = known.section("servers", name)
    if entry is None:
        return None
    lock = known.locks.get(name)
    transport = next((key for key in ("http", "stdio", "openapi", "tunnel") if key in entry), "server")
    if lock is None:
        return f"{transport} server {code(name)}, not locked yet: run `mesh lock`"
    kinds = [key.kind for key in lock.definitions]
    counts = ", ".join(counted(kinds.count(kind), kind) for kind in KINDS if kind in kinds) or "nothing"
    return f"{transport} server {code(name)}, locked with {counts}"


def _description(known: Analysis, kind: names.Entry, name: str) -> str:
    section = known.section(*names.SECTIONS[kind], name) if kind in names.SECTIONS else None
    text: Any = section.get("description") if section is not None else None
    return f"\n\n{block(text)}" if isinstance(text, str) else ""


def definitions(thing: Thing, data: Any, known: Analysis, reader: Reader) -> list[Target]:
    """Where what is named is declared in the mesh, or recorded in its lock."""
    named = names.name_at(thing.path, thing.role, data, known)
    if named is None or not thing.text:
        return []
    if isinstance(named, names.EntryName):
        return _declared(named.kind, thing.text, known)
    found = list(_meant(named, thing.text, data, known))[:_SHOWN]
    return [target for key in found if (target := _recorded(key, reader)) is not None]


def _declared(kind: names.Entry, name: str, known: Analysis) -> list[Target]:
    if kind == "user":
        users = known.section("identity", "users")
        listed: Any = users.get("named") if users is not None else None
        spans = [listed.at[listed.index(name)].value_span()] if isinstance(listed, SeqNode) and name in listed else []
    else:
        span = known.place(*names.SECTIONS[kind], name)
        spans = [] if span is None else [span]
    return [Target(span.file, span.start, span.end) for span in spans]


def _recorded(key: CapabilityKey, reader: Reader) -> Target | None:
    """The line of a lock file that has a capability's name; it is written with one name a line."""
    path = lock_path(key.server)
    text = reader.read(path) or ""
    section = text.find(f'\n  "{SECTIONS[key.kind]}": {{')
    name = json.dumps(key.name, ensure_ascii=True)
    at = text.find(f"\n    {name}: {{", section) if section >= 0 else -1
    return Target(path, at + 5, at + 5 + len(name)) if at >= 0 else None


def fixable(known: Analysis, file: str, start: int, end: int) -> Iterator[tuple[Diagnostic, Fix]]:
    """The findings with a certain fix that touch a stretch of a file."""
    for found in known.diagnostics:
        if found.fix is not None and found.span.file == file and found.span.start <= end and start <= found.span.end:
            yield found, found.fix
