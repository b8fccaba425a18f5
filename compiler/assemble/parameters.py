"""`parameters:`: typed values for `${param.NAME}` in text, put in after parsing, never read from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.marks import MapNode, SeqNode, locate
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import did_you_mean

_REFERENCE = re.compile(r"\$\{param\.([^}]*)\}")
_UNTOUCHED = frozenset({"parameters", "environments", "include"})


def expanded(root: MapNode, environment: str | None, given: Mapping[str, str]) -> list[Diagnostic]:
    """Put parameters into the document's text, in place; reports what is missing, unknown or of the wrong type."""
    declared = root.get("parameters")
    parameters: MapNode = declared if isinstance(declared, MapNode) else MapNode()
    found: list[Diagnostic] = []
    values = _values(root, parameters, environment, given, found)
    for key in list(root):
        if key not in _UNTOUCHED:
            _walk(root, root, key, (key,), values, set(parameters), found)
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
        if not isinstance(entry, MapNode):
            continue
        path = ("parameters", name, "default") if "default" in entry else ("parameters", name)
        value: Any = entry.get("default")
        if name in chosen:
            value, path = chosen[name], ("environments", environment or "", "parameters", name)
        if name in given:
            value, path = given[name], ("parameters", name)
        if value is None:
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
        return None if text in values else "one of " + ", ".join(f"`{item}`" for item in values)
    return None


def _unknown(root: MapNode, path: Path, name: str, known: MapNode, *, key: bool = False) -> Diagnostic:
    at = locate(root, path)
    span = at.key_span() if key else at.value_span()
    return report("unknown-parameter", span, f"there is no parameter `{name[:80]}`", help=did_you_mean(name, known))


def _walk(
    root: MapNode,
    holder: Any,
    key: Any,
    path: Path,
    values: Mapping[str, str],
    known: set[str],
    found: list[Diagnostic],
) -> None:
    value = holder[key]
    if isinstance(value, MapNode):
        for inner in list(value):
            _walk(root, value, inner, (*path, inner), values, known, found)
    elif isinstance(value, SeqNode):
        for index in range(len(value)):
            _walk(root, value, index, (*path, index), values, known, found)
    elif isinstance(value, str) and "${param." in value:
        for name in _REFERENCE.findall(value):
            if name not in known:
                declared = root.get("parameters")
                found.append(_unknown(root, path, name, declared if isinstance(declared, MapNode) else MapNode()))
        holder[key] = _REFERENCE.sub(lambda match: values.get(match[1], match[0]), value)
