"""Plain data that remembers where it was written: every key, value and item of a YAML document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from meshplan.compiler.diagnostics import Part, Path, Span


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

    __slots__ = ("at", "here", "hurt")
    at: dict[str, At]
    here: At
    hurt: bool
    """Whether an entry was left out because it was wrong."""


class SeqNode(list[Any]):
    """A sequence whose items know their places."""

    __slots__ = ("at", "here", "hurt")
    at: list[At]
    here: At
    hurt: bool


class Poison:
    """Stands where a value was wrong and has been reported: whatever follows from it is not reported again."""

    def __repr__(self) -> str:
        return "POISON"


POISON = Poison()


def _span(file: str, start: Mark, end: Mark) -> Span:
    return Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1, start.index, end.index)


Node = MapNode | SeqNode
ABSENT = object()
"""What `child` gives where there is nothing."""


def child(node: Any, part: Part) -> Any:
    """The value under a key or at a position, or ``ABSENT``."""
    if isinstance(node, MapNode) and isinstance(part, str):
        return node.get(part, ABSENT)
    if isinstance(node, SeqNode) and isinstance(part, int) and 0 <= part < len(node):
        return node[part]
    return ABSENT


def put(node: Any, part: Part, value: Any, at: At) -> None:
    """Replace or add an entry and its place."""
    if isinstance(node, MapNode) and isinstance(part, str):
        node[part], node.at[part] = value, at
    elif isinstance(node, SeqNode) and isinstance(part, int):
        node[part], node.at[part] = value, at


def drop(node: Any, part: Part) -> None:
    """Take an entry and its place away, where there is one."""
    if child(node, part) is ABSENT:
        return
    if isinstance(node, MapNode) and isinstance(part, str):
        del node[part], node.at[part]
    elif isinstance(node, SeqNode) and isinstance(part, int):
        del node[part], node.at[part]


def cut(node: Any, part: Part) -> None:
    """``drop`` what is wrong: what is left lacks something, and says so from then on."""
    drop(node, part)
    if isinstance(node, MapNode | SeqNode):
        node.hurt = True


def lacks_something(node: Any) -> bool:
    """Whether a wrong part was cut from here or from anything below."""
    if not isinstance(node, MapNode | SeqNode):
        return False
    below: Iterable[Any] = node.values() if isinstance(node, MapNode) else node
    return node.hurt or any(lacks_something(item) for item in below)


def place_of(node: Any, part: Part) -> At | None:
    """Where an entry stands."""
    if child(node, part) is ABSENT:
        return None
    if isinstance(node, MapNode) and isinstance(part, str):
        return node.at[part]
    return node.at[part] if isinstance(node, SeqNode) and isinstance(part, int) else None


def shallow(node: Any) -> Any:
    """A copy of one container that shares what it holds."""
    copy: Any = MapNode(node) if isinstance(node, MapNode) else SeqNode(node)
    copy.at, copy.here, copy.hurt = node.at.copy(), node.here, node.hurt
    return copy


def copied(value: Any) -> Any:
    """A deep copy of containers and their places; scalars are shared."""
    if isinstance(value, MapNode):
        mapping = MapNode({key: copied(item) for key, item in value.items()})
        mapping.at, mapping.here, mapping.hurt = dict(value.at), value.here, value.hurt
        return mapping
    if isinstance(value, SeqNode):
        items = SeqNode([copied(item) for item in value])
        items.at, items.here, items.hurt = list(value.at), value.here, value.hurt
        return items
    return value


def locate(root: MapNode, path: Path) -> At:
    """The entry at ``path``, or the nearest one above it that exists."""
    node: Any = root
    found = root.here
    for part in path:
        at = place_of(node, part)
        if at is None:
            break
        found, node = at, child(node, part)
    return found


def exists(root: MapNode, path: Path) -> bool:
    """Whether the document has something at ``path``."""
    node: Any = root
    for part in path:
        node = child(node, part)
    return node is not ABSENT
