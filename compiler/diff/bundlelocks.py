"""Locks of a plan without its sources: what it offers, compared by digest, and read only where digests differ."""

from __future__ import annotations

from typing import Any, cast

from meshplan.compiler.lockfile import Locked, ServerLock
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey


def bundle_locks(before: Bundle, after: Bundle) -> tuple[dict[str, ServerLock], dict[str, ServerLock]]:
    """Locks of both sides that hold what differs among the offered definitions; transports are compared elsewhere."""
    old, new = before.plan.capabilities, after.plan.capabilities
    differ = [
        name
        for name in sorted({*old, *new})
        if name not in old
        or name not in new
        or (old[name].definition, old[name].effect) != (new[name].definition, new[name].effect)
    ]
    return _locks(before, differ), _locks(after, differ)


def _locks(bundle: Bundle, names: list[str]) -> dict[str, ServerLock]:
    found: dict[str, dict[CapabilityKey, Locked]] = {server: {} for server in bundle.plan.servers}
    for name in names:
        capability = bundle.plan.capabilities.get(name)
        if capability is not None and capability.server in found:
            text = bundle.definitions[capability.definition]
            value = cast("dict[str, Any]", jsontext.parse(text, exact=True))
            found[capability.server][CapabilityKey.of(name)] = Locked(capability.definition, text, value)
    return {server: ServerLock(server, {}, "", {}, {}, None, definitions) for server, definitions in found.items()}
