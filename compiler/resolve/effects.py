"""Each locked capability's effect: declared in mesh.yaml, else annotated by the server, else assumed destructive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from meshplan.compiler.lockfile import Locked, ServerLock
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolved import KnownCapability
from meshplan.compiler.syntax.servers import AnyServer, Effects
from meshplan.schemas.capability import EFFECTS, CapabilityKey, Effect, EffectSource
from meshplan.schemas.decide import glob_match


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
            effect, source = _effect(server, key, locked)
            known[key] = KnownCapability(key, locked, effect, source)
    return known


def _effect(server: AnyServer, key: CapabilityKey, locked: Locked) -> tuple[Effect, EffectSource]:
    if key.kind != "tool":
        return "read", "declared"
    declared = _declared(server.effects, key.name)
    if declared is not None:
        return declared, "declared"
    annotations: Any = locked.definition.get("annotations")
    return _annotated(cast("Mapping[str, Any]", annotations) if isinstance(annotations, dict) else {})


def _declared(effects: Effects, tool: str) -> Effect | None:
    """The most severe match wins."""
    for effect in reversed(EFFECTS):
        globs: list[str] = getattr(effects, effect)
        if any(glob_match(glob, tool) for glob in globs):
            return effect
    return None


def _annotated(annotations: Mapping[str, Any]) -> tuple[Effect, EffectSource]:
    """MCP's hints (tools, annotations): `destructiveHint` counts only where `readOnlyHint` is not true."""
    if annotations.get("readOnlyHint") is True:
        return "read", "annotated"
    if annotations.get("destructiveHint") is False:
        return "write", "annotated"
    if annotations.get("destructiveHint") is True:
        return "destructive", "annotated"
    return "destructive", "assumed"


def _check_globs(context: Context, name: str, server: AnyServer, lock: ServerLock) -> None:
    tools = lock.names("tool")
    for effect in EFFECTS:
        globs: list[str] = getattr(server.effects, effect)
        for index, glob in enumerate(globs):
            path = ("servers", name, "effects", effect, index)
            if any(char in glob for char in "*?"):
                if not any(glob_match(glob, tool) for tool in tools):
                    context.say("glob-matches-nothing", path, f"`{glob}` matches no locked tool of `{name}`")
            else:
                context.known("tool", glob, tools, path)
