"""An authorization server's endpoints: what the declared issuer says of itself (RFC 8414)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from meshplan.runtime.identity.discovery import discover
from meshplan.runtime.identity.fetch import FetchError, check_url
from meshplan.runtime.upstream.egress import Egress


@dataclass(frozen=True, slots=True)
class Authority:
    """The metadata of one authorization server that we use; ``states_issuer``: its redirects carry ``iss`` (RFC 9207).

    ``methods`` are those by which a client proves itself at the token endpoint, ``takes_documents`` says that the URL of
    a document about a client does for its name (Client ID Metadata Document).
    """

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None
    registration_endpoint: str | None
    challenges: frozenset[str]
    scopes: frozenset[str]
    methods: frozenset[str]
    states_issuer: bool
    takes_documents: bool

    @property
    def posts_secret(self) -> bool:
        """Whether a declared client's secret goes into the body; into a header, where both are taken."""
        return "client_secret_post" in self.methods and "client_secret_basic" not in self.methods


async def find(client: httpx2.AsyncClient, issuer: str, egress: Egress) -> Authority:
    """Ask a declared issuer for its metadata; raises ``FetchError``."""
    found = await discover(client, issuer, oauth_first=True)
    token = _endpoint(found, "token_endpoint", issuer, egress)
    if token is None:
        raise FetchError("its metadata names no `token_endpoint`")
    return Authority(
        issuer,
        token,
        _endpoint(found, "authorization_endpoint", issuer, egress),
        _endpoint(found, "registration_endpoint", issuer, egress),
        frozenset(texts(found.get("code_challenge_methods_supported"))),
        frozenset(texts(found.get("scopes_supported"))),
        frozenset(texts(found.get("token_endpoint_auth_methods_supported"))),
        found.get("authorization_response_iss_parameter_supported") is True,
        found.get("client_id_metadata_document_supported") is True,
    )


def _endpoint(metadata: dict[str, Any], name: str, issuer: str, egress: Egress) -> str | None:
    found: Any = metadata.get(name)
    return permitted(found, name, issuer, egress) if isinstance(found, str) else None


def permitted(url: str, name: str, declared: str, egress: Egress) -> str:
    """A URL that somebody declared names as its ``name``; an address in it has been reviewed by nobody.

    Raises ``FetchError``.
    """
    host, own = urlsplit(check_url(url, like=declared)).hostname or "", urlsplit(declared).hostname
    try:
        ip_address(host)
    except ValueError:
        known = host == own or not host.rstrip(".").endswith("localhost")
    else:
        known = host == own or egress.permits(host)
    if not known:
        raise FetchError(f"its `{name}` leads to an address that nobody declared")
    return url


def texts(value: Any) -> list[str]:
    """The texts of a list in metadata, in their order."""
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [item for item in listed if isinstance(item, str)]
