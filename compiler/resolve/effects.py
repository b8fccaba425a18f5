"""Each locked capability's effect: declared in mesh.yaml, else annotated by the server, else assumed destructive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.lockfile import Locked, ServerLock
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.select import is_glob
from meshplan.compiler.resolved import KnownCapability
from meshplan.compiler.syntax.servers import AnyServer, Effects
from meshplan.schemas.capability import EFFECTS, CapabilityKey, Effect, EffectSource
from meshplan.schemas.globs import glob_match


def known_capabilities(context: Context) -> dict[CapabilityKey, KnownCapability]:
    """Every capability of every locked server, with its effect."""
    known: dict[CapabilityKey, KnownCapability] = {}
    for name in sorted(context.mesh.servers):
        lock = context.locks.get(name)
        if lock is None:
            continue
        server = context.mesh.servers[name]
        _check_globs(context, name, server, lock)
        for key, locked in lock.definitions.items():
            effect, source = effect_of(server, key, locked)
            known[key] = KnownCapability(key, locked, effect, source, tags_of(server, key))
    return known


def effects_of(server: AnyServer, lock: ServerLock) -> dict[CapabilityKey, Effect]:
    """The effects of everything that a lock holds."""
    return {key: effect_of(server, key, locked)[0] for key, locked in lock.definitions.items()}


def effect_of(server: AnyServer, key: CapabilityKey, locked: Locked) -> tuple[Effect, EffectSource]:
    """The effect of one capability, and where it comes from."""
    if key.kind != "tool":
        return "read", "declared"
    declared = _declared(server.effects, key.name)
    if declared is not None:
        return declared, "declared"
    annotations: Any = locked.definition.get("annotations")
    return annotated(cast("Mapping[str, Any]", annotations) if isinstance(annotations, dict) else {})


def tags_of(server: AnyServer, key: CapabilityKey) -> tuple[str, ...]:
    """The tags whose patterns match."""
    if not server.tags:
        return ()
    return tuple(sorted(tag for tag, globs in server.tags.items() if any(glob_match(glob, key.name) for glob in globs)))


def _declared(effects: Effects, tool: str) -> Effect | None:
    """The most severe match wins."""
    for effect in reversed(EFFECTS):
        globs: list[str] = getattr(effects, effect)
        if globs and any(glob_match(glob, tool) for glob in globs):
            return effect
    return None


def annotated(annotations: Mapping[str, Any]) -> tuple[Effect, EffectSource]:
    """MCP's hints (tools, annotations): `destructiveHint` counts only where `readOnlyHint` is not true."""
    if annotations.get("readOnlyHint") is True:
        return "read", "annotated"
    if annotations.get("destructiveHint") is False:
        return "write", "annotated"
    if annotations.get("destructiveHint") is True:
        return "destructive", "annotated"
    return "destructive", "assumed"


def _check_globs(context: Context, name: str, server: AnyServer, lock: ServerLock) -> None:
    """Every pattern of the server's own must match; a plain name must be one that is locked."""
    tools = context.names(name, "tool")
    every = [key.name for key in lock.definitions]
    path: Path = ("servers", name)
    for effect in EFFECTS:
        _check_list(context, name, getattr(server.effects, effect), tools, (*path, "effects", effect))
    for tag, globs in server.tags.items():
        _check_list(context, name, globs, every, (*path, "tags", tag))
    if server.retry is not None:
        _check_list(context, name, server.retry.idempotent, tools, (*path, "retry", "idempotent"))


def _check_list(context: Context, server: str, globs: list[str], names: list[str], path: Path) -> None:
    for index, glob in enumerate(globs):
        if not is_glob(glob):
            context.known("tool", glob, names, (*path, index), of=server)
        elif not any(glob_match(glob, name) for name in names):
            context.say("glob-matches-nothing", (*path, index), f"`{glob}` matches nothing locked of `{server}`")
