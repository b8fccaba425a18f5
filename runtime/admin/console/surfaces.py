"""What each endpoint serves: its tools, prompts and resources, and what listing them costs a model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from meshplan.runtime.index import EndpointIndex
from meshplan.runtime.snapshot import Snapshot
from meshplan.schemas.plan import Capability
from meshplan.schemas.tokens import estimate

_COUNTED = ("name", "description", "inputSchema")


@dataclass(frozen=True, slots=True)
class Shown:
    """One capability under the name that an endpoint advertises; ``tokens`` of a tool only."""

    name: str
    capability: str
    kind: str
    effect: str
    tokens: int | None


@dataclass(frozen=True, slots=True)
class SurfaceView:
    """One endpoint; ``listed`` is what a caller who may use everything pays, ``whole`` what all tools would cost."""

    name: str
    description: str | None
    strategy: str
    max_tokens: int | None
    listed: int
    whole: int
    shown: tuple[Shown, ...]


@lru_cache(2)
def surfaces(snapshot: Snapshot) -> tuple[SurfaceView, ...]:
    """Every endpoint of a plan, in its order of names."""
    return tuple(_surface(snapshot, snapshot.endpoints[name]) for name in sorted(snapshot.endpoints))


def _surface(snapshot: Snapshot, index: EndpointIndex) -> SurfaceView:
    plan, shown = snapshot.plan, list[Shown]()
    for offer in plan.endpoints[index.name].offers:
        capability = plan.capabilities[offer.capability]
        text = dict(index.listed[capability.kind]).get(offer.capability, b"{}")
        shown.append(_shown(offer.name, offer.capability, capability, text))
    whole = sum(one.tokens or 0 for one in shown)
    visible = frozenset(one.capability for one in shown)
    listed = whole if index.strategy is None else sum(_tokens(text) for text in index.strategy.listed(visible))
    endpoint = plan.endpoints[index.name]
    return SurfaceView(
        index.name, index.description, index.strategy_name, endpoint.max_tokens, listed, whole, tuple(shown)
    )


def _shown(name: str, id: str, capability: Capability, text: bytes) -> Shown:
    tokens = _tokens(text) if capability.kind == "tool" else None
    return Shown(name, id, capability.kind, capability.effect, tokens)


def _tokens(definition: bytes) -> int:
    """Of what model APIs take of a tool, as compact JSON; an estimate (``schemas.tokens``)."""
    found: dict[str, Any] = msgspec.json.decode(definition)
    kept = {name: found[name] for name in _COUNTED if name in found}
    return estimate(msgspec.json.encode(kept).decode())
