"""The condition that holds for one call and for no other: what its arguments are, of those that a condition reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from meshplan.compiler.expressions import show
from meshplan.schemas import jsontext


def excused(when: Any, sent: Mapping[str, Any], definition: str) -> str | None:
    """`args.owner == 'acme' && !has(args.title)`; ``None`` where an argument is no plain value, or none is read."""
    found: list[str] = []
    names: dict[str, None] = {}
    _read(when, names)
    required = _required(jsontext.parse(definition))
    for name in names:
        place = show(cast("Any", ["select", ["var", "args"], name]))
        there = show(cast("Any", ["has", ["var", "args"], name]))
        if name not in sent:
            found.append(f"!{there}")
        elif sent[name] is None or isinstance(sent[name], str | bool | int):
            equal = f"{place} == {show(cast('Any', ['lit', sent[name]]))}"
            found.append(equal if name in required else f"{there} && {equal}")
        else:
            return None
    return " && ".join(found) or None


def _read(ir: Any, names: dict[str, None]) -> None:
    """The names of the arguments that an expression reads."""
    if not isinstance(ir, list):
        return
    parts = cast("list[Any]", ir)
    if parts[0] in ("select", "has") and parts[1] == ["var", "args"]:
        names[str(parts[2])] = None
        return
    if parts[0] not in ("lit", "real"):
        for part in parts[1:]:
            _read(part, names)


def _required(definition: Any) -> frozenset[str]:
    schema = cast("dict[str, Any]", definition).get("inputSchema") if isinstance(definition, dict) else None
    found = cast("dict[str, Any]", schema).get("required") if isinstance(schema, dict) else None
    return frozenset(str(name) for name in cast("list[Any]", found)) if isinstance(found, list) else frozenset()
