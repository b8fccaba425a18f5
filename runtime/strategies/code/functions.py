"""The offered tools as functions of a program: under the names that Python takes, with their stubs, and how they are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from meshplan.runtime.shapes import members
from meshplan.runtime.strategies.port import Tool
from meshplan.runtime.strategies.search.entries import read
from meshplan.runtime.strategies.search.ranking import Document
from meshplan.schemas import jsontext
from meshplan.schemas.stubs import function_names, stub


@dataclass(frozen=True, slots=True)
class Function:
    """One tool as a function; ``structured`` says that it declares what it returns."""

    name: str
    tool: Tool
    stub: str
    structured: bool
    open_world: bool

    @property
    def reads(self) -> bool:
        """Whether it only reads, as reviewed."""
        return self.tool.effect == "read"


def functions(tools: Sequence[Tool]) -> tuple[list[Function], list[Document]]:
    """Every tool of an endpoint in its order; the same tools give the same names, whoever may use them."""
    names = function_names(tool.name for tool in tools)
    found: list[Function] = []
    documents: list[Document] = []
    for tool in tools:
        definition = cast("dict[str, Any]", jsontext.parse(tool.definition.decode()))
        entry, document = read(tool)
        name = names[tool.name]
        found.append(Function(name, tool, stub(name, definition), "outputSchema" in definition, entry.open_world))
        documents.append(Document(name, document.server, document.name, document.description, document.arguments))
    return found, documents


def found(results: Sequence[tuple[str, Sequence[Function]]], hint: str | None) -> dict[str, Any]:
    """The functions of each query, best first; one that an earlier query found is only named."""
    told: set[str] = set()
    structured: list[dict[str, Any]] = []
    lines: list[str] = []
    for query, several in results:
        lines.append(f"# {query}" if several else f"# {query}: nothing found")
        rows: list[dict[str, Any]] = []
        for one in several:
            again = one.name in told
            rows.append({"tool": one.name} if again else {"tool": one.name, "stub": one.stub, "readOnly": one.reads})
            lines.append(f"# {one.name}: see above" if again else one.stub)
            told.add(one.name)
        structured.append({"query": query, "tools": rows})
    answer: dict[str, Any] = {"results": structured}
    if hint is not None:
        answer["hint"] = hint
        lines.append(f"# {hint}")
    return {"content": [{"type": "text", "text": "\n".join(lines)}], "structuredContent": answer}


def described(several: Sequence[Function], missing: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Whole definitions under the functions' names, and for each other name those that may have been meant."""
    tools: list[dict[str, Any]] = []
    for one in several:
        definition = members(jsontext.parse(one.tool.definition.decode())) or {}
        rest = {name: value for name, value in definition.items() if name != "name"}
        tools.append({"tool": one.name, "stub": one.stub, **rest})
    answer = {"tools": tools, "notFound": [{"tool": name, "didYouMean": list(near)} for name, near in missing.items()]}
    return {"content": [{"type": "text", "text": jsontext.dump(answer)}], "structuredContent": answer}
