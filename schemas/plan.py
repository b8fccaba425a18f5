"""The frozen plan: what is enforced, closed and self-contained, with nothing left to look up or to default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from meshplan.schemas import jsontext
from meshplan.schemas.bounds import MAX_CALLS, MAX_LOGS_BYTES, MAX_MEMORY_BYTES, MAX_OUTPUT_BYTES, MAX_WALL_MS
from meshplan.schemas.capability import Effect, EffectSource, Kind
from meshplan.schemas.frozen import Digest, Frozen
from meshplan.schemas.orchestration import Binding, Operation, Step, Workflow
from meshplan.schemas.rules import (
    Access,
    Claim,
    Grant,
    Identity,
    Issuer,
    JwtIssuer,
    Key,
    LiveResources,
    Login,
    ProxyIssuer,
    Rule,
    UserClaim,
)
from meshplan.schemas.spending import Budget, Price, Rate
from meshplan.schemas.transports import (
    ApiArgument,
    ApiOperation,
    Auth,
    BasicAuth,
    BearerAuth,
    Breaker,
    ExchangeAuth,
    FromEnv,
    FromExec,
    FromFile,
    HeaderAuth,
    HttpTransport,
    Literally,
    OAuthAuth,
    OpenApiTransport,
    PerUserAuth,
    Retry,
    Server,
    StdioTransport,
    Transport,
    TunnelTransport,
    Value,
)

__all__ = [
    "FORMAT",
    "Access",
    "ApiArgument",
    "ApiOperation",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "Binding",
    "Breaker",
    "Budget",
    "Capability",
    "Claim",
    "Code",
    "Counters",
    "Digest",
    "Endpoint",
    "ExchangeAuth",
    "FromEnv",
    "FromExec",
    "FromFile",
    "Frozen",
    "Grant",
    "Guardrails",
    "HeaderAuth",
    "HttpTransport",
    "Identity",
    "Issuer",
    "JwtIssuer",
    "Key",
    "Ledger",
    "Limits",
    "Literally",
    "LiveResources",
    "Login",
    "OAuthAuth",
    "Offer",
    "OpenApiTransport",
    "Operation",
    "Operator",
    "Passthrough",
    "PerUserAuth",
    "Plan",
    "Plugin",
    "Price",
    "ProxyIssuer",
    "Rate",
    "Retry",
    "Rule",
    "Search",
    "Server",
    "Settings",
    "SignIns",
    "StdioTransport",
    "Step",
    "Strategy",
    "Transport",
    "TunnelTransport",
    "UserClaim",
    "Value",
    "Workflow",
    "canonical",
    "json_schema",
]

FORMAT = 1
"""The runtime refuses any other number: ignoring a field is not enforcing a rule."""


class Capability(Frozen):
    """One capability; its version is the digest of its definition.

    ``server`` is a server's name, or ``binding:NAME`` or ``workflow:NAME`` for a tool that the mesh makes.
    """

    server: str
    kind: Kind
    name: str
    definition: Digest
    effect: Effect
    effect_from: EffectSource
    tags: tuple[str, ...] = ()


class Offer(Frozen):
    """A capability under the name that an endpoint advertises.

    ``set`` maps an upstream argument to its canonical JSON text; ``hide`` lists arguments that callers never see.
    """

    capability: str
    name: str
    description: str | None
    set: dict[str, str]
    hide: tuple[str, ...]


class Passthrough(Frozen):
    """Every offered tool is listed as it is."""

    kind: Literal["passthrough"] = "passthrough"


class Search(Frozen):
    """Callers find tools by searching; ``pinned`` ones are always listed."""

    kind: Literal["search"] = "search"
    max_results: int
    pinned: tuple[str, ...]
    ranker: Literal["lexical", "semantic"] = "lexical"


class Code(Frozen):
    """Callers send a program that calls tools, within these bounds, which no plan can set higher.

    ``wall_ms`` counts from its first line and includes its calls; ``output_bytes`` is JSON of its value,
    ``logs_bytes`` what it prints.
    """

    kind: Literal["code"] = "code"
    wall_ms: Annotated[int, Field(ge=1, le=MAX_WALL_MS)]
    memory_bytes: Annotated[int, Field(ge=1, le=MAX_MEMORY_BYTES)]
    calls: Annotated[int, Field(ge=1, le=MAX_CALLS)]
    output_bytes: Annotated[int, Field(ge=1, le=MAX_OUTPUT_BYTES)]
    logs_bytes: Annotated[int, Field(ge=1, le=MAX_LOGS_BYTES)]


class Plugin(Frozen):
    """A strategy of an installed package; ``settings`` is canonical JSON text."""

    kind: Literal["plugin"] = "plugin"
    name: str
    version: str
    settings: str


Strategy = Annotated[Passthrough | Search | Code | Plugin, Field(discriminator="kind")]


class Endpoint(Frozen):
    """One virtual MCP: offers sorted by (kind, name), and the servers whose live resources it forwards."""

    description: str | None
    strategy: Strategy
    offers: tuple[Offer, ...]
    live: tuple[str, ...]
    max_tokens: int | None = None


class Limits(Frozen):
    """Bounds on what one caller can cost."""

    body_bytes: int
    json_depth: int = 64
    header_bytes: int = 32768
    idle_streams: int = 1000
    stream_ms: int = 300_000
    concurrency_per_principal: int
    concurrency_per_upstream: int = 256


class Counters(Frozen):
    """Budget counters shared by several runtimes."""

    redis: Value
    fail: Literal["closed", "local"]


class Ledger(Frozen):
    """Where every attempt is recorded; ``arguments`` and ``results`` are the paths that are kept of them.

    What a crash can lose of a ledger that is not strict began within ``window_ms``.
    """

    path: str
    durability: Literal["default", "strict"]
    window_ms: int = 100
    overflow: Literal["block", "refuse"]
    retention_ms: int | None
    arguments: tuple[str, ...]
    results: tuple[str, ...]


class SignIns(Frozen):
    """The folder of what callers are given by authorization servers, sealed."""

    path: str


class Operator(Frozen):
    """Whoever holds all of ``to`` may look at a running mesh: at these endpoints, or (``None``) at everything."""

    to: tuple[str, ...]
    endpoints: tuple[str, ...] | None


class Settings(Frozen):
    """Where and within which bounds the runtime serves."""

    listen: str
    public_url: str | None
    admin_listen: str | None = None
    admin_url: str | None = None
    operators: tuple[Operator, ...] = ()
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...] = ()
    private_networks: tuple[str, ...] = ()
    seal_keys: tuple[Value, ...] = ()
    counters: Counters | None = None
    ledger: Ledger | None = None
    sign_ins: SignIns | None = None
    limits: Limits


class Guardrails(Frozen):
    """What was checked when the plan was made, as data: judged again by the base of a later change, not by a runtime."""

    policies: dict[str, JsonValue] = {}
    invariants: dict[str, JsonValue] = {}


class Plan(Frozen):
    """What one runtime enforces. Definitions are blobs beside it, referenced by digest."""

    format: Literal[1]
    mesh: str
    environment: str | None = None
    servers: dict[str, Server]
    capabilities: dict[str, Capability]
    bindings: dict[str, Binding] = {}
    workflows: dict[str, Workflow] = {}
    endpoints: dict[str, Endpoint]
    access: Access
    identity: Identity
    prices: dict[str, Price] = {}
    budgets: dict[str, Budget] = {}
    guardrails: Guardrails = Guardrails.model_construct()
    runtime: Settings


def canonical(plan: Plan) -> str:
    """The plan's one spelling: sorted keys, integers only, no blanks, every field spelled out."""
    return jsontext.whole(plan.model_dump(mode="json")).decode()


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the plan."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Plan.model_json_schema()}
