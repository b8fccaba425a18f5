"""What `mesh lock` gets for an API: the answer that an MCP server of these tools would have given."""

from __future__ import annotations

from typing import Any, cast

from meshplan.compiler.openapi.document import DocumentError, parse
from meshplan.compiler.openapi.operations import tools_of
from meshplan.compiler.reader import Reader


def ask(reader: Reader, path: str) -> tuple[dict[str, Any], list[str]]:
    """The answer in the probe's form, and what was left out of it; raises ``DocumentError``. Reads files only."""
    text = reader.read(path)
    if text is None:
        raise DocumentError(f"there is no file `{path}` in the mesh's folder")
    document = parse(text)
    converted = tools_of(document)
    info: Any = document.root.get("info")
    told = cast("dict[str, Any]", info) if isinstance(info, dict) else {}
    named = {"name": told.get("title"), "version": told.get("version")}
    answer: dict[str, Any] = {
        "protocol_version": str(document.root["openapi"]),
        "server_info": {name: text for name, text in named.items() if isinstance(text, str)},
        "capabilities": {"tools": {}},
        "instructions": None,
        "tools": converted.tools,
    }
    return answer, converted.left_out
