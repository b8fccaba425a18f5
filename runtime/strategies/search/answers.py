"""What search's own tools answer: structure for programs, and the same in few words for models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from meshplan.runtime.strategies.search.entries import Entry
from meshplan.schemas import jsontext

_SERVERS_NAMED: Final = 50


def found(
    results: Sequence[tuple[str, Sequence[Entry]]], servers: Sequence[str], unknown: Sequence[str]
) -> dict[str, Any]:
    """The tools of each query, best first; one that an earlier query found is only named."""
    told: set[str] = set()
    structured: list[dict[str, Any]] = []
    lines: list[str] = []
    for query, entries in results:
        lines.append(f"{query}:" if entries else f"{query}: nothing found")
        tools: list[dict[str, Any]] = []
        for entry in entries:
            name = entry.tool.name
            again = name in told
            tools.append({"tool": name} if again else _row(entry))
            lines.append(f"- {name} (see above)" if again else f"- {_line(entry)}")
            told.add(name)
        structured.append({"query": query, "tools": tools})
    answer: dict[str, Any] = {"results": structured}
    if (hint := _hint(servers, unknown, nothing=not told)) is not None:
        answer["hint"] = hint
        lines.append(hint)
    return {"content": [{"type": "text", "text": "\n".join(lines)}], "structuredContent": answer}


def _row(entry: Entry) -> dict[str, Any]:
    row = {
        "tool": entry.tool.name,
        "signature": entry.signature,
        "summary": entry.summary,
        "readOnly": entry.reads,
    }
    return {**row, "needsDescribe": True} if entry.lossy else row


def _line(entry: Entry) -> str:
    marks = [mark for mark, holds in (("readOnly", entry.reads), ("needsDescribe", entry.lossy)) if holds]
    noted = f" [{', '.join(marks)}]" if marks else ""
    return f"{entry.tool.name}{entry.signature}{noted}" + (f" {entry.summary}" if entry.summary else "")


def _hint(servers: Sequence[str], unknown: Sequence[str], *, nothing: bool) -> str | None:
    if not unknown and not nothing:
        return None
    named = ", ".join(servers[:_SERVERS_NAMED]) + (", …" if len(servers) > _SERVERS_NAMED else "")
    what = f"there is no server {' or '.join(unknown)}" if unknown else "try other words"
    return f"{what}; the servers here are {named}"


def described(entries: Sequence[Entry], missing: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Whole definitions, as they would be listed, and for each other name those that may have been meant."""
    tools: list[dict[str, Any]] = []
    for entry in entries:
        definition = cast("dict[str, Any]", jsontext.parse(entry.tool.definition.decode()))
        tools.append({"tool": definition.pop("name"), **definition})
    answer = {"tools": tools, "notFound": [{"tool": name, "didYouMean": list(near)} for name, near in missing.items()]}
    return {"content": [{"type": "text", "text": jsontext.dump(answer)}], "structuredContent": answer}
