"""The plan's servers: how each is reached, how the mesh proves itself to it, and how failures are met."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meshplan.schemas.frozen import Frozen


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


class HeaderAuth(Frozen):
    """A secret in a header of the server's own."""

    kind: Literal["header"] = "header"
    name: str
    value: Value


class BasicAuth(Frozen):
    """``Authorization: Basic …`` (RFC 7617)."""

    kind: Literal["basic"] = "basic"
    user: str
    password: Value


class OAuthAuth(Frozen):
    """The mesh's own token by client credentials (RFC 6749, 4.4).

    It is asked for at ``token_url`` or, where that is ``None``, where ``issuer`` says (RFC 8414).
    """

    kind: Literal["oauth"] = "oauth"
    token_url: str | None = None
    issuer: str | None = None
    client_id: str
    client_secret: Value
    scopes: tuple[str, ...]
    audience: str | None


class ExchangeAuth(Frozen):
    """A token on behalf of the caller (RFC 8693); ``service`` is the bearer token of what is asked for nobody."""

    kind: Literal["exchange"] = "exchange"
    token_url: str
    audience: str
    client_id: str | None
    client_secret: Value | None
    scopes: tuple[str, ...]
    service: Value | None = None


Registration = Literal["metadata", "dynamic", "either"]


class PerUserAuth(Frozen):
    """The caller's own token, by authorization code with PKCE (RFC 7636); ``service`` as for an exchange.

    Without a ``client_id``, ``registration`` says how the mesh gets one: by a metadata document at its own URL,
    dynamically (RFC 7591), or by either of them, the document first. Without ``scopes`` the server says which.
    """

    kind: Literal["per_user"] = "per_user"
    issuer: str
    client_id: str | None
    client_secret: Value | None
    scopes: tuple[str, ...]
    service: Value | None = None
    registration: Registration | None = None


Auth = Annotated[
    BearerAuth | HeaderAuth | BasicAuth | OAuthAuth | ExchangeAuth | PerUserAuth, Field(discriminator="kind")
]


class HttpTransport(Frozen):
    """Streamable HTTP; ``replicas`` are tried after ``url``."""

    kind: Literal["http"] = "http"
    url: str
    replicas: tuple[str, ...] = ()
    headers: dict[str, Value]
    auth: Auth | None


class StdioTransport(Frozen):
    """A child process that gets only the environment declared here."""

    kind: Literal["stdio"] = "stdio"
    argv: tuple[str, ...]
    env: dict[str, Value]
    cwd: str
    instances: Literal["one", "per_worker"] = "one"


class ApiArgument(Frozen):
    """Where an argument goes in an HTTP request (OpenAPI 3, Parameter Object); ``member`` is one of the body's."""

    place: Literal["path", "query", "header", "cookie", "member", "body"]
    name: str
    style: str | None = None
    explode: bool = False


class ApiOperation(Frozen):
    """The HTTP request that a tool stands for; ``path`` is a template (RFC 6570, level 1) below the API's URL."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    arguments: dict[str, ApiArgument]
    body: Literal["json", "form", "text"] | None


class OpenApiTransport(Frozen):
    """An HTTP API; ``document`` was read when the server was locked, ``operations`` are by tool name."""

    kind: Literal["openapi"] = "openapi"
    document: str
    url: str
    headers: dict[str, Value]
    auth: Auth | None
    operations: dict[str, ApiOperation]


class TunnelTransport(Frozen):
    """A server under development that connects by itself."""

    kind: Literal["tunnel"] = "tunnel"


Transport = Annotated[HttpTransport | StdioTransport | OpenApiTransport | TunnelTransport, Field(discriminator="kind")]


class Retry(Frozen):
    """``attempts`` in all, the first included; ``backoff_ms`` doubles each time; ``idempotent`` are capability ids."""

    attempts: int
    backoff_ms: int
    idempotent: tuple[str, ...]


class Breaker(Frozen):
    """Open after ``failures`` in a row, for ``cooldown_ms``."""

    failures: int
    cooldown_ms: int


class Server(Frozen):
    """One upstream MCP server; ``timeout_ms`` bounds a call, ``relays`` names the optional features it declared."""

    transport: Transport
    timeout_ms: int
    relays: tuple[Literal["completions", "logging", "subscribe", "tasks"], ...]
    retry: Retry | None = None
    breaker: Breaker | None = None
    on_drift: Literal["block", "warn"] = "block"
    sessions: Literal["shared", "per_client"] = "shared"
