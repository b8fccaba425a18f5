"""`parameters:`: typed values for `${param.NAME}` in text, put in after parsing, never read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.marks import POISON, MapNode, SeqNode, locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import did_you_mean

_REFERENCE = re.compile(r"\$\{param\.([^}]*)\}")
_NEARLY = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_.-]*)(\}?)")
"""What looks like a reference: a bare name, another word before the dot, no end."""
_KEYS = frozenset({"type", "values", "default", "description"})
_UNTOUCHED = frozenset({"parameters", "environments", "include"})


def expanded(root: MapNode, environment: str | None, given: Mapping[str, str]) -> list[Diagnostic]:
    """Put parameters into the document's text, in place; reports what is missing, unknown or of the wrong type."""
    declared = root.get("parameters")
    parameters: MapNode = declared if isinstance(declared, MapNode) else MapNode()
    found: list[Diagnostic] = []
    values = _values(root, parameters, environment, given, found)
    for key in list(root):
        if key not in _UNTOUCHED:
            _walk(root, root, key, (key,), values, parameters, found)
    return found


def _values(
    root: MapNode, parameters: MapNode, environment: str | None, given: Mapping[str, str], found: list[Diagnostic]
) -> dict[str, str]:
    values: dict[str, str] = {}
    chosen = _chosen(root, environment)
    for name in chosen:
        if name not in parameters:
            path: Path = ("environments", environment or "", "parameters", name)
            found.append(_unknown(root, path, name, parameters, key=True))
    for name, entry in parameters.items():
        if not isinstance(entry, MapNode) or set(entry) - _KEYS:
            continue
        path = ("parameters", name, "default") if "default" in entry else ("parameters", name)
        value: Any = entry.get("default")
        if name in chosen:
            value, path = chosen[name], ("environments", environment or "", "parameters", name)
        if name in given:
            value, path = given[name], ("parameters", name)
        if (value is None and path[-1] == "default") or not isinstance(value, str | int | None):
            continue
        if entry.get("type") == "enum" and "values" not in entry:
            message, span = (
                f"the parameter `{name}` lists no `values` to choose from",
                locate(root, ("parameters", name)),
            )
            found.append(report("bad-parameter", span.key_span(), message, help="write `values: [a, b]`"))
        elif value is None:
            message = f"the parameter `{name}` has no value"
            span = locate(root, path).key_span()
            found.append(report("bad-parameter", span, message, help="give it a `default`, or a value with `--param`"))
        elif (wrong := _wrong(entry, value)) is not None:
            at = locate(root, path)
            found.append(report("bad-parameter", at.value_span(), f"`{value}` is not {wrong}, which `{name}` must be"))
        else:
            values[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return values


def _chosen(root: MapNode, environment: str | None) -> dict[str, Any]:
    environments = root.get("environments")
    entry = environments.get(environment) if isinstance(environments, MapNode) and environment else None
    values = entry.get("parameters") if isinstance(entry, MapNode) else None
    return dict(values) if isinstance(values, MapNode) else {}


def _wrong(entry: MapNode, value: Any) -> str | None:
    """What the value should be and is not."""
    kind = entry.get("type", "string")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "int":
        return None if re.fullmatch(r"-?[0-9]{1,18}", text) else "a whole number"
    if kind == "bool":
        return None if text in ("true", "false") else "`true` or `false`"
    if kind == "enum":
        listed = entry.get("values")
        values = [str(item) for item in listed] if isinstance(listed, SeqNode) else []
        if not isinstance(listed, SeqNode) or POISON in listed:
            return None
        return None if text in values else "one of " + ", ".join(f"`{item}`" for item in values)
    return None


def _unknown(root: MapNode, path: Path, name: str, known: MapNode, *, key: bool = False) -> Diagnostic:
    at = locate(root, path)
    span = at.key_span() if key else at.value_span()
    advice = did_you_mean(name, known) or "declare it in `parameters`"
    return report("unknown-parameter", span, f"there is no parameter `{name[:80]}`", help=advice)


def _walk(
    root: MapNode,
    holder: Any,
    key: Any,
    path: Path,
    values: Mapping[str, str],
    known: MapNode,
    found: list[Diagnostic],
) -> None:
    value = holder[key]
    if isinstance(value, MapNode):
        for inner in list(value):
            _walk(root, value, inner, (*path, inner), values, known, found)
    elif isinstance(value, SeqNode):
        for index in range(len(value)):
            _walk(root, value, index, (*path, index), values, known, found)
    elif isinstance(value, str) and "${" in value:
        wrong = _wrong_references(root, path, value, known)
        found += wrong
        clean = not wrong and all(name in values for name in _REFERENCE.findall(value))
        holder[key] = _REFERENCE.sub(lambda match: values[match[1]], value) if clean else POISON


def _wrong_references(root: MapNode, path: Path, value: str, known: MapNode) -> list[Diagnostic]:
    """References to what is not declared, and what was nearly written as a reference."""
    names = [name for name in _REFERENCE.findall(value) if name not in known]
    found = [_unknown(root, path, name, known) for name in dict.fromkeys(names)]
    for name, end in _NEARLY.findall(value):
        word, dot, last = name.partition(".")
        slip = word.startswith("param") or (last in known and did_you_mean(word, ("param",)) is not None)
        if (word == "param" and dot and end) or not (name in known or (dot and slip)):
            continue
        written = f"${{param.{last if dot else name}}}"
        message = f"`${{{name}{end}` is not how a parameter is named"
        found.append(report("unknown-parameter", locate(root, path).value_span(), message, help=f"write `{written}`"))
    return found
