"""One layout for every mesh.yaml: blanks, line ends and indentation, by span edits; never what a file says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from meshplan.compiler.diagnostics import Diagnostics, has_errors
from meshplan.compiler.formatting.edits import Edit, applied
from meshplan.compiler.formatting.layout import layout
from meshplan.compiler.formatting.spacing import UnknownGap
from meshplan.compiler.newlines import normalised
from meshplan.compiler.source import read_yaml


class CannotFormat(ValueError):
    """The layout could not be changed without changing what the file says; the text names the file."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """The text in its one layout, or ``None`` and the errors that keep the file from being read."""

    text: str | None
    diagnostics: Diagnostics


def format_text(file: str, text: str) -> Formatted:
    """Lay out one file; ``file`` is the name that diagnostics show.

    Comments and lines stay as they are and in their order. Raises ``CannotFormat`` where the result would not be read
    as exactly the same value.
    """
    root, found = read_yaml(file, text)
    if root is None or has_errors(found):
        return Formatted(None, found)
    normal = normalised(text)
    try:
        result = applied(normal, layout_edits(normal))
    except UnknownGap:
        result = None
    again = read_yaml(file, result)[0] if result is not None else None
    if again is None or not _same(root, again):
        raise CannotFormat(f"`{file}` cannot be laid out without changing what it says; it is left as it is")
    return Formatted(result, found)


def layout_edits(normal: str) -> tuple[Edit, ...]:
    """The edits that bring normalised, well-formed text into its layout; none for a file that has it."""
    return tuple(layout(normal))


def _same(one: Any, other: Any) -> bool:
    """Equal in value, type and the order of keys."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        ours, theirs = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return list(ours) == list(theirs) and _all_same(ours.values(), theirs.values())
    if isinstance(one, list):
        return _all_same(cast("list[Any]", one), cast("list[Any]", other))
    return one == other


def _all_same(ours: Iterable[Any], theirs: Iterable[Any]) -> bool:
    left, right = list(ours), list(theirs)
    return len(left) == len(right) and all(map(_same, left, right))


__all__ = ["CannotFormat", "Edit", "Formatted", "format_text", "layout_edits"]
