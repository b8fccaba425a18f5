"""Operations as tools: a name, one argument for each parameter and member of the body, and how the arguments travel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from meshplan.compiler.openapi.document import Document, DocumentError
from meshplan.compiler.openapi.shapes import Shapes, plain_object
from meshplan.schemas.capability import OPERATION_META

METHODS: Final = ("get", "head", "post", "put", "patch", "delete")
_STYLE: Final = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
_STYLES: Final = {
    "path": {"simple"},
    "query": {"form", "spaceDelimited", "pipeDelimited", "deepObject"},
    "header": {"simple"},
    "cookie": {"form"},
}
_OURS: Final = frozenset({"accept", "content-type", "authorization", "cookie", "host", "content-length"})
"""Headers that are no argument (OpenAPI 3, Parameter Object), or that the mesh sets itself."""


@dataclass(frozen=True, slots=True)
class Converted:
    """The tools of a document, and what could not become one, each with the reason."""

    tools: list[dict[str, Any]]
    left_out: list[str]


@dataclass(slots=True)
class _Draft:
    """One tool while its arguments are gathered; ``travels`` says of each where it goes."""

    where: str
    shapes: Shapes
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    required: list[str] = field(default_factory=list[str])
    travels: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    def add(self, name: str, place: str, schema: Any, *, required: bool, **how: Any) -> None:
        argument = name if name not in self.properties else f"{name}_in_{place}"
        if argument in self.properties:
            raise DocumentError(f"{self.where} has two parameters `{name}` in {place}")
        self.properties[argument] = schema
        self.travels[argument] = {"place": place, "name": name, **how}
        if required:
            self.required.append(argument)


def tools_of(document: Document) -> Converted:
    """Every operation as a tool, in the document's order; raises ``DocumentError`` for names that clash."""
    tools: dict[str, dict[str, Any]] = {}
    left_out: list[str] = []
    for path, method, shared, operation in _operations(document):
        where = f"`{method.upper()} {path}`"
        try:
            tool = _tool(document, path, method, shared, operation, where)
        except DocumentError as error:
            left_out.append(f"{where}: {error}")
            continue
        if tool["name"] in tools:
            raise DocumentError(f"two operations would be the tool `{tool['name']}`; one is {where}")
        tools[tool["name"]] = tool
    return Converted(list(tools.values()), left_out)


def _operations(document: Document) -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    for path, entry in document.root["paths"].items():
        item = document.resolve(entry, f"path `{path}`")
        for method in METHODS:
            if method in item:
                operation = document.resolve(item[method], f"`{method.upper()} {path}`")
                yield str(path), method, item.get("parameters") or [], operation


def _tool(
    document: Document, path: str, method: str, shared: Any, operation: Mapping[str, Any], where: str
) -> dict[str, Any]:
    draft = _Draft(where, Shapes(document))
    for parameter in _parameters(document, shared, operation, where):
        _add_parameter(draft, parameter)
    body = _add_body(document, draft, operation)
    missing = set(re.findall(r"\{([^{}]+)\}", path)) - {
        t["name"] for t in draft.travels.values() if t["place"] == "path"
    }
    if missing:
        raise DocumentError(f"its path has `{min(missing)}`, which is not a parameter")
    schema: dict[str, Any] = {"type": "object", "properties": draft.properties, "additionalProperties": False}
    if draft.required:
        schema["required"] = draft.required
    if draft.shapes.definitions:
        schema["$defs"] = draft.shapes.definitions
    route = {"method": method.upper(), "path": path, "arguments": draft.travels, "body": body}
    told = {"title": _text(operation, "summary"), "description": _description(operation, where)}
    return {
        "name": _name(operation, method, path),
        **{name: text for name, text in told.items() if text},
        "inputSchema": schema,
        "annotations": _annotations(method),
        "_meta": {OPERATION_META: route},
    }


def _parameters(document: Document, shared: Any, operation: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    """Those of the path and of the operation, which replaces one of the same name and place."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    own: Any = operation.get("parameters") or []
    if not isinstance(own, list) or not isinstance(shared, list):
        raise DocumentError("its `parameters` are not a list")
    for entry in (*cast("list[Any]", shared), *cast("list[Any]", own)):
        parameter = document.resolve(entry, f"a parameter of {where}")
        name, place = parameter.get("name"), parameter.get("in")
        if not isinstance(name, str) or not name or place not in _STYLE:
            raise DocumentError("a parameter has no `name` or no known `in`")
        if place == "header" and name.lower() in _OURS:
            continue
        found[name, str(place)] = parameter
    yield from found.values()


def _add_parameter(draft: _Draft, parameter: Mapping[str, Any]) -> None:
    name, place = str(parameter["name"]), str(parameter["in"])
    style = str(parameter.get("style") or _STYLE[place])
    if "content" in parameter or style not in _STYLES[place]:
        raise DocumentError(f"parameter `{name}` is sent in a way that is not supported")
    schema = draft.shapes.of(parameter.get("schema", {}), f"parameter `{name}`")
    text = _text(parameter, "description")
    if text and isinstance(schema, dict) and "description" not in schema:
        schema = {**cast("dict[str, Any]", schema), "description": text}
    explode = parameter.get("explode", style in {"form", "deepObject"})
    required = place == "path" or parameter.get("required") is True
    draft.add(name, place, schema, required=required, style=style, explode=explode is True)


def _add_body(document: Document, draft: _Draft, operation: Mapping[str, Any]) -> str | None:
    """The body's members as arguments, or all of it as `body`; returns how it is written."""
    if "requestBody" not in operation:
        return None
    body = document.resolve(operation["requestBody"], f"the body of {draft.where}")
    content: Any = body.get("content")
    kind, media = _media(cast("dict[str, Any]", content) if isinstance(content, dict) else {})
    required = body.get("required") is True
    written: Any = media.get("schema", {})
    behind = written if isinstance(written, bool) else document.resolve(written, f"the body of {draft.where}")
    if kind == "text" or isinstance(behind, bool) or not plain_object(behind):
        if kind == "form":
            raise DocumentError("its form is not a plain object")
        shape = {"type": "string"} if kind == "text" else draft.shapes.of(written, "the body")
        draft.add("body", "body", shape, required=required)
        return kind
    needed = cast("list[str]", behind.get("required") or []) if required else []
    for name, part in cast("dict[str, Any]", behind["properties"]).items():
        if isinstance(part, dict) and cast("dict[str, Any]", part).get("readOnly") is True:
            continue
        draft.add(name, "member", draft.shapes.of(part, f"`{name}` of the body"), required=name in needed)
    return kind


def _media(content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    for name, media in content.items():
        base = name.partition(";")[0].strip().lower()
        found = cast("dict[str, Any]", media) if isinstance(media, dict) else {}
        if base == "application/json" or base.endswith("+json") or base == "*/*":
            return "json", found
        if base == "application/x-www-form-urlencoded":
            return "form", found
        if base.startswith("text/"):
            return "text", found
    shown = ", ".join(f"`{name}`" for name in content) or "no content"
    raise DocumentError(f"its body is {shown}, which is not supported")


def _name(operation: Mapping[str, Any], method: str, path: str) -> str:
    given = operation.get("operationId")
    text = given if isinstance(given, str) and given else f"{method}_{path.strip('/') or 'root'}"
    return re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_.-]", "_", text)).strip("_")[:120] or method


def _description(operation: Mapping[str, Any], where: str) -> str:
    text = _text(operation, "description") or _text(operation, "summary") or where.strip("`")
    return f"{text} (deprecated)" if operation.get("deprecated") is True else text


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value.strip() if isinstance(value, str) else ""


def _annotations(method: str) -> dict[str, Any]:
    """The effect by RFC 9110, 9.2: safe methods read, DELETE destroys, the others write."""
    if method in {"get", "head"}:
        return {"readOnlyHint": True, "openWorldHint": True}
    return {
        "readOnlyHint": False,
        "destructiveHint": method == "delete",
        "idempotentHint": method in {"put", "delete"},
        "openWorldHint": True,
    }
