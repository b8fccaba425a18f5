"""One tool as search knows it: its definition read once, its line, and the text that it is found by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from meshplan.runtime.shapes import members, text
from meshplan.runtime.strategies.port import Tool
from meshplan.runtime.strategies.search.ranking import Document
from meshplan.runtime.strategies.search.signature import signature, summary
from meshplan.schemas import jsontext


@dataclass(frozen=True, slots=True)
class Entry:
    """``lossy``: the signature does not say all that a caller needs. ``open_world`` is what the tool itself says."""

    tool: Tool
    signature: str
    summary: str
    lossy: bool
    open_world: bool

    @property
    def reads(self) -> bool:
        """Whether it only reads, as reviewed."""
        return self.tool.effect == "read"


def read(tool: Tool) -> tuple[Entry, Document]:
    """A tool, and what it is found by."""
    definition = cast("dict[str, Any]", jsontext.parse(tool.definition.decode()))
    shown, lossy = signature(definition)
    hints = members(definition.get("annotations")) or {}
    entry = Entry(tool, shown, summary(definition), lossy, hints.get("openWorldHint") is not False)
    said = text(definition.get("description")) or text(definition.get("title")) or ""
    return entry, Document(tool.name, tool.server, tool.name, said, _arguments(definition))


def _arguments(definition: Mapping[str, Any]) -> str:
    schema = members(definition.get("inputSchema")) or {}
    properties = members(schema.get("properties")) or {}
    return " ".join(
        f"{name} {text((members(shape) or {}).get('description')) or ''}" for name, shape in properties.items()
    )
