"""Capabilities as people write them: by the name that an endpoint advertises, `server.name`, or a capability's id."""

from __future__ import annotations

from collections.abc import Iterable

from meshplan.compiler.suggest import closest
from meshplan.schemas.capability import KINDS, CapabilityKey
from meshplan.schemas.plan import Plan


def advertised(plan: Plan, endpoint: str) -> dict[str, str]:
    """Advertised name to capability id at an endpoint; where two kinds share a name, a tool goes first."""
    offers = sorted(
        plan.endpoints[endpoint].offers, key=lambda offer: KINDS.index(plan.capabilities[offer.capability].kind)
    )
    found: dict[str, str] = {}
    for offer in offers:
        found.setdefault(offer.name, offer.capability)
    return found


def shown_as(plan: Plan, endpoint: str, capability: str) -> str:
    """The name under which an endpoint advertises a capability, or the capability as `server.name`."""
    for offer in plan.endpoints[endpoint].offers:
        if offer.capability == capability:
            return offer.name
    key = CapabilityKey.of(capability)
    return f"{key.server}.{key.name}"


def find(plan: Plan, locked: Iterable[CapabilityKey], endpoint: str | None, text: str) -> str | None:
    """The id of the capability that ``text`` names at an endpoint (or anywhere), offered or not; else ``None``."""
    if endpoint is not None and text in (names := advertised(plan, endpoint)):
        return names[text]
    return by_key([*_offered(plan), *locked], text)


def by_key(keys: Iterable[CapabilityKey], text: str) -> str | None:
    """The capability that `server.name`, `server/kind/name` or `kind:server.name` means; tools go first."""
    best: CapabilityKey | None = None
    for key in keys:
        matches = text in (key.id, f"{key.server}.{key.name}", f"{key.kind}:{key.server}.{key.name}")
        if matches and (best is None or KINDS.index(key.kind) < KINDS.index(best.kind)):
            best = key
    return None if best is None else best.id


def meant(plan: Plan, locked: Iterable[CapabilityKey], endpoint: str | None, text: str) -> str | None:
    """The name that ``text`` is most likely a slip of."""
    names = (
        set(advertised(plan, endpoint))
        if endpoint is not None
        else {n for e in plan.endpoints for n in advertised(plan, e)}
    )
    names |= {f"{key.server}.{key.name}" for key in (*_offered(plan), *locked)}
    return closest(text, names)


def _offered(plan: Plan) -> list[CapabilityKey]:
    return [CapabilityKey.of(capability) for capability in plan.capabilities]
