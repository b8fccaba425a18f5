"""An authorization server's endpoints: what the declared issuer says of itself (RFC 8414), if the resource agrees (RFC 9728)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from meshplan.runtime.identity.discovery import discover
from meshplan.runtime.identity.fetch import FetchError, check_url, get_json
from meshplan.runtime.identity.metadata import WELL_KNOWN
from meshplan.runtime.upstream.egress import Egress


@dataclass(frozen=True, slots=True)
class Authority:
    """The metadata of one authorization server that we use; ``states_issuer``: its redirects carry ``iss`` (RFC 9207)."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None
    challenges: frozenset[str]
    states_issuer: bool
    posts_secret: bool


async def find(client: httpx2.AsyncClient, issuer: str, egress: Egress) -> Authority:
    """Ask a declared issuer for its metadata; raises ``FetchError``."""
    found = await discover(client, issuer)
    token = _endpoint(found, "token_endpoint", issuer, egress)
    if token is None:
        raise FetchError("its metadata names no `token_endpoint`")
    methods = _texts(found.get("token_endpoint_auth_methods_supported"))
    return Authority(
        issuer,
        token,
        _endpoint(found, "authorization_endpoint", issuer, egress),
        _texts(found.get("code_challenge_methods_supported")),
        found.get("authorization_response_iss_parameter_supported") is True,
        "client_secret_post" in methods and "client_secret_basic" not in methods,
    )


async def check_resource(client: httpx2.AsyncClient, resource: str, issuer: str) -> str:
    """The name under which tokens for a server are asked for (RFC 8707): what its metadata says, else its URL.

    Raises ``FetchError`` where the server has metadata and takes tokens of other issuers only, or is another resource.
    """
    parts = urlsplit(resource)
    for suffix in dict.fromkeys((parts.path.rstrip("/"), "")):
        try:
            found = await get_json(client, check_url(f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{suffix}"))
        except FetchError as error:
            if str(error).startswith("HTTP 4"):
                continue
            raise
        issuers = _texts(found.get("authorization_servers"))
        if issuers and issuer not in issuers:
            raise FetchError(f"the server takes tokens of other issuers than `{issuer}`")
        named: Any = found.get("resource")
        if not isinstance(named, str) or not _holds(named, resource):
            raise FetchError("the server's metadata is about another resource")
        return named
    return resource


def _holds(named: str, resource: str) -> bool:
    """Whether a resource's name is the server's URL, or a part of its path from the beginning."""
    name, url = urlsplit(named), urlsplit(resource)
    if (name.scheme, name.netloc.lower(), name.query) != (url.scheme, url.netloc.lower(), ""):
        return named == resource
    front = name.path.rstrip("/")
    return url.path.rstrip("/") == front or url.path.startswith(f"{front}/")


def _endpoint(metadata: dict[str, Any], name: str, issuer: str, egress: Egress) -> str | None:
    """An endpoint that the issuer names; an address in it has been reviewed by nobody. Raises ``FetchError``."""
    found: Any = metadata.get(name)
    if not isinstance(found, str):
        return None
    host, declared = urlsplit(check_url(found, like=issuer)).hostname or "", urlsplit(issuer).hostname
    try:
        ip_address(host)
    except ValueError:
        permitted = host == declared or not host.rstrip(".").endswith("localhost")
    else:
        permitted = host == declared or egress.permits(host)
    if not permitted:
        raise FetchError(f"its `{name}` leads to an address that nobody declared")
    return found


def _texts(value: Any) -> frozenset[str]:
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return frozenset(item for item in listed if isinstance(item, str))
