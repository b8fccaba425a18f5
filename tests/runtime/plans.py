"""Plans for runtime tests, built from the contract's own models, and upstreams that live in memory."""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from meshplan.runtime.upstream.port import Health, UpstreamRefusal, UpstreamRequest
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle, seal
from meshplan.schemas.capability import IDENTIFYING_FIELD, CapabilityKey
from meshplan.schemas.plan import (
    Access,
    Budget,
    Capability,
    Endpoint,
    Grant,
    HttpTransport,
    Identity,
    Key,
    Ledger,
    Limits,
    LiveResources,
    Offer,
    Operator,
    Passthrough,
    Plan,
    Price,
    Rule,
    Server,
    Settings,
    SignIns,
    Strategy,
    Value,
    canonical,
)
from meshplan.schemas.store import Pointer, object_path, pointer_path

NO_SCHEMA = {"type": "object"}


@dataclass
class Draft:
    """A plan under construction; ``bundle`` seals it, and it may grow on."""

    servers: dict[str, Server] = field(default_factory=dict)
    capabilities: dict[str, Capability] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    offers: dict[str, dict[str, Offer]] = field(default_factory=dict)
    live: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    keys: dict[str, Key] = field(default_factory=dict)
    local: tuple[str, ...] | None = None
    identity: dict = field(default_factory=dict)
    trusted_proxies: tuple[str, ...] = ()
    listen: str = "127.0.0.1:0"
    admin_listen: str | None = None
    admin_url: str | None = None
    operators: tuple[Operator, ...] = ()
    public_url: str | None = None
    origins: tuple[str, ...] = ()
    seal_keys: tuple[Value, ...] = ()
    strategies: dict[str, Strategy] = field(default_factory=dict)
    sign_ins: str | None = None
    limits: Limits = field(default_factory=lambda: Limits(body_bytes=100_000, concurrency_per_principal=64))

    def server(self, name, transport=None, *, relays=(), timeout_ms=5000, sessions="shared", on_drift="block"):
        transport = transport or HttpTransport(url="http://127.0.0.1:9/mcp", headers={}, auth=None)
        self.servers[name] = Server(
            transport=transport, timeout_ms=timeout_ms, relays=relays, sessions=sessions, on_drift=on_drift
        )

    def define(self, server, kind, definition, *, effect="read"):
        if server not in self.servers:
            self.server(server)
        text = jsontext.canonical(definition)
        name = definition[IDENTIFYING_FIELD[kind]]
        key = CapabilityKey(server, kind, name).id
        self.definitions[jsontext.digest(text)] = text
        self.capabilities[key] = Capability(
            server=server, kind=kind, name=name, definition=jsontext.digest(text), effect=effect, effect_from="declared"
        )
        return key

    def offer(self, endpoint, capability, name=None, *, description=None, fixed=None, hide=()):
        upstream = self.capabilities[capability].name
        self.offers.setdefault(endpoint, {})[capability] = Offer(
            capability=capability, name=name or upstream, description=description, set=fixed or {}, hide=tuple(hide)
        )

    def tool(self, endpoint, server, name, shown=None, *, schema=None, fixed=None, hide=(), effect="read", **more):
        """Define a tool, offer it, and allow it to everybody who holds role `all`."""
        definition = {"name": name, "inputSchema": schema or NO_SCHEMA, **more}
        key = self.define(server, "tool", definition, effect=effect)
        self.offer(endpoint, key, shown, fixed=fixed, hide=hide)
        self.allow("all", key)
        return key

    def allow(self, role, *capabilities, effect="allow", live=(), endpoints=None):
        name = f"r{len(self.rules)}"
        self.rules[name] = Rule(
            effect=effect,
            covers=tuple(sorted(capabilities)),
            live=tuple(LiveResources(server=server, uris=uris) for server, uris in live),
            endpoints=endpoints,
            when=None,
        )
        self.roles[role] = (*self.roles.get(role, ()), name)
        return name

    def deny(self, role, *capabilities, **more):
        return self.allow(role, *capabilities, effect="deny", **more)

    def grant(self, role, *subjects, expires=None):
        self.grants.append(Grant(role=role, to=(tuple(subjects),), expires=expires, delegated="intersection"))

    def key(self, name, *subjects, expires=None):
        """An API key whose secret is `secret-NAME`."""
        digest = hashlib.sha256(f"secret-{name}".encode()).hexdigest()
        self.keys[name] = Key(sha256=digest, subjects=subjects, expires=expires)

    def bundle(self) -> Bundle:
        endpoints = {
            name: Endpoint(
                description=f"endpoint {name}",
                strategy=self.strategies.get(name, Passthrough()),
                offers=tuple(
                    sorted(
                        self.offers.get(name, {}).values(),
                        key=lambda offer: (self.capabilities[offer.capability].kind, offer.name),
                    )
                ),
                live=self.live.get(name, ()),
            )
            for name in {*self.offers, *self.live}
        }
        plan = Plan(
            format=1,
            mesh="test",
            servers=self.servers,
            capabilities=self.capabilities,
            endpoints=endpoints,
            access=Access(rules=self.rules, roles=self.roles, grants=tuple(self.grants)),
            identity=Identity(keys=self.keys, local=self.local, **self.identity),
            runtime=Settings(
                listen=self.listen,
                admin_listen=self.admin_listen,
                admin_url=self.admin_url,
                operators=self.operators,
                public_url=self.public_url,
                allowed_origins=self.origins,
                seal_keys=self.seal_keys,
                sign_ins=None if self.sign_ins is None else SignIns(path=self.sign_ins),
                trusted_proxies=self.trusted_proxies,
                limits=self.limits,
            ),
        )
        return seal(plan, self.definitions, {})


def simple() -> Draft:
    """One endpoint `dev` with tool `notes.get` shown as `get_note`, and key `ann` that may call it."""
    draft = Draft()
    draft.tool("dev", "notes", "get", "get_note")
    draft.key("ann", "user:ann")
    draft.key("bob", "user:bob")
    draft.grant("all", "user:ann")
    return draft


def recorded(draft, **settings):
    """The draft's plan with a ledger."""
    wanted = {"path": "ledger", "durability": "default", "overflow": "block", "retention_ms": None}
    ledger = Ledger(**wanted | {"arguments": (), "results": ()} | settings)
    bundle = draft.bundle()
    runtime = bundle.plan.runtime.model_copy(update={"ledger": ledger})
    plan = bundle.plan.model_copy(update={"runtime": runtime})
    return seal(plan, bundle.definitions, bundle.source_map)


def budget(amount, unit="calls", window="month", **more):
    """A budget for the whole mesh, counted as `cap`; money is in billionths of a usd."""
    plain = {"of": None, "each": None, "covers": None, "zone": "UTC", "on_exceed": "deny", "max_wait_ms": 0}
    currency = "usd" if unit == "money" else None
    plain |= {"unit": unit, "currency": currency, "amount": amount, "window": window, "warn_at_percent": None}
    return Budget(**plain | {"counted_as": "cap"} | more)


def price(per_call=0, **more):
    """What a call costs, in billionths of a usd."""
    plain = {"currency": "usd", "per_call_nano": per_call, "input": None, "output": None, "usage": None}
    return Price(**plain | {"max_nano": None, "max_tokens": None} | more)


def spending(bundle, budgets=None, prices=None):
    """The plan with these budgets and prices."""
    changed = bundle.plan.model_copy(update={"budgets": budgets or {}, "prices": prices or {}})
    return seal(changed, bundle.definitions, bundle.source_map)


def publish(store, bundle, seq, *, channel="main"):
    """Write a plan into a directory store and flip the pointer atomically."""
    source_map = jsontext.canonical(bundle.source_map)
    for text in (canonical(bundle.plan), source_map, *bundle.definitions.values()):
        path = store / object_path(jsontext.digest(text))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    pointer = Pointer(
        v=1, channel=channel, seq=seq, plan=bundle.digest, source_map=jsontext.digest(source_map), previous=None
    )
    path = store / pointer_path(channel)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(pointer.model_dump_json())
    draft.replace(path)


Handler = Callable[[UpstreamRequest], Awaitable[dict]]


@dataclass
class FakeUpstream:
    """Answers from a function, and remembers what it was asked."""

    handler: Handler
    requests: list[UpstreamRequest] = field(default_factory=list)
    subscribers: dict[str, list] = field(default_factory=dict)
    followers: list = field(default_factory=list)

    @asynccontextmanager
    async def subscribe(self, uri, on_update):
        if "refused" in uri:
            raise UpstreamRefusal(-32601, "no such thing")
        self.subscribers.setdefault(uri, []).append(on_update)
        try:
            yield
        finally:
            self.subscribers[uri].remove(on_update)

    @asynccontextmanager
    async def follow(self, task, on_task):
        if "refused" in task.id:
            raise UpstreamRefusal(-32602, "no such task")
        self.followers.append((task, on_task))
        try:
            yield
        finally:
            self.followers.remove((task, on_task))

    def tell(self, task):
        """Tell who follows a task what became of it."""
        for followed, on_task in tuple(self.followers):
            if followed.id == task["taskId"]:
                on_task(task)

    def update(self, uri, *, of=None):
        """Tell the subscribers of `of` (else of the resource itself) that a resource changed."""
        for on_update in self.subscribers.get(of or uri, []):
            on_update(uri)

    async def request(self, request):
        self.requests.append(request)
        return await self.handler(request)

    forward = request

    def health(self):
        return Health("ready", "2026-07-28", None)


@dataclass
class FakeUpstreams:
    """A pool of fakes: one handler a server name, and by default an echo."""

    servers: dict[str, FakeUpstream] = field(default_factory=dict)
    replaced: list[list[str]] = field(default_factory=list)
    forgotten: list[tuple] = field(default_factory=list)

    def serve(self, name, handler):
        self.servers[name] = FakeUpstream(handler)
        return self.servers[name]

    def get(self, name):
        if name not in self.servers:
            self.serve(name, echo)
        return self.servers[name]

    async def replace(self, servers, private_networks=()):
        self.replaced.append(sorted(servers))
        await anyio.lowlevel.checkpoint()

    def forget(self, owner, name):
        self.forgotten.append((owner, name))

    def health(self):
        return {name: server.health() for name, server in self.servers.items()}


async def echo(request):
    """Say what arrived."""
    await anyio.lowlevel.checkpoint()
    return {"content": [{"type": "text", "text": jsontext.canonical(request.params)}], "resultType": "complete"}
