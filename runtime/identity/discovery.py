"""Where an issuer keeps its keys and endpoints: OpenID Connect Discovery, RFC 8414, or where the plan says."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx2

from meshplan.runtime.identity.fetch import FetchError, check_url, get_json, http_client
from meshplan.schemas.rules import JwtIssuer

_NONE = ("HTTP 404", "HTTP 400")
"""How servers say that they have no such document."""

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


async def discover(client: httpx2.AsyncClient, issuer: str) -> dict[str, Any]:
    """The issuer's metadata: OpenID Connect Discovery 4, else RFC 8414 3; raises ``FetchError``.

    It must name the issuer exactly as the plan does, or it is somebody else's.
    """
    try:
        metadata = await get_json(client, check_url(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    except FetchError as error:
        if str(error) not in _NONE:
            raise
        parts = urlsplit(issuer)
        path = f"/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        metadata = await get_json(client, check_url(f"{parts.scheme}://{parts.netloc}{path}"))
    if metadata.get("issuer") != issuer:
        raise FetchError("its metadata names another issuer")
    return metadata
