"""The frozen plan: what is enforced, closed and self-contained, with nothing left to look up or to default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from meshplan.schemas import jsontext
from meshplan.schemas.capability import Effect, EffectSource, Kind

FORMAT = 1
"""The runtime refuses any other number: ignoring a field is not enforcing a rule."""

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """Strict, immutable, and closed to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Literally(Frozen):
    """A value that may stand in a reviewed file."""

    kind: Literal["literal"] = "literal"
    value: str


class FromEnv(Frozen):
    """A secret in an environment variable of the runtime."""

    kind: Literal["env"] = "env"
    name: str


class FromFile(Frozen):
    """A secret in a file, re-read on a TTL; relative paths start at the mesh's root folder."""

    kind: Literal["file"] = "file"
    path: str


class FromExec(Frozen):
    """A secret printed by a command: an argv, never a shell line."""

    kind: Literal["exec"] = "exec"
    argv: tuple[str, ...]


Value = Annotated[Literally | FromEnv | FromFile | FromExec, Field(discriminator="kind")]


class BearerAuth(Frozen):
    """``Authorization: Bearer <token>`` on every request to the server (RFC 6750)."""

    kind: Literal["bearer"] = "bearer"
    token: Value


class HttpTransport(Frozen):
    """Streamable HTTP."""

    kind: Literal["http"] = "http"
    url: str
    headers: dict[str, Value]
    auth: BearerAuth | None


class StdioTransport(Frozen):
    """A child process that gets only the environment declared here."""

    kind: Literal["stdio"] = "stdio"
    argv: tuple[str, ...]
    env: dict[str, Value]
    cwd: str


Transport = Annotated[HttpTransport | StdioTransport, Field(discriminator="kind")]


class Server(Frozen):
    """One upstream MCP server; ``timeout_ms`` bounds a call, ``relays`` names the optional features it declared."""

    transport: Transport
    timeout_ms: int
    relays: tuple[Literal["completions", "logging", "subscribe"], ...]


class Capability(Frozen):
    """One locked capability; its version is the digest of its definition."""

    server: str
    kind: Kind
    name: str
    definition: Digest
    effect: Effect
    effect_from: EffectSource


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


class Endpoint(Frozen):
    """One virtual MCP: offers sorted by (kind, name), and the servers whose live resources it forwards."""

    description: str | None
    strategy: Passthrough
    offers: tuple[Offer, ...]
    live: tuple[str, ...]


class LiveResources(Frozen):
    """Resources of a server that are not locked, by glob on the normalised upstream URI."""

    server: str
    uris: tuple[str, ...]


class Rule(Frozen):
    """Allow or deny some capabilities; ``endpoints`` and ``when`` narrow it, ``None`` does not."""

    effect: Literal["allow", "deny"]
    covers: tuple[str, ...]
    live: tuple[LiveResources, ...]
    endpoints: tuple[str, ...] | None
    when: JsonValue


class Grant(Frozen):
    """A role for every principal that proves all subjects of one conjunction in ``to``.

    ``expires`` is a date; the grant ends when that day begins in UTC. ``delegated`` says how a user who acts through
    an agent is judged: both must be allowed (``intersection``), or either (``union``).
    """

    role: str
    to: tuple[tuple[str, ...], ...]
    expires: str | None
    delegated: Literal["intersection", "union"]


class Access(Frozen):
    """Rules by id, roles as lists of rule ids (inheritance resolved), and grants. Default deny; deny wins."""

    rules: dict[str, Rule]
    roles: dict[str, tuple[str, ...]]
    grants: tuple[Grant, ...]


class Key(Frozen):
    """An API key, known only by its SHA-256 in hex, and the subjects that it proves."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    subjects: tuple[str, ...]
    expires: str | None


class Identity(Frozen):
    """Who may assert what: keys by name, and the subjects of the loopback profile (``None``: there is none)."""

    keys: dict[str, Key]
    local: tuple[str, ...] | None


class Limits(Frozen):
    """Bounds on what one caller can cost."""

    body_bytes: int
    concurrency_per_principal: int


class Settings(Frozen):
    """Where and within which bounds the runtime serves."""

    listen: str
    public_url: str | None
    allowed_origins: tuple[str, ...]
    limits: Limits


class Plan(Frozen):
    """What one runtime enforces. Definitions are blobs beside it, referenced by digest."""

    format: Literal[1]
    mesh: str
    servers: dict[str, Server]
    capabilities: dict[str, Capability]
    endpoints: dict[str, Endpoint]
    access: Access
    identity: Identity
    runtime: Settings


def canonical(plan: Plan) -> str:
    """The plan's one spelling: sorted keys, integers only, no blanks."""
    return jsontext.canonical(plan.model_dump(mode="json"))


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the plan."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Plan.model_json_schema()}
