"""One thing that pydantic refused, with the place in the document that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from meshplan.compiler.diagnostics import Path, Span
from meshplan.compiler.marks import MapNode, locate


@dataclass(frozen=True, slots=True)
class Mistake:
    """``model`` is what the document is read as; ``path`` ends in `[key]` where a key itself is wrong; ``expected`` is the type at its end, where one is known."""

    root: MapNode
    model: type[BaseModel]
    path: Path
    location: Path
    expected: Any
    kind: str
    value: Any
    message: str
    context: Mapping[str, Any]

    @property
    def is_key(self) -> bool:
        """Whether a key is wrong, and not what it holds."""
        return bool(self.path) and self.path[-1] == "[key]"

    @property
    def span(self) -> Span:
        """The narrowest place: the key, or the value."""
        if self.is_key:
            return locate(self.root, self.path[:-1]).key_span()
        return locate(self.root, self.path).value_span()

    @property
    def holder(self) -> Mapping[str, Any]:
        """The mapping that the path ends in, or an empty one."""
        node: Any = self.root
        for part in self.path[:-1]:
            node = cast("dict[Any, Any]", node)[part]
        return cast("Mapping[str, Any]", node) if isinstance(node, dict) else {}

    @property
    def subject(self) -> str:
        """What a message calls it."""
        names = [part for part in self.path if isinstance(part, str) and part != "[key]"]
        if not names:
            return "the file"
        return f"an item of `{names[-1]}`" if isinstance(self.path[-1], int) else f"`{names[-1]}`"

    @property
    def within(self) -> str:
        """` in NAME`, where what holds it has a name."""
        above = self.path[-2] if len(self.path) > 1 else None
        return f" in `{above}`" if isinstance(above, str) else ""


def shown(value: Any) -> str:
    """A value in words, short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"the number `{value}`"
    if isinstance(value, str):
        return f"the text `{value[:40]}`" if value else "an empty text"
    return "a list" if isinstance(value, list) else "a mapping"
