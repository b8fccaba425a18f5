"""The logical place of a span: keys from the root, which stay the same when lines move."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meshplan.compiler.diagnostics import Path, Span
from meshplan.compiler.marks import At, MapNode, SeqNode


def path_of(root: MapNode | None, span: Span) -> Path:
    """The deepest entry that ``span`` starts in; empty where there is none."""
    path: list[str | int] = []
    node: Any = root
    while (step := _step(node, span)) is not None:
        path.append(step)
        node = node[step]
    return tuple(path)


def _step(node: Any, span: Span) -> str | int | None:
    if isinstance(node, MapNode):
        direct = next((key for key, at in node.at.items() if _holds(at, span)), None)
        return direct or next((key for key in node if _has(node[key], span)), None)
    if isinstance(node, SeqNode):
        return next((index for index, at in enumerate(node.at) if _holds(at, span)), None)
    return None


def _has(node: Any, span: Span) -> bool:
    """Whether a mapping that was put together from several files has the span in one of its entries."""
    return isinstance(node, MapNode) and any(_holds(at, span) for at in node.at.values())


def _holds(at: At, span: Span) -> bool:
    return at.file == span.file and at.key_start.index <= span.start < max(at.end.index, at.key_end.index)


def named(root: MapNode | None, path: Path) -> tuple[str, ...]:
    """``path`` in words: a list item by its `id` or `name` where it has one, since positions shift."""
    words: list[str] = []
    node: Any = root
    for part in path:
        node = node[part]
        words.append(part if isinstance(part, str) else _name(node) or str(part))
    return tuple(words)


def _name(item: Any) -> str | None:
    names: Iterable[Any] = (item.get("id"), item.get("name")) if isinstance(item, MapNode) else ()
    return next((name for name in names if isinstance(name, str)), None)
