"""Text to data with places, from libyaml's events: YAML 1.2 scalars, and nothing that makes a reviewed file lie."""

from __future__ import annotations

import re
from typing import Any, NoReturn, cast

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Fix, Label, Span
from meshplan.compiler.malformed import Point, malformed, one, place_at
from meshplan.compiler.marks import POISON, At, MapNode, Mark, SeqNode
from meshplan.compiler.newlines import normalised
from meshplan.compiler.rules import report
from meshplan.compiler.scalars import ambiguity, plain_value

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 200_000

_Read = tuple[Any, Mark, Mark, str | None]
"""A value with where it begins and ends, and how it is quoted."""
_BLANK = re.compile(r"[^\S ]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HIDDEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
"""Controls, direction changes, and the line breaks that only YAML readers see (U+0085, U+2028, U+2029)."""


class _Stop(Exception):
    """The file cannot be read on; what was found is the answer."""


def read_yaml(file: str, text: str) -> tuple[MapNode | None, Diagnostics]:
    """One file's mapping, or ``None`` where nothing can be made of it, and everything wrong with its YAML.

    ``file`` is the name that diagnostics show. Line endings and a byte order mark make no difference.
    """
    normal = normalised(text)
    refused = _refuse_text(file, normal)
    if refused:
        return None, (refused,)
    builder = _Builder(file, normal)
    try:
        root = builder.document()
    except _Stop:
        root = None
    except yaml.MarkedYAMLError as error:
        builder.found.append(malformed(file, normal, error))
        root = None
    finally:
        builder.close()
    if root is POISON:
        root = None
    if root is not None and not isinstance(root, MapNode):
        at = root.here.value_span() if isinstance(root, SeqNode) else _whole(file, normal)
        builder.found.append(report("not-a-mapping", at, "the file is not a mapping of keys to values"))
        root = None
    return root, tuple(builder.found)


def _whole(file: str, text: str) -> Span:
    return Span(file, 1, 1, 1, 1, 0, min(len(text), 1))


def _span(file: str, start: Mark, end: Mark) -> Span:
    return At(file, start, end, start, end, None).key_span()


def _refuse_text(file: str, text: str) -> Diagnostic | None:
    if len(text) > MAX_BYTES:
        return report("too-large", _whole(file, text), f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB")
    if not text.strip():
        return report("empty-file", _whole(file, text), "the file is empty")
    hidden = _HIDDEN.search(text)
    if hidden:
        return report(
            "hidden-character",
            one(file, place_at(text, hidden.start())),
            f"the file holds the invisible character U+{ord(hidden.group()):04X}",
            help="delete it, or write it as an escape in a double-quoted string",
        )
    broken = text.find("\ufffd")
    if broken >= 0:
        advice = "save the file as UTF-8; the character U+FFFD itself is written as an escape in double quotes"
        return report("not-unicode", one(file, place_at(text, broken)), "the file is not UTF-8 here", help=advice)
    return None


class _Builder:
    """Pulls events and builds marked data; one pass, no recursion beyond ``MAX_DEPTH``."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.found: list[Diagnostic] = []
        self._loader: Any = _LOADER(text)
        self._nodes = 0
        self._reported: set[str] = set()

    def close(self) -> None:
        self._loader.dispose()

    def document(self) -> Any:
        """The single document's root."""
        next_event = self._loader.get_event
        next_event()
        if isinstance(next_event(), StreamEndEvent):
            self._stop("empty-file", Point(0, 0, 0), Point(0, 0, 0), "the file holds no document")
        root, start, end, _ = self._node(next_event(), 0)
        if root is None:
            self._stop("empty-file", start, end, "the file holds no document")
        next_event()
        after = next_event()
        if not isinstance(after, StreamEndEvent):
            self._stop("several-documents", after.start_mark, after.end_mark, "the file holds more than one document")
        return root

    def _node(self, event: Any, depth: int) -> _Read:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop("too-large", event.start_mark, event.end_mark, f"the file holds more than {MAX_NODES:,} values")
        kind = cast("type[object]", type(event))
        if (kind is AliasEvent or event.anchor is not None or event.tag is not None) and not self._stands(event):
            self._skip(event)
            return POISON, event.start_mark, event.end_mark, None
        if kind is ScalarEvent:
            return self._scalar(event), event.start_mark, event.end_mark, event.style or None
        if depth > MAX_DEPTH:
            self._stop("too-deep", event.start_mark, event.end_mark, f"nested deeper than {MAX_DEPTH} levels")
        return self._sequence(event, depth) if kind is SequenceStartEvent else self._mapping(event, depth)

    def _stands(self, event: Any) -> bool:
        """Whether the value or key has no tag; an alias or anchor ends the reading."""
        if isinstance(event, AliasEvent):
            glob = f"put a glob in quotes, `'*{event.anchor}'`; otherwise write out what it stands for"
            self._stop_at_alias(event, f"the alias `*{event.anchor}` is not taken here", glob)
        if event.anchor is not None:
            self._stop_at_alias(event, f"the anchor `&{event.anchor}` is not taken here")
        if event.tag is None:
            return True
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        advice = "remove it, or put text that starts with `!` in quotes"
        self._once("tag", event, f"the tag `{tag}` is not taken here", advice)
        return False

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.style or not event.implicit[0]:
            return text
        why = ambiguity(text)
        if why is None:
            return plain_value(text)
        span = _span(self.file, event.start_mark, event.end_mark)
        self.found.append(
            report(
                "ambiguous-scalar",
                span,
                f"`{text}` means different things to different YAML readers: {why.reading}",
                help=why.help,
                fix=Fix(span, f'"{text}"'),
            )
        )
        return POISON

    def _sequence(self, event: Any, depth: int) -> _Read:
        node = SeqNode()
        node.at, node.hurt = [], False
        last: Any = event
        while type(entry := self._loader.get_event()) is not SequenceEndEvent:
            value, start, last, style = self._node(entry, depth + 1)
            node.append(value)
            node.at.append(At(self.file, start, last, start, last, style))
        return self._closed(node, event, last, entry)

    def _mapping(self, event: Any, depth: int) -> _Read:
        node = MapNode()
        node.at, node.hurt = {}, False
        last: Any = event
        while type(key := self._loader.get_event()) is not MappingEndEvent:
            name = self._key(key)
            value, start, last, style = self._node(self._loader.get_event(), depth + 1)
            at = At(self.file, key.start_mark, key.end_mark, start, last, style)
            if name is None or not self._is_first(node, name, at):
                node.hurt = True
            else:
                node[name], node.at[name] = value, at
        read = self._closed(node, event, last, key)
        return (POISON, *read[1:]) if node.hurt and not node else read

    def _is_first(self, node: MapNode, name: str, at: At) -> bool:
        if name not in node.at:
            return True
        first = node.at[name].key_span()
        self.found.append(
            report(
                "duplicate-key",
                at.key_span(),
                f"the key `{name}` is given twice",
                labels=(Label(first, "first given here"),),
                help="keep one of the two",
            )
        )
        return False

    def _key(self, key: Any) -> str | None:
        """The key's text, or ``None`` where it has none that a reader can trust."""
        if (type(key) is AliasEvent or key.anchor is not None or key.tag is not None) and not self._stands(key):
            self._skip(key)
            return None
        if type(key) is not ScalarEvent:
            advice = "name the key with text; a value that starts with `{{` is a template, and goes in quotes as text"
            self._once("key-not-text", key, "a key must be a plain word or a string", advice)
            self._skip(key)
            return None
        name: str = key.value
        if key.style:
            return name
        if name == "<<":
            self._stop_at_alias(key, "the merge key `<<` is not taken here")
        blank = _BLANK.search(name)
        if blank is None:
            return name
        message = f"the key holds the blank U+{ord(blank.group()):04X}, which only looks like a space"
        self._once("hidden-character", key, message, "write ordinary spaces")
        return None

    def _closed(self, node: Any, start: Any, last: Any, close: Any) -> _Read:
        """A flow collection ends at its bracket; a block ends with its last item, not at the next token."""
        begin: Mark = start.start_mark
        flow = close.end_mark.index > close.start_mark.index
        end: Mark = close.end_mark if flow else (last if last is not start else start.end_mark)
        node.here = At(self.file, begin, end, begin, end, None)
        return node, begin, end, None

    def _skip(self, event: Any) -> None:
        """Read past a refused collection."""
        depth = 1 if isinstance(event, SequenceStartEvent | MappingStartEvent) else 0
        while depth:
            event = self._loader.get_event()
            depth += isinstance(event, SequenceStartEvent | MappingStartEvent)
            depth -= isinstance(event, SequenceEndEvent | MappingEndEvent)

    def _once(self, slug: str, event: Any, message: str, advice: str) -> None:
        if slug not in self._reported:
            self._reported.add(slug)
            self.found.append(report(slug, _span(self.file, event.start_mark, event.end_mark), message, help=advice))

    def _stop_at_alias(self, event: Any, message: str, advice: str = "write out what it stands for") -> NoReturn:
        """What the rest of such a file means cannot be said without following them."""
        self._once("alias", event, message, advice)
        raise _Stop

    def _stop(self, slug: str, start: Mark, end: Mark, message: str) -> NoReturn:
        self.found.append(report(slug, _span(self.file, start, end), message))
        raise _Stop
