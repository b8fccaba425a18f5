"""One caller's consent at a server's authorization server: as which client, for which scopes, and what comes of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx2
import msgspec

from meshplan.runtime import protocol
from meshplan.runtime.identity import authority
from meshplan.runtime.identity.authority import Authority
from meshplan.runtime.identity.challenge import MAX_SCOPES, Challenge, read_challenge
from meshplan.runtime.identity.fetch import SECONDS, FetchError, check_url, http_client
from meshplan.runtime.identity.resource import Resource, check_resource
from meshplan.runtime.signin import registration
from meshplan.runtime.signin.code import Grant, usable
from meshplan.runtime.signin.visit import PageError
from meshplan.runtime.upstream.envelope import wire_headers, wire_params
from meshplan.runtime.upstream.exchange import MARK
from meshplan.runtime.upstream.oauth import AccessToken, RefusedGrantError, Registered, Terms
from meshplan.runtime.upstream.port import UpstreamRequest

if TYPE_CHECKING:
    from meshplan.runtime.signin.sign_ins import SignIns, Wanted
    from meshplan.runtime.signin.vault import Holder
    from meshplan.runtime.signin.visit import Visit

_OFFLINE: Final = "offline_access"
"""By which some authorization servers give refresh tokens (OpenID Connect Core 11)."""
_PROBE: Final = "server/discover"


@dataclass(frozen=True, slots=True)
class Consent:
    """See the module; ``mesh`` is the mesh's name."""

    sign_ins: SignIns
    wanted: Wanted
    mesh: str

    async def begin(self, browser: str, owner: tuple[str, str], more: tuple[str, ...]) -> str:
        """The URL that the browser is sent to, for ``more`` scopes than the caller has let us use so far.

        Raises ``FetchError`` and ``SecretError``.
        """
        auth, url, egress = self.wanted.auth, self.wanted.transport.url, self.sign_ins.egress()
        async with http_client(egress) as http:
            said = await challenge_of(http, url)
            resource = await check_resource(http, url, auth.issuer, egress, said.metadata)
            found = await authority.find(http, auth.issuer, egress)
            usable(found)
            client = await self._registered(http, found)
        scopes = await self._scopes(owner, more, said, resource, found)
        grant = replace(self._grant(), scopes=scopes)
        if client is not None:
            grant = replace(grant, client=client.on(grant.client))
        payload: dict[str, Any] = {"o": list(owner), "a": list(scopes), "t": said.metadata}
        payload["c"] = None if client is None else client.client_id
        payload["p"] = _digest(self.wanted.holder(owner))
        return await grant.lead(found, resource.name, self.sign_ins.tickets(), browser, payload)

    async def end(self, visit: Visit, owner: tuple[str, str] | None) -> AccessToken | None:
        """The tokens of the caller who has come back, ``None`` where it is not the one who went.

        Raises ``PageError`` and ``SecretError``.
        """
        grant, tickets = self._grant(), self.sign_ins.tickets()
        kept, code = await grant.back(visit, tickets)
        if owner is None or list(owner) != kept["o"]:
            return None
        if kept["p"] != _digest(self.wanted.holder(owner)):
            said = "What was reviewed of this server has changed meanwhile. Ask your client for another link."
            raise PageError(409, "plan_changed", said)
        client = await self._same(kept["c"])
        terms = Terms(client, tuple(kept["a"]), int(tickets.now()), kept["t"])
        grant = replace(grant, client=terms.on(grant.client))
        try:
            token = await grant.redeem(code, kept, self.sign_ins.secrets, tickets.now)
        except PageError as error:
            refused = error.__cause__
            if client is not None and isinstance(refused, RefusedGrantError) and refused.code == "invalid_client":
                await registration.forget(self.sign_ins.vault(), self._place(), client.client_id)
            raise
        return replace(token, terms=terms)

    def _grant(self) -> Grant:
        wanted = self.wanted
        return Grant("consent", wanted.name, wanted.client(self.sign_ins.egress()), self.sign_ins.redirect(wanted.name))

    def _place(self) -> registration.Place:
        return self.sign_ins.place(self.wanted)

    async def _registered(self, http: httpx2.AsyncClient, found: Authority) -> Registered | None:
        """Who the mesh is there, in the order of MCP: as declared (``None``), by its document, registered."""
        auth, document = self.wanted.auth, self.sign_ins.document(self.wanted)
        if auth.registration is None:
            return None
        if document is not None and found.takes_documents:
            return Registered(document)
        if auth.registration == "metadata":
            raise FetchError("it takes no metadata documents of clients (`client_id_metadata_document_supported`)")
        card = registration.Card(self.mesh, self.sign_ins.redirect(self.wanted.name), auth.scopes)
        now = self.sign_ins.tickets().now
        return await registration.registered(self.sign_ins.vault(), self._place(), http, found, card, now)

    async def _same(self, client_id: str | None) -> Registered | None:
        """The client that the browser was sent away for; raises ``PageError`` where there is another one meanwhile."""
        if client_id is None or client_id == self.sign_ins.document(self.wanted):
            return None if client_id is None else Registered(client_id)
        kept = await registration.known(self.sign_ins.vault(), self._place())
        if kept is None or kept.client_id != client_id:
            said = "The mesh has registered anew meanwhile. Ask your client for another link."
            raise PageError(409, "registered_anew", said)
        return kept

    async def _scopes(
        self, owner: tuple[str, str], more: tuple[str, ...], said: Challenge, resource: Resource, found: Authority
    ) -> tuple[str, ...]:
        """The declared scopes and no others; else what the server says, and what the caller has agreed to before."""
        if self.wanted.auth.scopes:
            return self.wanted.auth.scopes
        wanted = said.scopes or resource.scopes
        if more:
            kept = await self.sign_ins.vault().read(self.wanted.holder(owner))
            wanted = (*(kept.terms.asked if kept is not None else ()), *more)
        if wanted and _OFFLINE in found.scopes:
            wanted = (*wanted, _OFFLINE)
        if len(set(wanted)) > MAX_SCOPES:
            raise FetchError(f"the server wants more than {MAX_SCOPES} scopes")
        return tuple(dict.fromkeys(wanted))


def _digest(holder: Holder) -> str:
    """Tells what the plan says of a server and its sign-in from what another plan says."""
    return hashlib.sha256(holder.binding.encode()).hexdigest()


async def challenge_of(http: httpx2.AsyncClient, url: str) -> Challenge:
    """What a server says to a request that proves nothing (RFC 9728 5.1); an empty challenge where it says nothing."""
    version = protocol.MODERN_PROTOCOL_VERSIONS[-1]
    params = wire_params(UpstreamRequest(_PROBE, {}, 0), version, None)
    headers = {name: value for name, value in wire_headers(_PROBE, params, version, {}).items() if name != MARK}
    headers |= {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": _PROBE, "params": params})
    try:
        with anyio.fail_after(SECONDS):
            async with http.stream("POST", check_url(url), content=body, headers=headers) as response:
                refused = response.status_code in (401, 403)
                return read_challenge(response.headers.get("www-authenticate", "")) if refused else Challenge()
    except (httpx2.RequestError, TimeoutError):
        return Challenge()
