"""A plan made ready to serve: immutable, indexed once, shared by all requests until the next one replaces it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from msgspec import Struct

from meshplan.runtime.budget.tariff import Tariff
from meshplan.runtime.index import EndpointIndex, build_index
from meshplan.runtime.pages import Pages, paginate
from meshplan.runtime.principal import Keyring
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import Kind
from meshplan.schemas.decide import NOT_OFFERED, Decider, Principal, Verdict
from meshplan.schemas.surface import advertise_before

_CACHED = 1024
_VERDICTS = 16_384
_LISTS_KEPT = 256
_LISTS: Mapping[str, tuple[Kind, ...]] = {
    "tools": ("tool",),
    "prompts": ("prompt",),
    "resources": ("resource", "template"),
}
"""What a client calls a list, and the kinds that are in it."""


class Snapshot:
    """One plan, indexed; ``seq`` is its number in the channel, ``None`` for a plan file."""

    def __init__(self, bundle: Bundle, seq: int | None = None) -> None:
        plan = bundle.plan
        self.plan, self.digest, self.seq = plan, bundle.digest, seq
        self.keyring = Keyring(plan.identity)
        self.endpoints = {name: build_index(plan, bundle.definitions, name) for name in plan.endpoints}
        self.tariff = Tariff(plan)
        self._decider = Decider(plan)
        self._standing = lru_cache(_CACHED)(self._decider.standing)
        self._visible = lru_cache(_CACHED)(self._find_visible)
        self._settled = lru_cache(_VERDICTS)(self._settle)
        self._joined = lru_cache(_LISTS_KEPT)(self._join)

    def view(self, endpoint: str, principal: Principal, today: date) -> View | None:
        """What one principal has at one endpoint, or ``None`` where there is no such endpoint."""
        index = self.endpoints.get(endpoint)
        return None if index is None else View(self, index, principal, today)

    def visible(self, endpoint: str, principal: Principal, today: date) -> frozenset[str]:
        """The capability ids that are listed for a principal."""
        return self._visible(endpoint, principal, today)

    def standing(self, principal: Principal, today: date) -> Mapping[str, int]:
        """The roles of a principal."""
        return self._standing(principal, today)

    def decide(
        self,
        endpoint: str,
        principal: Principal,
        today: date,
        capability: str,
        arguments: Mapping[str, Any] | None = None,
    ) -> Verdict:
        """The verdict on one capability; without arguments, on whether any call of it may be allowed."""
        if arguments is None or not self._decider.conditional(endpoint, capability):
            return self._settled(endpoint, principal, today, capability)
        return self._decider.decide(endpoint, principal, self.standing(principal, today), capability, arguments)

    def _settle(self, endpoint: str, principal: Principal, today: date, capability: str) -> Verdict:
        """The verdict that no arguments change."""
        return self._decider.decide(endpoint, principal, self.standing(principal, today), capability, None)

    def judged_by_arguments(self, endpoint: str, capability: str) -> bool:
        """Whether a rule reads the arguments of a capability."""
        return self._decider.conditional(endpoint, capability)

    def decide_live(self, endpoint: str, principal: Principal, today: date, server: str, uri: str) -> Verdict:
        """The verdict on one live resource, by normalised upstream URI."""
        return self._decider.decide_live(endpoint, principal, self.standing(principal, today), server, uri)

    def listing(self, endpoint: str, kind: Kind, visible: frozenset[str], *, legacy: bool = False) -> Pages:
        """The visible definitions of a kind, serialised, in the endpoint's order, for clients of either era."""
        return self._joined(
            endpoint, kind, visible, before=legacy and kind == "tool" and self.endpoints[endpoint].valued
        )

    def _find_visible(self, endpoint: str, principal: Principal, today: date) -> frozenset[str]:
        return self._decider.visible(endpoint, principal, self.standing(principal, today))

    def _join(self, endpoint: str, kind: Kind, visible: frozenset[str], *, before: bool) -> Pages:
        index = self.endpoints[endpoint]
        found = [one for one in index.listed[kind] if one[0] in visible]
        bound = (self.digest, endpoint, kind, f"before={before}", *sorted(capability for capability, _ in found))
        texts: Iterable[bytes] = (text for _, text in found)
        if kind == "tool" and index.strategy is not None:
            texts = index.strategy.listed(visible)
        return paginate(map(advertise_before, texts) if before else texts, bound)


class View(Struct):
    """One principal at one endpoint of one snapshot: every question of one request is asked here."""

    snapshot: Snapshot
    index: EndpointIndex
    principal: Principal
    today: date

    def judge(self, capability: str, arguments: Mapping[str, Any] | None = None) -> Verdict:
        """The verdict on one capability; without arguments, on whether any call of it may be allowed."""
        return self.snapshot.decide(self.index.name, self.principal, self.today, capability, arguments)

    def judged_by_arguments(self, capability: str) -> bool:
        """Whether a rule reads the arguments of this capability."""
        return self.snapshot.judged_by_arguments(self.index.name, capability)

    def judge_live(self, server: str, uri: str) -> Verdict:
        """The verdict on a live resource, unless a rule denies what it is declared as."""
        for route in self.index.covering(server, uri):
            verdict = self.judge(route.id, {"uri": uri})
            if verdict.code == "denied_by_rule":
                return verdict
        if server not in self.index.live:
            return NOT_OFFERED
        return self.snapshot.decide_live(self.index.name, self.principal, self.today, server, uri)

    def listing(self, kind: Kind, *, legacy: bool = False) -> Pages:
        """The definitions of a kind that this principal may see."""
        visible = self.snapshot.visible(self.index.name, self.principal, self.today)
        return self.snapshot.listing(self.index.name, kind, visible, legacy=legacy)


def changed_lists(before: View | None, after: View | None) -> frozenset[str]:
    """The lists (``tools``, ``prompts``, ``resources``) that differ between two views of one caller."""
    return frozenset(name for name, kinds in _LISTS.items() if _shown(before, kinds) != _shown(after, kinds))


def _shown(view: View | None, kinds: tuple[Kind, ...]) -> list[Any]:
    if view is None:
        return [[b"" for _ in kinds], ()]
    live: tuple[Any, ...] = ()
    if "resource" in kinds and view.index.live:
        live = (view.index.live, [rule.live for rule in view.snapshot.plan.access.rules.values()])
    return [[b",".join(view.listing(kind).parts) for kind in kinds], live]


def _own_version() -> str:
    try:
        return version("meshplan")
    except PackageNotFoundError:
        return "0"


VERSION = _own_version()
"""What the mesh calls itself in ``serverInfo``."""
