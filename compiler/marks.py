"""Plain data that remembers where it was written: every key, value and item of a YAML document."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, cast

from meshplan.compiler.diagnostics import Path, Span


class Mark(Protocol):
    """A place as libyaml gives it: zero-based, in code points."""

    @property
    def line(self) -> int:
        """Lines before it."""
        ...

    @property
    def column(self) -> int:
        """Characters before it on its line."""
        ...

    @property
    def index(self) -> int:
        """Characters before it in the file."""
        ...


class At(NamedTuple):
    """Where one entry stands: its key (the value's own place for list items) and its value."""

    file: str
    key_start: Mark
    key_end: Mark
    start: Mark
    end: Mark
    style: str | None
    """``None`` for a plain scalar or a collection, else the quote or block character."""

    def key_span(self) -> Span:
        """The key, or the item itself."""
        return _span(self.file, self.key_start, self.key_end)

    def value_span(self) -> Span:
        """The value."""
        return _span(self.file, self.start, self.end)


class MapNode(dict[str, Any]):
    """A mapping whose entries know their places."""

    __slots__ = ("at", "here")
    at: dict[str, At]
    here: At


class SeqNode(list[Any]):
    """A sequence whose items know their places."""

    __slots__ = ("at", "here")
    at: list[At]
    here: At


class Poison:
    """Stands where a value was wrong and has been reported: whatever follows from it is not reported again."""

    def __repr__(self) -> str:
        return "POISON"


POISON = Poison()


def _span(file: str, start: Mark, end: Mark) -> Span:
    return Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1, start.index, end.index)


def locate(root: MapNode, path: Path) -> At:
    """The entry at ``path``, or the nearest one above it that exists."""
    node: Any = root
    found = root.here
    for part in path:
        if isinstance(node, MapNode) and isinstance(part, str) and part in node.at:
            found, node = node.at[part], node[part]
        elif isinstance(node, SeqNode) and isinstance(part, int) and part < len(node):
            found, node = node.at[part], node[part]
        else:
            break
    return found


def exists(root: MapNode, path: Path) -> bool:
    """Whether the document has something at ``path``."""
    node: Any = root
    for part in path:
        if isinstance(node, MapNode) and part in node:
            node = cast("dict[Any, Any]", node)[part]
        elif isinstance(node, SeqNode) and isinstance(part, int) and 0 <= part < len(node):
            node = cast("list[Any]", node)[part]
        else:
            return False
    return True
