"""What may be written at the cursor: names from the mesh and its locks, keys and words of the language."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from meshplan.compiler.diagnostics import Part
from meshplan.compiler.importers import yamltext
from meshplan.compiler.language_server import expressing, language, names
from meshplan.compiler.language_server.analysis import Analysis
from meshplan.compiler.language_server.cursor import Cursor, cursor_at, merged
from meshplan.compiler.language_server.expressing import Kind
from meshplan.compiler.language_server.prose import about_capability, about_key, inline
from meshplan.compiler.marks import MapNode
from meshplan.compiler.render.view import visible

MOST = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """One proposal: ``text`` replaces the offsets ``start`` to ``end``; ``about`` is Markdown that we wrote or escaped."""

    label: str
    kind: Kind
    detail: str
    about: str
    text: str
    filter: str
    start: int
    end: int


def complete(text: str, offset: int, own: MapNode | None, known: Analysis) -> list[Item]:
    """What may stand at ``offset`` of ``text``, whose lines end in one newline.

    ``own`` is what the file was the last time that it parsed, where siblings behind the cursor are looked up.
    """
    place = expressing.place_at(text, offset, own, known)
    if place is not None:
        return [_inside(proposal) for proposal in expressing.propose(text, offset, place)][:MOST]
    cursor = cursor_at(text, offset)
    if cursor is None:
        return []
    document = _document(cursor, own)
    proposed = {item.label: item for item in _proposals(cursor, document, known)}
    return list(proposed.values())[:MOST]


def _inside(found: expressing.Proposal) -> Item:
    """A proposal within an expression; what it replaces may begin with the dot, which it is then filtered by, too."""
    dotted = found.text.startswith("[")
    filter_text = f".{found.label}" if dotted else found.label
    shown = visible(found.label)
    return Item(shown, found.kind, visible(found.detail), found.about, found.text, filter_text, found.start, found.end)


def _document(cursor: Cursor, own: MapNode | None) -> Any:
    """What stands before the cursor as it is now, completed by what the file had around and behind it."""
    document = merged(cursor.partial, own if cursor.exact else None)
    if cursor.role == "value" and cursor.path:
        holder, last = _held(document, cursor.path[:-1]), cursor.path[-1]
        if isinstance(holder, dict):
            cast("dict[Part, Any]", holder).pop(last, None)
        elif isinstance(holder, list) and isinstance(last, int) and last < len(cast("list[Any]", holder)):
            holder[last] = None
    return document


def _proposals(cursor: Cursor, document: Any, known: Analysis) -> Iterator[Item]:
    as_keys = cursor.role == "key" or (cursor.fresh and not cursor.quote and not cursor.flow)
    named = names.name_at(cursor.path, cursor.role, document, known)
    if named is not None and not (isinstance(named, names.EntryName) and cursor.role == "key"):
        yield from _names(named, cursor, document, known)
    if cursor.role == "value":
        for word in language.words_at(cursor.path, document):
            yield _item(cursor, word, "word", "", "")
    if as_keys:
        yield from _keys(cursor, document, known)


def _keys(cursor: Cursor, document: Any, known: Analysis) -> Iterator[Item]:
    if cursor.role == "value":
        inner = names.name_at(cursor.path, "key", document, known)
        if isinstance(inner, names.OfferedName | names.ArgumentName):
            yield from _names(inner, cursor, document, known, as_key=True)
    held = _held(cursor.partial, cursor.path)
    present = set(cast("dict[str, Any]", held)) if isinstance(held, dict) else set[str]()
    for key in language.keys_at(cursor.path, document):
        if key.name not in present:
            ending = ":" if key.block and not cursor.flow else ": "
            detail = "required" if key.required else ""
            yield _item(cursor, key.name, "key", detail, about_key(key), ending)


def _held(data: Any, path: tuple[Part, ...]) -> Any:
    for part in path:
        if isinstance(part, int):
            items = cast("list[Any]", data) if isinstance(data, list) else []
            data = items[part] if part < len(items) else None
        else:
            data = cast("dict[str, Any]", data).get(part) if isinstance(data, dict) else None
    return data


def _names(
    named: names.Name, cursor: Cursor, document: Any, known: Analysis, *, as_key: bool = False
) -> Iterator[Item]:
    ending = ": " if as_key or cursor.role == "key" else ""
    match named:
        case names.EntryName(kind):
            for name in names.entries(known, kind):
                yield _item(cursor, name, "name", kind, "", ending)
        case names.CapabilityName():
            for key in names.capabilities(known, named):
                name = f"{key.server}.{key.name}" if named.qualified else key.name
                yield _item(cursor, name, "name", f"{key.kind} of {key.server}", about_capability(key, known), ending)
        case names.OfferedName(endpoint):
            for name, key in names.offered(document, known, endpoint).items():
                yield _item(cursor, name, "name", f"tool of {key.server}", about_capability(key, known), ending)
        case names.ArgumentName(tool):
            for name, schema in names.arguments(known, tool).items():
                yield _item(cursor, name, "name", "argument", inline(schema), ending)


def _item(cursor: Cursor, name: str, kind: Kind, detail: str, about: str, ending: str = "") -> Item:
    text = name if kind == "word" else _written(name, cursor.quote)
    return Item(visible(name), kind, visible(detail), about, text + ending, name, cursor.start, cursor.end)


def _written(name: str, quote: str) -> str:
    """A name that needs quotes gets them, unless the cursor is inside of some already."""
    if quote == "'":
        return visible(name).replace("'", "''")
    return json.dumps(name, ensure_ascii=not name.isprintable())[1:-1] if quote else yamltext.text(name)
