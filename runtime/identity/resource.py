"""What a server says of itself as a protected resource (RFC 9728), as far as it is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from meshplan.runtime.identity.authority import permitted, texts
from meshplan.runtime.identity.challenge import read_scopes
from meshplan.runtime.identity.fetch import FetchError, check_url, get_json
from meshplan.runtime.identity.metadata import WELL_KNOWN
from meshplan.runtime.upstream.egress import Egress


@dataclass(frozen=True, slots=True)
class Resource:
    """``name`` is what tokens for a server are asked for under (RFC 8707), ``scopes`` those that it has."""

    name: str
    scopes: tuple[str, ...] = ()


async def check_resource(
    client: httpx2.AsyncClient, url: str, issuer: str, egress: Egress, told: str | None = None
) -> Resource:
    """The server at ``url``: what its metadata says, else its URL; ``told`` is where a challenge says that this is.

    Raises ``FetchError`` where the server has metadata and takes tokens of other issuers only, or is another resource.
    """
    parts = urlsplit(url)
    root = f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}"
    places = [] if told is None else [permitted(told, "resource_metadata", url, egress)]
    for place in dict.fromkeys((*places, f"{root}{parts.path.rstrip('/')}", root)):
        try:
            found = await get_json(client, check_url(place))
        except FetchError as error:
            if str(error).startswith("HTTP 4"):
                continue
            raise
        return _believed(found, url, issuer)
    return Resource(url)


def _believed(found: dict[str, Any], url: str, issuer: str) -> Resource:
    issuers = texts(found.get("authorization_servers"))
    if issuers and issuer not in issuers:
        raise FetchError(f"the server takes tokens of other issuers than `{issuer}`")
    named: Any = found.get("resource")
    if not isinstance(named, str) or not _holds(named, url):
        raise FetchError("the server's metadata is about another resource")
    return Resource(named, read_scopes(" ".join(texts(found.get("scopes_supported")))))


def _holds(named: str, url: str) -> bool:
    """Whether a resource's name is the server's URL, or a part of its path from the beginning."""
    name, whole = urlsplit(named), urlsplit(url)
    if (name.scheme, name.netloc.lower(), name.query) != (whole.scheme, whole.netloc.lower(), ""):
        return named == url
    front = name.path.rstrip("/")
    return whole.path.rstrip("/") == front or whole.path.startswith(f"{front}/")
