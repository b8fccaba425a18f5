"""What selectors go by: each capability's effect and tags, and whether a selector means a capability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshplan.compiler.resolved import Resolved
from meshplan.compiler.syntax.access import Reach
from meshplan.compiler.syntax.selectors import KEY_OF, ByEffect
from meshplan.schemas.capability import CapabilityKey, Effect, EffectSource
from meshplan.schemas.globs import glob_match

if TYPE_CHECKING:
    from meshplan.schemas.plan import Plan


@dataclass(frozen=True, slots=True)
class Label:
    """One reading of a capability."""

    effect: Effect
    source: EffectSource
    tags: tuple[str, ...] = ()


Labels = Mapping[str, Label]
"""By capability id."""

LIVE = Label("read", "declared")
"""Resources that are not locked: they are read, and nobody tagged them."""


def labels_of_plan(plan: Plan) -> dict[str, Label]:
    """The labels that a plan has."""
    return {name: Label(c.effect, c.effect_from, c.tags) for name, c in plan.capabilities.items()}


def labels_of(resolved: Resolved) -> dict[str, Label]:
    """The labels of everything that is locked or made, used or not."""
    return {key.id: Label(known.effect, known.effect_from, known.tags) for key, known in resolved.capabilities.items()}


def by_effect(reach: Reach) -> bool:
    """Whether the effect decides what a selector means."""
    return reach.effect is not None or isinstance(reach.tools, ByEffect)


def matches(reach: Reach, key: CapabilityKey, label: Label, *, effects: bool = True) -> bool:
    """Whether a selector means a capability; without ``effects`` as if it did not ask for an effect."""
    if not (_by_maker(reach, key) and _by_kind(reach, key, label, effects=effects)):
        return False
    if reach.effect is not None and effects:
        wanted = (reach.effect,) if isinstance(reach.effect, str) else reach.effect
        if label.effect not in wanted:
            return False
    return reach.tag is None or reach.tag in label.tags


def matches_live(reach: Reach, server: str) -> bool:
    """Whether a selector may mean some resource of a server that is not locked; a pattern may always meet one."""
    if reach.tag is not None or not _by_maker(reach, CapabilityKey(server, "resource", "*")):
        return False
    if reach.effect is not None and "read" not in ((reach.effect,) if isinstance(reach.effect, str) else reach.effect):
        return False
    return not _kinds(reach) or reach.resources is not None


def _by_maker(reach: Reach, key: CapabilityKey) -> bool:
    if reach.binding is not None:
        return key.server == f"binding:{reach.binding}" and (not reach.operations or key.name in reach.operations)
    if reach.workflow is not None:
        return key.server == f"workflow:{reach.workflow}"
    return reach.server is None or key.server in ((reach.server,) if isinstance(reach.server, str) else reach.server)


def _kinds(reach: Reach) -> list[str]:
    return [name for name in KEY_OF.values() if getattr(reach, name) is not None]


def _by_kind(reach: Reach, key: CapabilityKey, label: Label, *, effects: bool) -> bool:
    if not _kinds(reach):
        return True
    selector = getattr(reach, KEY_OF[key.kind])
    if selector is None or selector == "live" or ":" in key.server:
        return False
    if selector == "all":
        return True
    if isinstance(selector, ByEffect):
        return not effects or label.effect in selector.effects
    return any(glob_match(glob, key.name) for glob in selector)
