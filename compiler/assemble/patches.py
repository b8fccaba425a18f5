"""`environments:`: explicit patches of paths that exist; nothing is merged deeply and nothing is guessed."""

from __future__ import annotations

import re
from typing import Any

from meshplan.compiler.diagnostics import Diagnostic, Label, Part, Path
from meshplan.compiler.marks import ABSENT, At, MapNode, SeqNode, child, copied, drop, locate, put
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import closest, did_you_mean

_PARTS = re.compile(r"[^.\[\]]+|\[[^\[\]]+\]")
_VALUE_KEYS: dict[str, str | None] = {"set": "to", "add": "value", "remove": None}
_NAMES = ("id", "name", "role", "server", "binding", "workflow", "change")
"""The keys by which an item of a list can be addressed, the first that it has counts."""


def patched(root: MapNode, environment: str | None) -> list[Diagnostic]:
    """Apply one environment's patches to the document, in place and in order.

    Without an environment each is tried on a copy, so that a wrong path is found before anybody asks for it.
    """
    environments = root.get("environments")
    known = list(environments) if isinstance(environments, MapNode) else []
    if environment is None:
        return [problem for name in known for problem in _apply_all(copied(root), name)]
    if environment not in known:
        path: Path = ("environments",) if known else ("name",)
        advice = did_you_mean(environment, known) or _declared(known)
        message = f"there is no environment `{environment}`"
        return [report("unknown-environment", locate(root, path).key_span(), message, help=advice)]
    return _apply_all(root, environment)


def _declared(known: list[str]) -> str:
    return "known: " + ", ".join(f"`{name}`" for name in known) if known else "the mesh declares no environment at all"


def _apply_all(root: MapNode, environment: str) -> list[Diagnostic]:
    patches = child(child(child(root, "environments"), environment), "patch")
    if not isinstance(patches, SeqNode):
        return []
    found: list[Diagnostic] = []
    for index, patch in enumerate(patches):
        if isinstance(patch, MapNode):
            problem = _apply(root, patch, ("environments", environment, "patch", index))
            if problem is not None:
                found.append(problem)
    return found


def _apply(root: MapNode, patch: MapNode, path: Path) -> Diagnostic | None:
    verb = next((word for word in _VALUE_KEYS if word in patch), None)
    target = patch.get(verb) if verb else None
    if verb is None or not isinstance(target, str):
        return None
    parts: list[str] = _PARTS.findall(target)
    if not parts or "".join(p if p.startswith("[") else "." + p for p in parts).lstrip(".") != target:
        return None
    holder: Any = root
    for position, part in enumerate(parts[:-1]):
        step = _find(holder, part)
        if step is None:
            return _missing(root, (*path, verb), parts[: position + 1], holder)
        holder = child(holder, step)
    return _change(root, patch, verb, holder, parts, path)


def _change(root: MapNode, patch: MapNode, verb: str, holder: Any, parts: list[str], path: Path) -> Diagnostic | None:
    last = parts[-1]
    step = _find(holder, last)
    key = _VALUE_KEYS[verb]
    there = ABSENT if step is None else child(holder, step)
    if verb == "remove" and step is not None:
        drop(holder, step)
    elif key is None:
        return _missing(root, (*path, verb), parts, holder)
    elif key not in patch:
        return None
    elif verb == "add" and isinstance(there, SeqNode):
        there.append(patch[key])
        there.at.append(patch.at[key])
    elif verb == "add" and there is ABSENT and isinstance(holder, MapNode):
        put(holder, last, patch[key], _named(patch, verb, key))
    elif step is None:
        return _missing(root, (*path, verb), parts, holder)
    elif verb == "add":
        message = f"`{last}` is there already and is not a list"
        return report("unknown-path", locate(root, (*path, verb)).value_span(), message, help="use `set` to replace it")
    else:
        put(holder, step, patch[key], _named(patch, verb, key))
    return None


def _named(patch: MapNode, verb: str, value_key: str) -> At:
    """The patch is where the value is written now, and its path is what stands for the key."""
    key, value = patch.at[verb], patch.at[value_key]
    return At(value.file, key.start, key.end, value.start, value.end, value.style)


def _find(holder: Any, part: str) -> Part | None:
    """The key or position that one part of a path means."""
    if isinstance(holder, MapNode):
        return part if part in holder else None
    if isinstance(holder, SeqNode) and part.startswith("["):
        wanted = part[1:-1]
        for index, item in enumerate(holder):
            if item == wanted or (isinstance(item, MapNode) and label(item) == wanted):
                return index
    return None


def label(item: MapNode) -> Any:
    """The name by which an item of a list is addressed, or ``None``."""
    return next((item[key] for key in _NAMES if key in item), None)


def _missing(root: MapNode, path: Path, parts: list[str], holder: Any) -> Diagnostic:
    """``parts`` lead to the first one that does not exist, in ``holder``."""
    if "/" in parts[-1]:
        advice = "keys have dots between"
    elif isinstance(holder, MapNode):
        advice = did_you_mean(parts[-1], holder) or "`add` puts in a key that is not there"
    elif isinstance(holder, SeqNode):
        names = [label(item) if isinstance(item, MapNode) else item for item in holder]
        labels = [f"[{name}]" for name in names if name]
        advice = did_you_mean(parts[-1], labels) or "address an item of a list by its `id` or name in brackets"
    else:
        advice = None
    target = "".join(part if part.startswith("[") else f".{part}" for part in parts).removeprefix(".")
    span = locate(root, path).value_span()
    meant = closest(parts[-1], holder) if isinstance(holder, MapNode) else None
    labels = (Label(holder.at[meant].key_span(), "this is there"),) if isinstance(holder, MapNode) and meant else ()
    return report("unknown-path", span, f"there is nothing at `{target}` to change", help=advice, labels=labels)
