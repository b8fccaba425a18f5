"""Tools as functions of a typed program: a name that Python takes, and a stub made from the schemas that were reviewed."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

INLINE_CHARACTERS: Final = 2_400
"""So much of stubs goes into a tool's description, about 600 tokens; more must be searched for."""

_BUILTINS: Final = frozenset(
    [
        "abs",
        "aiter",
        "all",
        "anext",
        "any",
        "ascii",
        "bin",
        "bool",
        "breakpoint",
        "bytearray",
        "bytes",
        "callable",
        "chr",
        "classmethod",
        "compile",
        "complex",
        "delattr",
        "dict",
        "dir",
        "divmod",
        "enumerate",
        "eval",
        "exec",
        "exit",
        "filter",
        "float",
        "format",
        "frozenset",
        "getattr",
        "globals",
        "hasattr",
        "hash",
        "help",
        "hex",
        "id",
        "input",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "locals",
        "map",
        "max",
        "memoryview",
        "min",
        "next",
        "object",
        "oct",
        "open",
        "ord",
        "pow",
        "print",
        "property",
        "quit",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "setattr",
        "slice",
        "sorted",
        "staticmethod",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "vars",
        "zip",
        "result",
    ]
)
"""Names that a program has already; a tool of that name gets another."""

_DEEPEST: Final = 3
_MOST_TYPES, _MOST_CHOICES, _LONGEST_CHOICES, _LONGEST_SUMMARY = 12, 10, 100, 100
_SIMPLE: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_SENTENCE = re.compile(r"(?<=[.!?])\s")


def function_names(tools: Iterable[str]) -> dict[str, str]:
    """What each advertised name is called in a program: itself where Python takes it; the same for the same names."""
    wanted = {tool: _identifier(tool) for tool in sorted(set(tools))}
    taken = {tool for tool, name in wanted.items() if tool == name}
    found: dict[str, str] = {}
    for tool, name in wanted.items():
        free, count = name, 1
        while tool != name and free in taken:
            count += 1
            free = f"{name}_{count}"
        taken.add(free)
        found[tool] = free
    return found


def _identifier(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    plain = f"t_{plain}" if not plain or plain[0].isdigit() else plain
    return f"{plain}_" if keyword.iskeyword(plain) or plain in _BUILTINS else plain


def stub(function: str, definition: Mapping[str, Any]) -> str:
    """Python that declares the function: its types first, then itself, with the first sentence of its description."""
    types = _Types(function)
    parameters = types.parameters(_object(definition.get("inputSchema")))
    output = definition.get("outputSchema")
    result = types.of(output, "Result", 0) if output is not None else "str"
    said = json.dumps(_summary(definition), ensure_ascii=False) if _summary(definition) else "..."
    return "\n".join([*types.declared, f"async def {function}({parameters}) -> {result}: {said}"])


def inlined(stubs: Iterable[str]) -> str | None:
    """All of them as one text, or ``None`` where that is more than a description should hold."""
    found: list[str] = []
    length = -1
    for one in stubs:
        length += len(one) + 1
        if length > INLINE_CHARACTERS:
            return None
        found.append(one)
    return "\n".join(found)


def _summary(definition: Mapping[str, Any]) -> str:
    said = definition.get("description") or definition.get("title")
    first = _SENTENCE.split(" ".join(said.split()), 1)[0] if isinstance(said, str) else ""
    return first if len(first) <= _LONGEST_SUMMARY else f"{first[: _LONGEST_SUMMARY - 1].rstrip()}…"


class _Types:
    """Reads the schemas of one tool; ``declared`` collects what they need beside the built-in types."""

    def __init__(self, function: str) -> None:
        self._prefix = "".join(part[:1].upper() + part[1:] for part in function.split("_") if part) or "T"
        self._root: Mapping[str, Any] = {}
        self.declared: list[str] = []

    def parameters(self, schema: Mapping[str, Any]) -> str:
        """The properties as parameters by name, those first that must be there."""
        self._root = schema
        properties, required = _object(schema.get("properties")), _names(schema.get("required"))
        shown: list[str] = []
        others = False
        for name in sorted(properties, key=lambda name: (name not in required, name)):
            if not _plain(name):
                others = True
                continue
            default = "" if name in required else " = ..."
            shown.append(f"{name}: {self.of(properties[name], _capital(name), 1)}{default}")
        if others or (not properties and schema.get("additionalProperties") is not False):
            shown.append("**others: Any")
        return ", ".join(["*", *shown] if shown and not shown[0].startswith("**") else shown)

    def of(self, value: object, name: str, depth: int) -> str:
        """A schema as a type; ``name`` is what a type of its own would be called."""
        node = _object(value)
        if depth == 0:
            self._root = node
        node = self._followed(node, depth)
        if "const" in node:
            return self._choices([node["const"]])
        if isinstance(node.get("enum"), list):
            return self._choices(node["enum"])
        for several in ("anyOf", "oneOf"):
            if isinstance(node.get(several), list) and "properties" not in node:
                return self._union([(one, name) for one in node[several]], depth)
        kinds = node.get("type")
        if isinstance(kinds, list):
            return self._union([({**node, "type": kind}, name) for kind in cast("list[Any]", kinds)], depth)
        return self._kind(kinds, node, name, depth)

    def _kind(self, kind: object, node: Mapping[str, Any], name: str, depth: int) -> str:
        if kind == "array":
            return f"list[{self.of(node.get('items'), f'{name}Item', depth + 1)}]"
        if kind == "object" or (kind is None and "properties" in node):
            return self._record(node, name, depth)
        return _SIMPLE.get(kind, "Any") if isinstance(kind, str) else "Any"

    def _record(self, node: Mapping[str, Any], name: str, depth: int) -> str:
        properties = _object(node.get("properties"))
        if not properties:
            return f"dict[str, {self.of(node.get('additionalProperties'), name, depth + 1)}]"
        if depth >= _DEEPEST or len(self.declared) >= _MOST_TYPES:
            return "dict[str, Any]"
        required, own = _names(node.get("required")), f"{self._prefix}{name}"
        members: dict[str, str] = {}
        for key in sorted(properties):
            shown = self.of(properties[key], f"{name if depth else ''}{_capital(key)}", depth + 1)
            members[key] = shown if key in required else f"NotRequired[{shown}]"
        self.declared.append(_declaration(own, members))
        return own

    def _followed(self, node: dict[str, Any], depth: int) -> dict[str, Any]:
        """Where a local reference leads."""
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        found: object = self._root if reference.startswith("#/") and depth < _DEEPEST else None
        for part in reference[2:].split("/"):
            found = _object(found).get(part)
        return _object(found)

    def _choices(self, values: Sequence[Any]) -> str:
        if all(isinstance(value, str | int | bool) or value is None for value in values):
            shown = ", ".join(repr(value) for value in values)
            if len(values) <= _MOST_CHOICES and len(shown) <= _LONGEST_CHOICES:
                return f"Literal[{shown}]"
        return "str" if all(isinstance(value, str) for value in values) else "Any"

    def _union(self, several: Sequence[tuple[Any, str]], depth: int) -> str:
        kinds = dict.fromkeys(self.of(one, name, depth + 1) for one, name in several[:_MOST_CHOICES])
        return "Any" if "Any" in kinds or not kinds else " | ".join(kinds)


def _declaration(name: str, members: Mapping[str, str]) -> str:
    if all(_plain(key) for key in members):
        return f"class {name}(TypedDict): " + "; ".join(f"{key}: {shown}" for key, shown in members.items())
    return f"{name} = TypedDict({name!r}, {{" + ", ".join(f"{key!r}: {shown}" for key, shown in members.items()) + "})"


def _plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name)


def _capital(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.sub(r"[^A-Za-z0-9]", " ", name).split()) or "Member"


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _names(value: object) -> frozenset[str]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return frozenset(name for name in listed if isinstance(name, str))
