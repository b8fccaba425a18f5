"""One endpoint of a plan, ready to serve: its routes by advertised name, its definitions as bytes, what it relays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from meshplan.runtime.strategies.port import Strategy, Surface, Tool
from meshplan.runtime.strategies.registry import make, name_of
from meshplan.runtime.templates import Template, compile_template
from meshplan.runtime.uris import UriRefusedError, live_scheme, normalise, outward
from meshplan.schemas import jsontext
from meshplan.schemas.capability import KINDS, Kind
from meshplan.schemas.carriage import TASKS
from meshplan.schemas.mirrors import Mirror, mirrors
from meshplan.schemas.plan import Capability, Endpoint, Offer, Plan
from meshplan.schemas.surface import advertise, advertise_before, declared_arguments


@dataclass(frozen=True, slots=True)
class Route:
    """Where one advertised name leads; ``timeout`` in seconds.

    ``mirrored`` says which arguments the upstream wants repeated as ``Mcp-Param-*``, ``checked`` which of them callers
    see and must repeat. ``shown`` and ``sent`` are the advertised and the upstream URI template of a template.
    """

    id: str
    server: str
    name: str
    offer: Offer
    timeout: float
    declared: frozenset[str] | None = None
    mirrored: tuple[Mirror, ...] = ()
    checked: tuple[Mirror, ...] = ()
    shown: Template | None = None
    sent: Template | None = None


@dataclass(frozen=True, slots=True)
class EndpointIndex:
    """Everything about one endpoint that requests ask for, looked up rather than searched."""

    name: str
    description: str | None
    routes: Mapping[Kind, Mapping[str, Route]]
    normalised: Mapping[str, Route]
    listed: Mapping[Kind, tuple[tuple[str, bytes], ...]]
    live: tuple[str, ...]
    live_schemes: Mapping[str, str]
    timeouts: Mapping[str, float]
    relays: Mapping[str, frozenset[str]]
    capabilities: Mapping[str, Any]
    extensions: Mapping[str, Any]
    upstream_resources: Mapping[tuple[str, str], Route]
    renamed: frozenset[str] = frozenset()
    """The servers some of whose URIs are shown under other names."""
    valued: bool = False
    """Whether a tool's structured results may be no objects, which clients before 2026-07-28 cannot read."""
    strategy: Strategy | None = None
    """``None``: every tool is listed and called as it is."""
    strategy_name: str = "passthrough"

    @property
    def instructions(self) -> str | None:
        """What clients are told of the endpoint."""
        own = None if self.strategy is None else self.strategy.instructions
        return "\n\n".join(filter(None, (self.description, own))) or None

    def templates(self) -> Mapping[str, Route]:
        """The resource templates by advertised text."""
        return self.routes["template"]

    def outward_uri(self, server: str, uri: str) -> str:
        """The name under which this endpoint shows a URI of a server; unchanged where it does not offer it."""
        found = self.upstream_resources.get((server, uri))
        if found is not None:
            return found.offer.name
        for route in self.templates().values():
            if route.server == server and route.shown and route.sent and (values := route.sent.match(uri)) is not None:
                return route.shown.expand(values)
        return outward(server, uri) if server in self.live else uri

    def covering(self, server: str, uri: str) -> list[Route]:
        """The offered resource and templates of a server that a URI of its also answers to."""
        found = [r for (owner, _), r in self.upstream_resources.items() if owner == server and _same(r.name, uri)]
        templates = [r for r in self.templates().values() if r.server == server and r.sent]
        return found + [r for r in templates if r.sent and r.sent.match(uri) is not None]


def _same(declared: str, normal: str) -> bool:
    try:
        return normalise(declared) == normal
    except UriRefusedError:
        return False


def build_index(plan: Plan, definitions: Mapping[str, str], name: str) -> EndpointIndex:
    """Index one endpoint of a verified plan."""
    endpoint = plan.endpoints[name]
    routes: dict[Kind, dict[str, Route]] = {kind: {} for kind in KINDS}
    listed: dict[Kind, list[tuple[str, bytes]]] = {kind: [] for kind in KINDS}
    tools: list[Tool] = []
    for offer in endpoint.offers:
        capability = plan.capabilities[offer.capability]
        text = definitions[capability.definition]
        shown = advertise(capability.kind, text, offer)
        listed[capability.kind].append((offer.capability, shown.encode()))
        if capability.kind == "tool":
            tools.append(Tool(offer.capability, capability.server, offer.name, shown.encode(), capability.effect))
        timeout = plan.servers[capability.server].timeout_ms / 1000
        routes[capability.kind][offer.name] = _route(offer, capability, timeout, text, shown)
    relays = {server: frozenset[str](plan.servers[server].relays) for server in _servers(plan, endpoint)}
    return EndpointIndex(
        name=name,
        description=endpoint.description,
        routes=routes,
        normalised=_normalised(routes["resource"]),
        listed={kind: tuple(found) for kind, found in listed.items()},
        live=endpoint.live,
        live_schemes={live_scheme(server): server for server in endpoint.live},
        timeouts={server: plan.servers[server].timeout_ms / 1000 for server in relays},
        relays=relays,
        extensions={TASKS: {}} if any("tasks" in found for found in relays.values()) and listed["tool"] else {},
        capabilities=_capabilities(listed, endpoint, frozenset[str]().union(*relays.values())),
        upstream_resources={(r.server, r.name): r for r in routes["resource"].values()},
        valued=any(advertise_before(tool.definition) != tool.definition for tool in tools),
        renamed=frozenset(endpoint.live)
        | {r.server for kind in ("resource", "template") for r in routes[kind].values() if r.offer.name != r.name},
        strategy=make(endpoint.strategy, Surface(name, tuple(tools))),
        strategy_name=name_of(endpoint.strategy),
    )


def _route(offer: Offer, capability: Capability, timeout: float, definition: str, shown: str) -> Route:
    plain = Route(offer.capability, capability.server, capability.name, offer, timeout)
    if capability.kind == "template":
        return Route(
            *(plain.id, plain.server, plain.name, offer, timeout),
            shown=compile_template(offer.name),
            sent=compile_template(capability.name),
        )
    if capability.kind != "tool":
        return plain
    locked = cast("dict[str, Any]", jsontext.quick(definition.encode()))
    return Route(
        *(plain.id, plain.server, plain.name, offer, timeout),
        declared=declared_arguments(locked),
        mirrored=mirrors(locked.get("inputSchema")) or (),
        checked=mirrors(cast("dict[str, Any]", jsontext.quick(shown.encode())).get("inputSchema")) or (),
    )


def _normalised(resources: Mapping[str, Route]) -> dict[str, Route]:
    found: dict[str, Route] = {}
    for uri, route in resources.items():
        try:
            found.setdefault(normalise(uri), route)
        except UriRefusedError:
            continue
    return found


def _servers(plan: Plan, endpoint: Endpoint) -> list[str]:
    return sorted({plan.capabilities[offer.capability].server for offer in endpoint.offers} | set(endpoint.live))


def _capabilities(
    listed: Mapping[Kind, list[tuple[str, bytes]]], endpoint: Endpoint, relayed: frozenset[str]
) -> dict[str, Any]:
    """What initialize and server/discover declare: only what is relayed."""
    found: dict[str, Any] = {}
    if listed["tool"]:
        found["tools"] = {"listChanged": True}
    if listed["prompt"]:
        found["prompts"] = {"listChanged": True}
    if listed["resource"] or listed["template"] or endpoint.live:
        found["resources"] = {"listChanged": True} | ({"subscribe": True} if "subscribe" in relayed else {})
    if "completions" in relayed and (listed["prompt"] or listed["template"]):
        found["completions"] = {}
    if "logging" in relayed:
        found["logging"] = {}
    return found
