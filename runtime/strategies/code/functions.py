"""The offered tools as functions of a program: under the names that Python takes, with their stubs, and how they are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    structured: bool
    open_world: bool

    @property
    def reads(self) -> bool:
        """Whether it only reads, as reviewed."""
        return self.tool.effect == "read"

    @property
    def stub(self) -> str:
        """How it is declared; made when somebody asks, as of many tools few are shown."""
        return stub(self.name, _definition(self.tool))


def functions(tools: Sequence[Tool]) -> tuple[list[Function], list[Document]]:
    """Every tool of an endpoint in its order; the same tools give the same names, whoever may use them."""
    names = function_names(tool.name for tool in tools)
    several: list[Function] = []
    documents: list[Document] = []
    for tool in tools:
        entry, document = read(tool)
        structured = b'"outputSchema"' in tool.definition and "outputSchema" in _definition(tool)
        several.append(Function(names[tool.name], tool, structured, entry.open_world))
        documents.append(replace(document, id=names[tool.name]))
    return several, documents


def _definition(tool: Tool) -> dict[str, Any]:
    return members(jsontext.parse(tool.definition.decode())) or {}


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
        rest = {name: value for name, value in _definition(one.tool).items() if name != "name"}
        tools.append({"tool": one.name, "stub": one.stub, **rest})
    answer = {"tools": tools, "notFound": [{"tool": name, "didYouMean": list(near)} for name, near in missing.items()]}
    return {"content": [{"type": "text", "text": jsontext.dump(answer)}], "structuredContent": answer}
