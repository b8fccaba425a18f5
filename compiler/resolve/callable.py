"""Tools that no client could call through the mesh; they are left out, as a client has to leave them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from meshplan.compiler.expressions.problems import listed
from meshplan.compiler.lockfile import Locked, ServerLock
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.syntax.servers import AnyServer, HttpServer
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.carriage import era_of
from meshplan.schemas.mirrors import KEY, mirrors

_HEADERS = f"`{KEY}` of %s breaks the rules for header names"
_TASKS = "%s is for tasks alone, as servers with sessions had them, and those are not carried"
_ADVICE = {
    _HEADERS: "every client has to leave such a tool out; correct the schema at the server",
    _TASKS: "let the server take plain calls, too, or offer the tasks extension of 2026-07-28",
}


def without_uncallable(context: Context) -> dict[str, ServerLock]:
    """The locks without such tools, each reported once a server and reason."""
    return {name: _usable(context, name, lock) for name, lock in context.locks.items()}


def _usable(context: Context, name: str, lock: ServerLock) -> ServerLock:
    reasons: dict[str, list[CapabilityKey]] = {}
    for key, locked in lock.definitions.items():
        if key.kind == "tool" and (reason := _reason(context.mesh.servers[name], lock, locked)) is not None:
            reasons.setdefault(reason, []).append(key)
    for reason, keys in reasons.items():
        message = reason % f"{listed(key.name for key in keys)} of `{name}`"
        context.say("uncallable-tool", ("servers", name), message, help=_ADVICE[reason], key=True)
    gone = {key for keys in reasons.values() for key in keys}
    return replace(lock, definitions={k: v for k, v in lock.definitions.items() if k not in gone}) if gone else lock


def _reason(server: AnyServer, lock: ServerLock, locked: Locked) -> str | None:
    modern = era_of(lock.protocol_version) == "modern"
    if modern and isinstance(server, HttpServer) and KEY in locked.text:
        return _HEADERS if mirrors(locked.definition.get("inputSchema")) is None else None
    execution: Any = None if modern else locked.definition.get("execution")
    support = cast("Mapping[str, Any]", execution).get("taskSupport") if isinstance(execution, Mapping) else None
    return _TASKS if support == "required" else None
