"""`servers:` as written: one upstream MCP server each, by exactly one transport."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag

from meshplan.compiler.syntax.auth import Auth
from meshplan.compiler.syntax.words import (
    Duration,
    Entry,
    Glob,
    Maybe,
    Text,
    TextOrSecret,
    Written,
    bad_value,
    secret_value,
)

_HOST = re.compile(r"[^\s/?#@:\[\]$<>^`|%\"\\{}]+|[0-9a-f:.]+", re.IGNORECASE)


def _host(name: str | None) -> bool:
    return bool(name and _HOST.fullmatch(name))


_PLAIN_URL = re.compile(r"https?://[a-z0-9][a-z0-9.-]*(:[1-9][0-9]{0,3})?(/[A-Za-z0-9._~/-]*)?")
"""What nearly every URL is like, and nothing is wrong with: it need not be taken apart."""


def _url(value: Any) -> Any:
    if not isinstance(value, str) or _PLAIN_URL.fullmatch(value):
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and _host(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
        parts = urlsplit("")
    if "${" in value:
        raise bad_value(f"`{value[:200]}` is not an http or https URL", "nothing is filled in but `${param.NAME}`")
    if not usable or any(char.isspace() for char in value):
        shown = "this" if any(char in value for char in "@?=") else f"`{value[:200]}`"  # it may hold a secret
        raise bad_value(f"{shown} is not an http or https URL", "write it in full, such as `https://host/mcp`")
    if parts.username or parts.password:
        raise secret_value("the URL holds a user name or password", "give it with `auth`, by reference")
    if parts.fragment:
        raise bad_value("the URL holds a fragment", "remove everything from `#` on")
    return value


Url = Annotated[str, BeforeValidator(_url)]
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]
TagName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class Effects(Written):
    """Effects declared over the server's own annotations, by glob on the upstream tool name; the most severe match wins."""

    read: list[Glob] = []
    write: list[Glob] = []
    destructive: list[Glob] = []


class Retry(Written):
    """Repeats of calls that may be repeated: effect `read`, or declared `idempotent`."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    backoff: Duration = 200
    idempotent: list[Glob] = []


class Breaker(Written):
    """After so many failures in a row no call is sent until the cooldown has passed."""

    failures: Annotated[int, Field(ge=1, le=1000)] = 5
    cooldown: Duration = 30_000


class AnyServer(Entry):
    """What every server has, whatever its transport."""

    description: Maybe[Text] = None
    timeout: Maybe[Duration] = None
    retry: Maybe[Retry] = None
    breaker: Maybe[Breaker] = None
    effects: Effects = Effects.model_construct()
    tags: dict[TagName, list[Glob]] = {}
    resources: list[Glob] = []
    on_drift: Literal["block", "warn"] = "block"
    sessions: Maybe[Literal["shared", "per_client"]] = None


class HttpServer(AnyServer):
    """A server that speaks streamable HTTP."""

    http: Url
    replicas: list[Url] = []
    headers: dict[HeaderName, TextOrSecret] = {}
    auth: Maybe[Auth] = None


class StdioServer(AnyServer):
    """A server that the runtime starts and speaks with over its standard input and output."""

    stdio: Annotated[list[Text], Field(min_length=1)]
    env: dict[EnvName, TextOrSecret] = {}
    cwd: Text = "."
    instances: Literal["one", "per_worker"] = "one"


class OpenApiServer(AnyServer):
    """An HTTP API described by an OpenAPI document, whose operations become tools."""

    openapi: Text
    url: Url
    headers: dict[HeaderName, TextOrSecret] = {}
    auth: Maybe[Auth] = None


class Tunnel(Written):
    """A server under development connects to the mesh by itself (`mesh tunnel`)."""


class TunnelServer(AnyServer):
    """A server that `mesh tunnel` brings in while it is being developed."""

    tunnel: Tunnel


TRANSPORTS: dict[str, type[AnyServer]] = {
    "http": HttpServer,
    "stdio": StdioServer,
    "openapi": OpenApiServer,
    "tunnel": TunnelServer,
}


def _transport(value: Any) -> str | None:
    if isinstance(value, AnyServer):
        return next(key for key, model in TRANSPORTS.items() if isinstance(value, model))
    return next((key for key in TRANSPORTS if key in value), None) if isinstance(value, dict) else None


Server = Annotated[
    Annotated[HttpServer, Tag("http")]
    | Annotated[StdioServer, Tag("stdio")]
    | Annotated[OpenApiServer, Tag("openapi")]
    | Annotated[TunnelServer, Tag("tunnel")],
    Discriminator(
        _transport,
        custom_error_type="no_transport",
        custom_error_message="a server needs exactly one of `http`, `stdio`, `openapi` and `tunnel`",
    ),
]
