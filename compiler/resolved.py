"""The mesh with every name resolved to the thing it means, each with the place that caused it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.lockfile import Locked
from meshplan.compiler.syntax.money import Budget, Price
from meshplan.schemas.capability import CapabilityKey, Effect, EffectSource
from meshplan.schemas.rules import Claim


@dataclass(frozen=True, slots=True)
class KnownCapability:
    """One capability with its effect and where the effect comes from; a binding's or workflow's tool has one, too."""

    key: CapabilityKey
    locked: Locked
    effect: Effect
    effect_from: EffectSource
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedOperation:
    """One operation by one capability; expressions' IR, ``None`` where everything is passed on unchanged."""

    capability: CapabilityKey
    arguments: Mapping[str, JsonValue] | None
    result: Mapping[str, JsonValue] | None


@dataclass(frozen=True, slots=True)
class ResolvedBinding:
    """A contract by a provider."""

    name: str
    contract: str
    provider: str
    operations: Mapping[str, ResolvedOperation]
    path: Path


@dataclass(frozen=True, slots=True)
class ResolvedStep:
    """One call of a workflow."""

    name: str
    capability: CapabilityKey
    arguments: Mapping[str, JsonValue]
    when: JsonValue
    on_error: Literal["fail", "continue"]
    timeout_ms: int | None


@dataclass(frozen=True, slots=True)
class ResolvedWorkflow:
    """A sequence of calls."""

    name: str
    run_as: Literal["caller", "workflow"]
    steps: tuple[ResolvedStep, ...]
    output: JsonValue
    path: Path


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
    when: JsonValue
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
class ResolvedOperator:
    """Whoever holds all of ``to`` may look at these endpoints; ``None``: at everything."""

    to: tuple[str, ...]
    endpoints: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ResolvedIdentity:
    """The subjects that each key, the loopback profile and tokens' claims prove."""

    keys: Mapping[str, tuple[str, ...]]
    local: tuple[str, ...] | None
    claims: tuple[Claim, ...]
    exclusive: tuple[tuple[tuple[str, ...], ...], ...]


@dataclass(frozen=True, slots=True)
class ResolvedPrice:
    """The price of one capability; ``usage`` is an expression's IR."""

    capability: CapabilityKey
    price: Price
    currency: str | None
    usage: JsonValue
    path: Path


@dataclass(frozen=True, slots=True)
class ResolvedBudget:
    """A budget with its scope and what it covers (``None``: every capability)."""

    name: str
    budget: Budget
    of: tuple[str, ...] | None
    covers: tuple[CapabilityKey, ...] | None
    counted_as: str
    path: Path


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything that lowering needs."""

    capabilities: Mapping[CapabilityKey, KnownCapability]
    bindings: tuple[ResolvedBinding, ...]
    workflows: tuple[ResolvedWorkflow, ...]
    endpoints: tuple[ResolvedEndpoint, ...]
    rules: tuple[ResolvedRule, ...]
    roles: Mapping[str, tuple[str, ...]]
    grants: tuple[ResolvedGrant, ...]
    operators: tuple[ResolvedOperator, ...]
    identity: ResolvedIdentity
    prices: Mapping[CapabilityKey, ResolvedPrice]
    budgets: tuple[ResolvedBudget, ...]
    policies: Mapping[str, JsonValue]
    invariants: Mapping[str, JsonValue]
