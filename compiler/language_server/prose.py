"""What is said of a key or a capability, as Markdown in which nothing that a server wrote is more than text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from meshplan.compiler.language_server.analysis import Analysis
from meshplan.compiler.language_server.language import Key
from meshplan.compiler.render.view import visible
from meshplan.schemas.capability import CapabilityKey

LONGEST = 2000
_RUN = re.compile(r"`+")


def code(text: str) -> str:
    """A name in backticks, whatever is in it, on one line."""
    return "`" + visible(text).replace("`", "'")[:200] + "`"


def block(text: str) -> str:
    """Text in a fence that nothing in it can close: no link, image or HTML in it is one."""
    shown = "\n".join(visible(line) for line in text[:LONGEST].split("\n")) + ("…" if len(text) > LONGEST else "")
    fence = "`" * max(3, 1 + max((len(run) for run in _RUN.findall(shown)), default=0))
    return f"{fence}text\n{shown}\n{fence}"


def about_key(key: Key) -> str:
    """What a key of the language is for, and what may stand there; this text is our own."""
    lines = [key.about, f"Wants {key.form}." if key.form else "", "Required." if key.required else ""]
    examples = "\n".join(f"{key.name}: {example}" for example in key.examples)
    return "\n\n".join([*(line for line in lines if line), *([f"```yaml\n{examples}\n```"] if examples else [])])


def about_capability(key: CapabilityKey, known: Analysis) -> str:
    """A locked capability: its effect and where that comes from, its description and its arguments as the server says."""
    lock = known.locks.get(key.server)
    locked = lock.definitions.get(key) if lock is not None else None
    judged = known.capabilities.get(key)
    head = f"{key.kind} {code(key.name)} of {code(key.server)}"
    if judged is not None:
        head += f": effect **{judged.effect}** ({judged.effect_from})"
    if locked is None:
        return head
    lines = [head]
    description = locked.definition.get("description") or locked.definition.get("title")
    if isinstance(description, str) and description.strip():
        lines.append(block(description))
    if said := _arguments(locked.definition):
        lines.append(block(said))
    return "\n\n".join(lines)


def inline(schema: Any) -> str:
    """An argument's schema as the server has it."""
    return block(json.dumps(schema, ensure_ascii=False, indent=1, default=str)) if schema else ""


def _arguments(definition: Mapping[str, Any]) -> str:
    schema = definition.get("inputSchema")
    if not isinstance(schema, dict):
        return ""
    inner = cast("dict[str, Any]", schema)
    properties, required = inner.get("properties"), inner.get("required")
    needed = cast("list[Any]", required) if isinstance(required, list) else []
    lines: list[str] = []
    for name, argument in cast("dict[str, Any]", properties).items() if isinstance(properties, dict) else ():
        kind: Any = cast("dict[str, Any]", argument).get("type") if isinstance(argument, dict) else None
        form = f": {kind}" if isinstance(kind, str) else ""
        lines.append(f"{name}{form}{' (required)' if name in needed else ''}")
    return "\n".join(lines)
