"""The mesh with every name resolved to the thing it means, each with the place that caused it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.lockfile import Locked
from meshplan.schemas.capability import CapabilityKey, Effect, EffectSource


@dataclass(frozen=True, slots=True)
class KnownCapability:
    """One locked capability with its effect and where the effect comes from."""

    key: CapabilityKey
    locked: Locked
    effect: Effect
    effect_from: EffectSource


@dataclass(frozen=True, slots=True)
class ResolvedOffer:
    """A capability as one endpoint shows it; ``path`` is the include that selected it."""

    capability: CapabilityKey
    name: str
    description: str | None
    set: Mapping[str, Any]
    hide: tuple[str, ...]
    path: Path


@dataclass(frozen=True, slots=True)
class ResolvedEndpoint:
    """One virtual MCP; ``live`` maps servers whose resources it forwards to the include that says so."""

    name: str
    description: str | None
    offers: tuple[ResolvedOffer, ...]
    live: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class ResolvedRule:
    """One rule of a role with the capabilities that it covers today; ``live`` maps servers to URI globs."""

    id: str
    role: str
    effect: Literal["allow", "deny"]
    covers: tuple[CapabilityKey, ...]
    live: Mapping[str, tuple[str, ...]]
    endpoints: tuple[str, ...] | None
    path: Path


@dataclass(frozen=True, slots=True)
class ResolvedGrant:
    """A role for whoever proves all subjects of one conjunction."""

    role: str
    to: tuple[tuple[str, ...], ...]
    expires: str | None
    delegated: Literal["intersection", "union"]
    path: Path


@dataclass(frozen=True, slots=True)
class ResolvedIdentity:
    """The subjects that each key proves, and those of the loopback profile."""

    keys: Mapping[str, tuple[str, ...]]
    local: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything that lowering needs."""

    capabilities: Mapping[CapabilityKey, KnownCapability]
    endpoints: tuple[ResolvedEndpoint, ...]
    rules: tuple[ResolvedRule, ...]
    roles: Mapping[str, tuple[str, ...]]
    grants: tuple[ResolvedGrant, ...]
    identity: ResolvedIdentity
