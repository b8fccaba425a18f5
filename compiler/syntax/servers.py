"""`servers:` as written: one upstream MCP server each, by exactly one transport."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Discriminator, Field, Tag

from meshplan.compiler.syntax.words import Duration, Glob, Secret, Text, TextOrSecret, Written, bad_value


def _url(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable or any(char.isspace() for char in value):
        raise bad_value(f"`{value[:200]}` is not an http or https URL", "write it in full, such as `https://host/mcp`")
    if parts.username or parts.password:
        raise bad_value("the URL holds a user name or password", "give it with `auth`, by reference")
    if parts.fragment:
        raise bad_value("the URL holds a fragment", "remove everything from `#` on")
    return value


Url = Annotated[str, BeforeValidator(_url)]
HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]


class Effects(Written):
    """Effects declared over the server's own annotations, by glob on the upstream tool name; the most severe match wins."""

    read: list[Glob] = []
    write: list[Glob] = []
    destructive: list[Glob] = []


class Bearer(Written):
    """`Authorization: Bearer …` (RFC 6750)."""

    bearer: Secret


class AnyServer(Written):
    """What every server has, whatever its transport."""

    description: Text | None = None
    timeout: Duration | None = None
    effects: Effects = Effects()
    resources: list[Glob] = []


class HttpServer(AnyServer):
    """A server that speaks streamable HTTP."""

    http: Url
    headers: dict[HeaderName, TextOrSecret] = {}
    auth: Bearer | None = None


class StdioServer(AnyServer):
    """A server that the runtime starts and speaks with over its standard input and output."""

    stdio: Annotated[list[Text], Field(min_length=1)]
    env: dict[EnvName, TextOrSecret] = {}
    cwd: Text = "."


TRANSPORTS = ("http", "stdio")


def _transport(value: Any) -> str | None:
    if isinstance(value, AnyServer):
        return "http" if isinstance(value, HttpServer) else "stdio"
    return next((key for key in TRANSPORTS if key in value), None) if isinstance(value, dict) else None


Server = Annotated[
    Annotated[HttpServer, Tag("http")] | Annotated[StdioServer, Tag("stdio")],
    Discriminator(
        _transport,
        custom_error_type="no_transport",
        custom_error_message="a server needs exactly one of `http` and `stdio`",
    ),
]
