"""An ID token that an issuer gave to the mesh in a login (OpenID Connect Core 3.1.3.7)."""

from __future__ import annotations

from meshplan.runtime.identity.issuers import IssuerUnavailableError
from meshplan.runtime.identity.token import RejectedError, Token
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.principal import Keyring
from meshplan.runtime.signin.visit import PageError
from meshplan.schemas.plan import JwtIssuer


async def checked(verifier: Verifier, keyring: Keyring, issuer: JwtIssuer, text: str, nonce: str, now: float) -> Token:
    """The token, if it was made for us, just now, by this issuer; raises ``PageError``."""
    try:
        token = await verifier.verify(text, keyring)
        token.check_time(now)
    except (RejectedError, IssuerUnavailableError):
        raise PageError(403, "id_token", "The issuer's word cannot be checked.") from None
    for_us = issuer.login is not None and token.audience == frozenset({issuer.login.client_id})
    if token.issuer != issuer.url or not for_us or token.claims.get("nonce") != nonce:
        raise PageError(403, "id_token", "The issuer's word was not given to this mesh, or not now.")
    return token
