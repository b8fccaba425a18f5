"""One authorization code grant (RFC 6749 4.1, RFC 7636, RFC 9207) in a browser: where it is sent, and what comes back."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from meshplan.runtime.identity import authority
from meshplan.runtime.identity.authority import Authority
from meshplan.runtime.identity.fetch import FetchError, http_client
from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.signin.tickets import Kind, TicketError, Tickets
from meshplan.runtime.signin.visit import PageError, Visit
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.grants import request_token
from meshplan.runtime.upstream.oauth import AccessToken, Client
from meshplan.schemas.plan import JwtIssuer

_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}\Z")
_MAX_CODE: Final = 8192
_TICKETS: Final = {
    "broken": "The answer does not belong to anything that was begun in this browser.",
    "expired": "This took too long. Ask your client for another link.",
    "used": "This answer was used before. Ask your client for another link.",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """One kind of grant: ``client`` at an issuer, for ``name``, back to ``redirect``, under tickets of ``kind``."""

    kind: Kind
    name: str
    client: Client
    redirect: str
    scopes: tuple[str, ...] = ()

    async def begin(self, tickets: Tickets, browser: str, payload: dict[str, Any], *, nonce: str | None = None) -> str:
        """The URL that the browser is sent to; raises ``FetchError`` and ``SecretError``."""
        async with http_client(self.client.egress) as http:
            found = await authority.find(http, self.client.issuer or "", self.client.egress)
        return await self.lead(found, None, tickets, browser, payload, nonce=nonce)

    async def lead(
        self,
        found: Authority,
        resource: str | None,
        tickets: Tickets,
        browser: str,
        payload: dict[str, Any],
        *,
        nonce: str | None = None,
    ) -> str:
        """As ``begin``, at an authorization server that was found, for a server of this name (RFC 8707)."""
        place = usable(found)
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        kept = {**payload, "i": self.name, "v": verifier, "iss": found.states_issuer}
        wanted = {
            "response_type": "code",
            "client_id": self.client.client_id or "",
            "redirect_uri": self.redirect,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "state": await tickets.make(self.kind, kept, browser),
            **({"scope": " ".join(self.scopes)} if self.scopes else {}),
            # Without being asked, nobody consents to that (OpenID Connect Core 11).
            **({"prompt": "consent"} if "offline_access" in self.scopes else {}),
            **({"resource": resource} if resource else {}),
            **({"nonce": nonce} if nonce else {}),
        }
        return f"{place}{'&' if '?' in place else '?'}{urlencode(wanted)}"

    async def end(self, visit: Visit, tickets: Tickets, vault: Secrets) -> tuple[dict[str, Any], AccessToken]:
        """What was kept of the beginning, and what the code is good for; raises ``PageError``."""
        kept, code = await self.back(visit, tickets)
        return kept, await self.redeem(code, kept, vault, tickets.now)

    async def back(self, visit: Visit, tickets: Tickets) -> tuple[dict[str, Any], str]:
        """What was kept of the beginning, and the code that came back; raises ``PageError``."""
        sent = visit.fields(visit.query)
        try:
            kept = await tickets.take(self.kind, sent.get("state", ""), visit.browser or "")
        except TicketError as error:
            raise PageError(400, f"state_{error.why}", _TICKETS[error.why]) from None
        issuer = sent.get("iss")
        if kept["i"] != self.name or (issuer is None and kept["iss"]) or issuer not in (None, self.client.issuer):
            raise PageError(400, "other_issuer", "The answer is not from where you were sent to.")
        code = sent.get("code", "")
        if "error" in sent or not 0 < len(code) <= _MAX_CODE:
            said = sent.get("error", "")
            shown = f" (`{said}`)" if _CODE.match(said) else ""
            raise PageError(400, "refused", f"There was no consent{shown}. Ask your client again if you want to.")
        return kept, code

    async def redeem(self, code: str, kept: dict[str, Any], vault: Secrets, now: Callable[[], float]) -> AccessToken:
        """What a code is good for; raises ``PageError``."""
        about = {"code": code, "redirect_uri": self.redirect, "code_verifier": kept["v"]}
        try:
            return await request_token(self.client, vault, "authorization_code", about, now)
        except SecretError as error:
            raise PageError(502, "no_token", f"No token came back: {error}.") from error


def usable(found: Authority) -> str:
    """The authorization endpoint of a server at which a code is good for its owner alone; raises ``FetchError``."""
    if found.authorization_endpoint is None:
        raise FetchError("its metadata names no `authorization_endpoint`")
    if "S256" not in found.challenges:
        raise FetchError("it does not say that it takes PKCE with `S256`")
    return found.authorization_endpoint


def login(kind: Kind, name: str, issuer: JwtIssuer, redirect: str, egress: Egress) -> Grant:
    """The grant by which somebody proves at an issuer of callers who they are."""
    told = issuer.login
    client_id, secret = (told.client_id, told.client_secret) if told else (None, None)
    return Grant(kind, name, Client(None, client_id, secret, issuer.url, None, egress), redirect, ("openid",))
