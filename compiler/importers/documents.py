"""JSONC, TOML and YAML text as plain data, with bounds; scalars of YAML stay the text that was written."""

from __future__ import annotations

import re
import tomllib
from typing import Final, Literal, TypeAlias, cast

import yaml

from meshplan.compiler.importers import jsonc
from meshplan.compiler.importers.fields import quoted
from meshplan.compiler.importers.model import ImportProblem, Log, Plain

Syntax: TypeAlias = Literal["jsonc", "toml", "yaml"]

_MOST_NODES: Final = 200_000
_MOST_ALIASES: Final = 200
_NOT_TEXT: Final = re.compile("[\ud800-\udfff]")
_POSITION: Final = re.compile(r"\(at line (\d+), column (\d+)\)")


def load(syntax: Syntax, text: str, log: Log) -> dict[str, Plain]:
    """Return the document's root mapping; duplicate keys become notes.

    Raises ImportProblem where the text is not that syntax, is too large or is no mapping.
    """
    if len(text) > jsonc.LONGEST:
        raise ImportProblem(1, 1, "the file is larger than 4 MiB")
    if lone := _NOT_TEXT.search(text):
        raise ImportProblem(*jsonc.position(text, lone.start()), "the file holds half of a surrogate pair")
    data = {"jsonc": _jsonc, "toml": _toml, "yaml": _yaml}[syntax](text, log)
    if not isinstance(data, dict):
        raise ImportProblem(1, 1, "the file is not a mapping of keys to values")
    return data


def _jsonc(text: str, log: Log) -> Plain:
    root = jsonc.parse(text)
    for path, offset in jsonc.duplicates(root):
        _duplicate(log, path, jsonc.position(text, offset)[0])
    return jsonc.plain(root)


def _duplicate(log: Log, path: str, line: int) -> None:
    log.add("warning", None, path, f"{quoted(path)} appears twice; the later one, on line {line}, was taken")


def _toml(text: str, log: Log) -> Plain:
    del log
    try:
        return _closed(tomllib.loads(text), 0)
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.search(str(error))
        line, column = (int(found[1]), int(found[2])) if found else (text.count("\n") + 1, 1)
        raise ImportProblem(line, column, "the file is not valid TOML here") from None
    except (RecursionError, ValueError):
        raise ImportProblem(1, 1, "the file holds a value that is nested too deeply or too long") from None


def _closed(value: object, depth: int) -> Plain:
    """Bring what tomllib returns to plain data: dates become text."""
    if depth > jsonc.DEEPEST:
        raise ImportProblem(1, 1, f"values are nested more than {jsonc.DEEPEST} deep")
    if isinstance(value, dict):
        return {str(key): _closed(item, depth + 1) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_closed(item, depth + 1) for item in cast("list[object]", value)]
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _yaml(text: str, log: Log) -> Plain:
    try:
        _bounded(text)
        root = yaml.CSafeLoader(text).get_single_node()
        return None if root is None else _Walk(log).value(root, "", 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ImportProblem(line, column, "the file is not valid YAML here", "check indentation and quotes") from None
    except (yaml.YAMLError, ValueError):
        raise ImportProblem(1, 1, "the file holds characters that YAML does not allow") from None


def _bounded(text: str) -> None:
    """Refuse, before the recursive composer sees it, what is nested too deeply or aliases too much."""
    depth = aliases = 0
    events = yaml.CSafeLoader(text)
    while (event := events.get_event()) is not None:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > jsonc.DEEPEST or aliases > _MOST_ALIASES:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
            what = "too many aliases" if aliases > _MOST_ALIASES else "values that are nested too deeply"
            raise ImportProblem(line, column, f"the file has {what}")


class _Walk:
    """One walk over composed nodes: every alias is a copy, so the number of nodes is bounded."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._left = _MOST_NODES

    def value(self, node: yaml.Node, path: str, depth: int) -> Plain:
        self._left -= 1
        if self._left < 0 or depth > jsonc.DEEPEST:
            raise ImportProblem(
                node.start_mark.line + 1, node.start_mark.column + 1, "the file's aliases expand too far"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        text = str(node.value)
        return None if node.tag == "tag:yaml.org,2002:null" else text

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Plain]:
        merged: dict[str, Plain] = {}
        own: dict[str, Plain] = {}
        for key, item in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                merged.update(self._merge(item, path, depth))
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            here = f"{path}.{name}" if path else name
            if name in own:
                _duplicate(self._log, here, key.start_mark.line + 1)
            own[name] = self.value(item, here, depth + 1)
        return {**merged, **own}

    def _merge(self, node: yaml.Node, path: str, depth: int) -> dict[str, Plain]:
        value = self.value(node, path, depth + 1)
        sources = value if isinstance(value, list) else [value]
        result: dict[str, Plain] = {}
        for source in reversed(sources):
            if isinstance(source, dict):
                result.update(source)
        return result
