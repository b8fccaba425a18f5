"""`include:`: sections of other files, merged name by name; a name that two files give is reported with both places."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from meshplan.compiler.diagnostics import Diagnostic, Label
from meshplan.compiler.marks import At, MapNode, SeqNode, copied
from meshplan.compiler.reader import Reader
from meshplan.compiler.rules import report
from meshplan.compiler.source import read_yaml
from meshplan.compiler.suggest import did_you_mean

MAX_FILES = 1_000
_DEEP = frozenset({"identity", "runtime", "policies"})
"""Sections whose keys are sections of their own."""


@dataclass(slots=True)
class _Reading:
    reader: Reader
    root: MapNode
    texts: dict[str, str] = field(default_factory=dict[str, str])
    found: list[Diagnostic] = field(default_factory=list[Diagnostic])
    done: set[str] = field(default_factory=set[str])


def included(reader: Reader, entry: str, root: MapNode) -> tuple[MapNode, dict[str, str], list[Diagnostic]]:
    """The entry's document with everything that it includes, the texts read, and what is wrong."""
    reading = _Reading(reader, root)
    reading.done.add(entry)
    _follow(reading, entry, root, ((entry, root.here),))
    return reading.root, reading.texts, reading.found


def _follow(reading: _Reading, file: str, document: MapNode, trail: tuple[tuple[str, At], ...]) -> None:
    wanted = document.get("include")
    if not isinstance(wanted, SeqNode):
        return
    seen: set[str] = set()
    for pattern, at in zip(wanted[:MAX_FILES], wanted.at, strict=False):
        if not isinstance(pattern, str) or not pattern or pattern in seen:
            continue
        seen.add(pattern)
        base = str(PurePosixPath(file).parent)
        path = pattern if base == "." else f"{base}/{pattern}"
        names = [name for name in reading.reader.names(path) if name != file or name == path]
        if not names:
            reading.found.append(_no_file(reading.reader, base, pattern, at))
        for name in names:
            _take(reading, name, at, trail)


def _no_file(reader: Reader, base: str, pattern: str, at: At) -> Diagnostic:
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts:
        message, advice = f"`{pattern}` leaves the mesh's folder", "include files at or below the folder of this file"
    else:
        folder = PurePosixPath(base) / path.parent
        files = reader.names(str(folder / "*"))
        beside = [name for name in files if name.endswith((".yaml", ".yml")) and name != at.file]
        near = {str(PurePosixPath(name).relative_to(base) if base != "." else name): name for name in beside}
        message, advice = f"`{pattern}` matches no file", did_you_mean(pattern, near)
    return report("include-missing", at.value_span(), message, help=advice)


def _take(reading: _Reading, name: str, at: At, trail: tuple[tuple[str, At], ...]) -> None:
    files = [file for file, _ in trail]
    if name in files:
        circle = [*files[files.index(name) :], name]
        members = trail[files.index(name) + 1 :]
        reading.found.append(
            report(
                "include-cycle",
                at.value_span(),
                "files include each other in a circle: " + " → ".join(f"`{file}`" for file in circle),
                labels=tuple(Label(place.value_span(), f"`{file}` is included here") for file, place in members),
            )
        )
        return
    if name in reading.done or len(reading.done) >= MAX_FILES:
        return
    reading.done.add(name)
    text = reading.reader.read(name) or ""
    reading.texts[name] = text
    part, found = read_yaml(name, text)
    reading.found += found
    if part is not None:
        _merge(reading, reading.root, part, deep=True)
        _follow(reading, name, part, (*trail, (name, at)))


def _merge(reading: _Reading, into: MapNode, part: MapNode, *, deep: bool) -> None:
    """Mappings are joined name by name, lists one after the other; anything else may be given once."""
    for key, value in part.items():
        if deep and key == "include":
            continue
        here = into.get(key)
        if key not in into:
            into[key] = copied(value)
            into.at[key] = part.at[key]
        elif deep and isinstance(here, MapNode) and isinstance(value, MapNode):
            _merge(reading, here, value, deep=key in _DEEP)
        elif isinstance(here, SeqNode) and isinstance(value, SeqNode):
            here.extend(value)
            here.at.extend(value.at)
        elif _shape(here) != _shape(value):
            message = f"`{key}` is {_shape(value)} here and {_shape(here)} in another file"
            labels = (Label(into.at[key].key_span(), "the other file"),)
            reading.found.append(report("wrong-type", part.at[key].key_span(), message, labels=labels))
        else:
            first = into.at[key].key_span()
            message = f"`{key}` is given in two files"
            labels = (Label(first, "first given here"),)
            reading.found.append(
                report("duplicate-key", part.at[key].key_span(), message, labels=labels, help="keep one of the two")
            )


def _shape(value: object) -> str:
    if isinstance(value, MapNode):
        return "a mapping"
    return "a list" if isinstance(value, SeqNode) else "a single value"
