"""What the mesh says of itself as a protected resource (RFC 9728), and its challenges (RFC 6750, MCP authorization)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from meshplan.schemas.rules import JwtIssuer

WELL_KNOWN = "/.well-known/oauth-protected-resource"
ENDPOINTS = "/mcp/"
"""Below it lies one endpoint for each virtual MCP."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")


def resource_url(base: str | None, endpoint: str) -> str | None:
    """The URL that tokens for an endpoint are for; ``base`` is what the mesh is reached by, never the Host header."""
    return None if base is None or not _NAME.match(endpoint) else f"{base.rstrip('/')}{ENDPOINTS}{endpoint}"


def metadata_url(base: str | None, endpoint: str) -> str | None:
    """Where the metadata of an endpoint is (RFC 9728 3.1: the resource's path comes after the well-known part)."""
    url = resource_url(base, endpoint)
    if url is None:
        return None
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}{WELL_KNOWN}/{path}"


def endpoint_at(base: str | None, path: str) -> str | None:
    """The endpoint whose metadata is at a path of ours."""
    url = metadata_url(base, "x")
    front = "" if url is None else url[url.index(WELL_KNOWN) : -1]
    name = path.removeprefix(front)
    return name if front and path.startswith(front) and _NAME.match(name) else None


def document(base: str | None, endpoint: str, issuers: Iterable[JwtIssuer]) -> dict[str, Any] | None:
    """The metadata of an endpoint, whether it exists or not: whoever is no caller cannot tell. None without issuers."""
    found, resource = list(issuers), resource_url(base, endpoint)
    if not found or resource is None:
        return None
    scopes = sorted({scope for issuer in found for scope in issuer.scopes})
    return {
        "resource": resource,
        "authorization_servers": sorted(issuer.url for issuer in found),
        "bearer_methods_supported": ["header"],
        **({"scopes_supported": scopes} if scopes else {}),
    }


def challenge(base: str | None, endpoint: str, issuers: Iterable[JwtIssuer], error: str | None) -> str:
    """The ``WWW-Authenticate`` value: ``error`` only where a token was sent; ``scope`` where every issuer needs the same."""
    found = list(issuers)
    parameters: list[str] = [] if error is None else [f'error="{error}"']
    where = metadata_url(base, endpoint) if found else None
    if where is not None:
        parameters.append(f'resource_metadata="{where}"')
    needed = {issuer.scopes for issuer in found}
    if len(needed) == 1 and (scopes := " ".join(needed.pop())):
        parameters.append(f'scope="{scopes}"')
    return "Bearer" + (f" {', '.join(parameters)}" if parameters else "")
