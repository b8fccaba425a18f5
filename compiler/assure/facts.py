"""What policies may ask of: every thing of a kind, with its place and its facts, and the types of those facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from meshplan.compiler.assure.facts_access import grants, roles, rules, subjects
from meshplan.compiler.assure.labels import Label
from meshplan.compiler.assure.prose import hidden_in, instructions_in, texts_of
from meshplan.compiler.assure.thing import Thing, World
from meshplan.compiler.diagnostics import Path
from meshplan.compiler.expressions import BOOL, INT, NULL, STRING, ListType, Type, record
from meshplan.compiler.expressions.types import Scalar, union
from meshplan.compiler.importers.pins import unpinned
from meshplan.compiler.package_spec import spec_of
from meshplan.compiler.syntax.servers import AnyServer, HttpServer, OpenApiServer, StdioServer
from meshplan.schemas.capability import CapabilityKey

_TEXTS: Final = ListType(STRING)
_EFFECT: Final = Scalar("string", frozenset({"read", "write", "destructive"}))
_MAYBE: Final = union([STRING, NULL])

TYPES: Final[Mapping[str, Type]] = {
    "server": record(
        name=STRING,
        kind=Scalar("string", frozenset({"http", "stdio", "openapi", "tunnel"})),
        urls=_TEXTS,
        schemes=_TEXTS,
        hosts=_TEXTS,
        loopback=BOOL,
        argv=_TEXTS,
        pinned=BOOL,
        package=STRING,
        integrity=BOOL,
        authenticated=BOOL,
        tags=_TEXTS,
        tools=INT,
        on_drift=Scalar("string", frozenset({"block", "warn"})),
        endpoints=_TEXTS,
    ),
    "capability": record(
        name=STRING,
        server=STRING,
        kind=Scalar("string", frozenset({"tool", "prompt", "resource", "template"})),
        effect=_EFFECT,
        effect_from=Scalar("string", frozenset({"declared", "annotated", "assumed"})),
        tags=_TEXTS,
        description=STRING,
        hidden=_TEXTS,
        instructions=_TEXTS,
        offered=_TEXTS,
    ),
    "endpoint": record(
        name=STRING,
        strategy=STRING,
        tools=INT,
        servers=_TEXTS,
        tags=_TEXTS,
        effects=ListType(_EFFECT),
        live=_TEXTS,
        max_tokens=union([INT, NULL]),
    ),
    "role": record(name=STRING, granted=BOOL, orphaned=BOOL, extends=_TEXTS, allows=INT, denies=INT),
    "rule": record(
        id=STRING,
        role=STRING,
        effect=Scalar("string", frozenset({"allow", "deny"})),
        granted=BOOL,
        wildcard=BOOL,
        conditional=BOOL,
        effects=ListType(_EFFECT),
        servers=_TEXTS,
        capabilities=INT,
        endpoints=_TEXTS,
        shadowed_by=STRING,
    ),
    "grant": record(
        role=STRING,
        to=ListType(_TEXTS),
        anyone=BOOL,
        expires=_MAYBE,
        delegated=Scalar("string", frozenset({"intersection", "union"})),
        effects=ListType(_EFFECT),
    ),
    "subject": record(name=STRING, subjects=_TEXTS, roles=_TEXTS, budgets=_TEXTS),
    "key": record(name=STRING, subjects=_TEXTS, expires=_MAYBE),
    "mesh": record(
        name=STRING,
        environment=_MAYBE,
        servers=_TEXTS,
        endpoints=_TEXTS,
        invariants=_TEXTS,
        listen=STRING,
        public_url=_MAYBE,
    ),
}


def things(world: World, kind: str) -> list[Thing]:
    """Every thing of a kind, in a stable order."""
    return list(_KINDS[kind](world))


def _servers(world: World) -> Iterator[Thing]:
    for name, server in sorted(world.mesh.servers.items()):
        lock = world.locks.get(name)
        urls = _urls(server)
        hosts = [urlsplit(url).hostname or "" for url in urls]
        argv = server.stdio if isinstance(server, StdioServer) else []
        yield Thing(
            f"server:{name}",
            f"server `{name}`",
            ("servers", name),
            {
                "name": name,
                "kind": _kind(server),
                "urls": list(urls),
                "schemes": [urlsplit(url).scheme for url in urls],
                "hosts": list(hosts),
                "loopback": all(map(_is_loopback, hosts)),
                "argv": list(argv),
                "pinned": unpinned(argv) is None,
                "package": spec.name if argv and (spec := spec_of(argv)) is not None else "",
                "integrity": lock is not None and lock.package is not None,
                "authenticated": getattr(server, "auth", None) is not None,
                "tags": sorted(server.tags),
                "tools": 0 if lock is None else len(lock.names("tool")),
                "on_drift": server.on_drift,
                "endpoints": sorted({e.name for e in world.resolved.endpoints if _has(e.offers, name)}),
            },
        )


def _has(offers: Any, server: str) -> bool:
    return any(offer.capability.server == server for offer in offers)


def _urls(server: AnyServer) -> list[str]:
    match server:
        case HttpServer():
            return [server.http, *server.replicas]
        case OpenApiServer():
            return [server.url]
        case _:
            return []


def _kind(server: AnyServer) -> str:
    for kind, model in (("http", HttpServer), ("stdio", StdioServer), ("openapi", OpenApiServer)):
        if isinstance(server, model):
            return kind
    return "tunnel"


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")


def _capabilities(world: World) -> Iterator[Thing]:
    offered: dict[CapabilityKey, list[str]] = {}
    for endpoint in world.resolved.endpoints:
        for offer in endpoint.offers:
            offered.setdefault(offer.capability, []).append(endpoint.name)
    for key, known in sorted(world.resolved.capabilities.items()):
        label = world.labels.get(key.id) or Label(known.effect, known.effect_from, known.tags)
        texts = texts_of(known.locked.definition)
        path: Path = ("servers", key.server)
        if ":" in key.server:
            maker, _, name = key.server.partition(":")
            path = (f"{maker}s", name)
        yield Thing(
            f"capability:{key.id}",
            f"{key.kind} `{key.name}` of `{key.server}`",
            path,
            {
                "name": key.name,
                "server": key.server,
                "kind": key.kind,
                "effect": label.effect,
                "effect_from": label.source,
                "tags": list(label.tags),
                "description": str(known.locked.definition.get("description") or ""),
                "hidden": hidden_in(texts),
                "instructions": instructions_in(texts),
                "offered": offered.get(key, []),
            },
        )


def _endpoints(world: World) -> Iterator[Thing]:
    for endpoint in world.resolved.endpoints:
        keys = [offer.capability for offer in endpoint.offers]
        labels = [world.labels[key.id] for key in keys]
        virtual = world.mesh.virtual[endpoint.name]
        yield Thing(
            f"endpoint:{endpoint.name}",
            f"endpoint `{endpoint.name}`",
            ("virtual", endpoint.name),
            {
                "name": endpoint.name,
                "strategy": world.strategy(endpoint.name),
                "tools": sum(key.kind == "tool" for key in keys),
                "servers": sorted({key.server for key in keys} | set(endpoint.live)),
                "tags": sorted({tag for label in labels for tag in label.tags} | world.inner_tags(keys)),
                "effects": sorted({label.effect for label in labels}),
                "live": sorted(endpoint.live),
                "max_tokens": virtual.max_tokens,
            },
        )


def _keys(world: World) -> Iterator[Thing]:
    for name, key in sorted(world.mesh.identity.keys.items()):
        proved = list(world.resolved.identity.keys.get(name, ()))
        facts = {"name": name, "subjects": proved, "expires": key.expires}
        yield Thing(f"key:{name}", f"key `{name}`", ("identity", "keys", name), facts)


def _mesh(world: World) -> Iterator[Thing]:
    mesh = world.mesh
    yield Thing(
        "mesh",
        f"mesh `{mesh.name}`",
        ("name",),
        {
            "name": mesh.name,
            "environment": world.environment,
            "servers": sorted(mesh.servers),
            "endpoints": sorted(mesh.virtual),
            "invariants": sorted(invariant.name for invariant in mesh.invariants),
            "listen": mesh.runtime.listen,
            "public_url": mesh.runtime.public_url,
        },
    )


_KINDS: Final[Mapping[str, Callable[[World], Iterator[Thing]]]] = {
    "server": _servers,
    "capability": _capabilities,
    "endpoint": _endpoints,
    "role": roles,
    "rule": rules,
    "grant": grants,
    "subject": subjects,
    "key": _keys,
    "mesh": _mesh,
}
