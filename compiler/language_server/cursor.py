"""Where in the document a cursor stands, also while what is around it is no YAML yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from meshplan.compiler.diagnostics import Part, Path
from meshplan.compiler.source import MAX_DEPTH

_MARK: Final = "\ue000"
_BEFORE: Final = re.compile(r"[^\s,\[\]{}\"'#]*\Z")
_AFTER: Final = re.compile(r"[^\s,\[\]{}\"'#:]*")
_SECTION: Final = re.compile(r"^[A-Za-z\"'][^\n]*:", re.MULTILINE)
_COMMENT: Final = re.compile(r"(?:^|\s)#")
_QUOTED: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_SCALAR_ENTRY: Final = re.compile(r"\s*[\w-]+: +[\w./*-]+\s*\Z")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is being written: a key of the mapping at ``path``, or the value at ``path``.

    ``word`` is what stands before the cursor, ``start`` to ``end`` what a completion replaces. ``quote`` is the quotation
    mark that the word is inside of. ``fresh`` says that nothing else stands before it on its line. ``flow`` says that it
    is inside brackets. ``partial`` is the document up to it, as far as it could be read; with ``exact`` list positions in
    ``path`` are those of the document.
    """

    path: Path
    role: Literal["key", "value"]
    word: str
    start: int
    end: int
    quote: str
    fresh: bool
    flow: bool
    partial: Any
    exact: bool


def cursor_at(text: str, offset: int) -> Cursor | None:
    """Read ``text``, in which lines end in one newline, up to ``offset``; ``None`` in a comment or in prose."""
    before = text[:offset]
    line = before[before.rfind("\n") + 1 :]
    bare = _QUOTED.sub("''", line)
    if _COMMENT.search(re.split(r"(?<!')'(?!')|\"", bare)[0]):
        return None
    found = _BEFORE.search(before)
    word = found[0] if found else ""
    start = offset - len(word)
    after = _AFTER.match(text, offset)
    quote = text[start - 1 : start] if text[start - 1 : start] in ('"', "'") else ""
    head = before[: start - len(quote)]
    fresh = not line[: len(line) - len(word)].strip(" -")
    for prefix, exact in ((_section(head), True), (_skeleton(_section(head)), False)):
        for tail in ("", ":"):
            walk = _Walk()
            if walk.find(prefix + _MARK + tail):
                end = offset if after is None else after.end()
                path, role = tuple(walk.path), walk.role
                return Cursor(path, role, word, start, end, quote, fresh, walk.flow, walk.root, exact)
    return None


@dataclass(frozen=True, slots=True)
class Written:
    """The value at ``path`` as far as it is written ``before`` the cursor, unquoted; the rest as in ``Cursor``."""

    path: Path
    before: str
    quote: str
    flow: bool
    partial: Any
    exact: bool


def written_at(text: str, offset: int) -> Written | None:
    """The value that ``offset`` is in or behind, whatever it holds; ``None`` in a key or a comment."""
    section = _section(text[:offset])
    for prefix, exact in ((section, True), (_skeleton(section), False)):
        for tail in ("", '"', "'"):
            walk = _Walk(whole=False)
            if walk.find(prefix + _MARK + tail):
                if walk.role == "key":
                    return None
                return Written(tuple(walk.path), walk.before, walk.quote, walk.flow, walk.root, exact)
    return None


def merged(now: Any, before: Any) -> Any:
    """A document as far as it is written now, completed by what it had."""
    if isinstance(now, dict):
        old = cast("dict[str, Any]", before) if isinstance(before, dict) else {}
        current = cast("dict[str, Any]", now)
        return {**old, **{key: merged(value, old.get(key)) for key, value in current.items()}}
    if isinstance(now, list):
        items, rest = cast("list[Any]", now), cast("list[Any]", before) if isinstance(before, list) else []
        known = [merged(item, rest[index] if index < len(rest) else None) for index, item in enumerate(items)]
        return [*known, *rest[len(known) :]]
    return before if now is None else now


def _section(text: str) -> str:
    """From the last key of the root on: what is broken above it does not matter."""
    starts = [match.start() for match in _SECTION.finditer(text)]
    return text[starts[-1] :] if starts else text


def _skeleton(text: str) -> str:
    """Only the lines that hold the last one, and plain entries beside it."""
    lines = text.split("\n")
    last = lines.pop()
    kept = [last]
    indent = len(last) - len(last.lstrip(" "))
    beside, dash = True, last.lstrip().startswith("-")
    for line in reversed(lines):
        content = line.lstrip(" ")
        if not content or content.startswith("#"):
            continue
        own = len(line) - len(content)
        starts = content.startswith("-")
        if own < indent or (own == indent and dash and not starts):
            kept.append(line)
            indent, beside, dash = own, False, starts
        elif beside and own == indent and _SCALAR_ENTRY.fullmatch(line):
            kept.append(line)
    return "\n".join(reversed(kept))


class _Walk:
    """Plain data from events until the mark comes; what follows it does not matter."""

    def __init__(self, *, whole: bool = True) -> None:
        self.before = ""
        self.quote = ""
        self._whole = whole
        self.path: list[Part] = []
        self.role: Literal["key", "value"] = "value"
        self.flow = False
        self.root: Any = None
        self._stack: list[Any] = []
        self._keys: list[str | None] = []
        self._flows: list[bool] = []

    def find(self, text: str) -> bool:
        """Read on to the mark; whether it was found as something of its own."""
        loader: Any = yaml.CSafeLoader(text)
        try:
            return any(self._take(event) for event in _events(loader))
        except yaml.YAMLError:
            return False
        finally:
            loader.dispose()

    def _take(self, event: Any) -> bool:
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._stack.pop()
            self._keys.pop()
            self._flows.pop()
        elif isinstance(event, ScalarEvent | AliasEvent):
            value = event.value if isinstance(event, ScalarEvent) else event.anchor
            if value == _MARK or (not self._whole and str(value).endswith(_MARK)):
                self.before = str(value)[:-1]
                self.quote = str(getattr(event, "style", None) or "")
                self._found()
                return True
            self._put(value, scalar=True)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            made: Any = {} if isinstance(event, MappingStartEvent) else []
            self._put(made, scalar=False)
            self._stack.append(made)
            self._keys.append(None)
            self._flows.append(bool(event.flow_style))
        return False

    def _put(self, value: Any, *, scalar: bool) -> None:
        if not self._stack:
            self.root = value
        elif isinstance(self._stack[-1], list):
            cast("list[Any]", self._stack[-1]).append(value)
        elif self._keys[-1] is None:
            self._keys[-1] = str(value) if scalar else ""
        else:
            self._stack[-1][self._keys[-1]] = value
            self._keys[-1] = None

    def _found(self) -> None:
        last = len(self._stack) - 1
        for index, (holder, key) in enumerate(zip(self._stack, self._keys, strict=True)):
            if isinstance(holder, list):
                self.path.append(len(cast("list[Any]", holder)) - (0 if index == last else 1))
            elif index < last:
                self.path.append(_holding(holder, self._stack[index + 1]))
            elif key is not None:
                self.path.append(key)
            else:
                self.role = "key"
        self.flow = any(self._flows)


def _holding(holder: dict[str, Any], inner: Any) -> str:
    """The key that a collection stands under; one that is itself a key has none."""
    return next((key for key in reversed(holder) if holder[key] is inner), "")


def _events(loader: Any) -> Iterator[Any]:
    depth = 0
    while loader.check_event():
        event = loader.get_event()
        depth += isinstance(event, MappingStartEvent | SequenceStartEvent)
        depth -= isinstance(event, MappingEndEvent | SequenceEndEvent)
        if depth > MAX_DEPTH:
            return
        yield event
