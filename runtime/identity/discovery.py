"""Where an issuer keeps its keys and endpoints: OpenID Connect Discovery, RFC 8414, or where the plan says."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx2

from meshplan.runtime.identity.fetch import FetchError, check_url, get_json, http_client
from meshplan.schemas.rules import JwtIssuer

_NONE = ("HTTP 404", "HTTP 400")
"""How servers say that they have no such document."""
_NOT_HERE = ("HTTP 3", "HTTP 4", "it is not JSON")
"""How servers of OpenID Connect alone answer where RFC 8414 has it: some with a page for people."""

__all__ = ["FetchError", "discover", "http_client", "key_set"]


async def key_set(client: httpx2.AsyncClient, issuer: JwtIssuer) -> dict[str, Any]:
    """The JWK set: where the plan says, or where the issuer's own metadata does; raises ``FetchError``."""
    place = issuer.jwks
    if place is None:
        metadata = await discover(client, issuer.url)
        found: Any = metadata.get("jwks_uri")
        if not isinstance(found, str):
            raise FetchError("its metadata names no `jwks_uri`")
        place = check_url(found, like=issuer.url)
    return await get_json(client, check_url(place))


async def discover(client: httpx2.AsyncClient, issuer: str, *, oauth_first: bool = False) -> dict[str, Any]:
    """The issuer's metadata: OpenID Connect Discovery 4, else RFC 8414 3; raises ``FetchError``.

    ``oauth_first`` looks in the order that MCP has for authorization servers. The metadata must name the issuer exactly as
    the plan does, or it is somebody else's.
    """
    parts, own = urlsplit(issuer), f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    root, path = f"{parts.scheme}://{parts.netloc}/.well-known", parts.path.rstrip("/")
    oauth = f"{root}/oauth-authorization-server{path}"
    places = (oauth, f"{root}/openid-configuration{path}", own) if oauth_first else (own, oauth)
    metadata = await _first(client, list(dict.fromkeys(places)), _NOT_HERE if oauth_first else _NONE)
    if metadata.get("issuer") != issuer:
        raise FetchError("its metadata names another issuer")
    return metadata


async def _first(client: httpx2.AsyncClient, places: list[str], absent: tuple[str, ...]) -> dict[str, Any]:
    """The document at the first of these places that has one, going by what others answer."""
    for place in places[:-1]:
        try:
            return await get_json(client, check_url(place))
        except FetchError as error:
            if not str(error).startswith(absent):
                raise
    return await get_json(client, check_url(places[-1]))
