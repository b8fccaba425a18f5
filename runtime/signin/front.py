"""The pages below ``/connect/``: who is at the browser, consent at a server's authorization server, and its way back.

A link says for which caller it was made. Nothing is kept until the browser that comes back with a code is the one that
was sent away, and whoever sits at it has proved to be that very caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

import msgspec

from meshplan.runtime.identity.token import RejectedError
from meshplan.runtime.principal import LOCAL, UnauthenticatedError
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.signin import html
from meshplan.runtime.signin.id_token import checked
from meshplan.runtime.signin.registration import Card
from meshplan.runtime.signin.sign_ins import DOCUMENT, PATH, SignIns, Wanted
from meshplan.runtime.signin.tickets import TicketError
from meshplan.runtime.signin.visit import JSON, Answer, PageError, Visit, new_browser

if TYPE_CHECKING:
    from meshplan.runtime.identity.verifier import Verifier
    from meshplan.runtime.signin.code import Grant
    from meshplan.runtime.signin.consent import Consent
    from meshplan.schemas.plan import JwtIssuer

MAX_FORM: Final = 16 * 1024
_OTHER: Final = (
    "This link was made for another caller of the mesh. If somebody sent it to you, do not use it: what you sign in to "
    "would be theirs. If you are that caller, sign out where you have just logged in, and open the link again."
)

_WRONG: Final = "That is not the secret of the caller for whom this link was made. Go back to try another one."

Owner = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Front:
    """Answers browsers; ``now`` is the mesh's clock."""

    sign_ins: SignIns
    verifier: Verifier
    now: Callable[[], datetime]

    async def answer(self, visit: Visit) -> Answer:
        """The answer to one request; raises ``PageError``."""
        first, _, rest = visit.path.partition("/")
        try:
            if visit.method == "GET" and first == DOCUMENT and rest:
                return self._document(visit, rest)
            if visit.method == "GET" and first == "login" and rest:
                return await self._logged_in(visit, rest)
            if visit.method == "GET" and first == "callback" and rest:
                return await self._consented(visit, rest)
            if rest or visit.method not in ("GET", "POST"):
                raise PageError(404, "no_such_page", "There is no such page.")
            return await (self._proved(visit) if visit.method == "POST" else self._opened(visit))
        except SecretError as error:
            raise PageError(503, "unavailable", f"This cannot be done right now: {error}.") from None

    def _document(self, visit: Visit, name: str) -> Answer:
        """What an authorization server reads of the mesh: for everybody, and nothing in it is a secret."""
        wanted = self.sign_ins.wanted(name)
        url = None if wanted is None else self.sign_ins.document(wanted)
        if wanted is None or url is None:
            raise PageError(404, "no_such_page", "There is no such page.")
        card = Card(visit.snapshot.plan.mesh, self.sign_ins.redirect(name), wanted.auth.scopes)
        return Answer(200, msgspec.json.encode(card.document(url)), kind=JSON)

    async def _link(self, text: str) -> tuple[Owner, Wanted, tuple[str, ...]]:
        """For whom a link was made, for which server, and for which scopes beyond the usual; raises ``PageError``."""
        try:
            found = await self.sign_ins.tickets().read("link", text)
        except TicketError as error:
            said = "has expired" if error.why == "expired" else "is not one of this mesh"
            raise PageError(400, f"link_{error.why}", f"This link {said}. Ask your client for another one.") from None
        wanted = self.sign_ins.wanted(found["s"])
        if wanted is None:
            raise PageError(410, "not_wanted", "Nobody signs in to this server any more.")
        return (found["o"][0], found["o"][1]), wanted, tuple(found.get("m", ()))

    async def _who(self, visit: Visit) -> Owner | None:
        """Who was proved to sit at this browser a while ago, or is named by a trusted proxy."""
        try:
            vouched = visit.door.vouched(visit.seen)
            if vouched is not None:
                principal = visit.door.keyring.judge(vouched, self.now())
                return principal.issuer, principal.sub
            found = await self.sign_ins.tickets().read("who", visit.cookie("who") or "", visit.browser or "-")
        except TicketError:
            return None
        except (UnauthenticatedError, RejectedError):
            raise PageError(403, "proxy_header", "The proxy's word is not taken.") from None
        return found["o"][0], found["o"][1]

    async def _opened(self, visit: Visit) -> Answer:
        """A link was opened: on to the authorization server, for its caller; to everybody else, a way to prove that."""
        owner, wanted, more = await self._link(visit.path)
        who = await self._who(visit)
        browser = visit.browser or new_browser()
        cookie = None if visit.browser else ("browser", browser)
        if who is not None and who == owner:
            url = await _reached(wanted.name, self._consent(visit, wanted).begin(browser, owner, more))
            page = html.consent(visit.snapshot.plan.mesh, wanted.name, who[1], wanted.auth.issuer, url)
            return Answer(200, page, cookie=cookie)
        if owner[0] in ("key", LOCAL):
            ticket = await self.sign_ins.tickets().make("proof", {"l": visit.path}, browser)
            return Answer(200, html.proof(wanted.name, ticket), cookie=cookie)
        login = self.sign_ins.login_of(owner[0])
        if login is None and who is not None:
            raise PageError(403, "link_of_another_caller", _OTHER)
        if login is None:
            raise PageError(403, "not_provable", "Nothing proves here that you are the caller of this link.")
        nonce = new_browser()
        payload = {"l": visit.path, "nonce": nonce}
        grant = self._login(visit, *login)
        url = await _reached(grant.name, grant.begin(self.sign_ins.tickets(), browser, payload, nonce=nonce))
        return Answer(303, location=url, cookie=cookie)

    async def _proved(self, visit: Visit) -> Answer:
        """The form came back with a secret: from our own page in this browser, or not at all."""
        owner, _, _ = await self._link(visit.path)
        sent = visit.fields(visit.body)
        if visit.seen.headers.get("origin") != _origin(visit.base) or visit.browser is None:
            raise PageError(403, "foreign_form", "This form was not sent from a page of the mesh.")
        try:
            ticket = await self.sign_ins.tickets().read("proof", sent.get("ticket", ""), visit.browser)
        except TicketError:
            raise PageError(403, "foreign_form", "This form was not made for this browser.") from None
        try:
            found = visit.door.secret(sent.get("secret", "").strip(), visit.seen)
            principal = visit.door.keyring.judge(found, self.now())
        except RejectedError:
            principal = None
        if principal is None or (principal.issuer, principal.sub) != owner or ticket["l"] != visit.path:
            raise PageError(403, "wrong_secret", _WRONG)
        return await self._known(visit, owner, visit.path)

    async def _known(self, visit: Visit, owner: Owner, link: str) -> Answer:
        """Remember who sits at this browser, and open the link again."""
        who = await self.sign_ins.tickets().make("who", {"o": list(owner)}, visit.browser or "-")
        return Answer(303, location=f"{visit.base}{PATH}{link}", cookie=("who", who))

    async def _logged_in(self, visit: Visit, name: str) -> Answer:
        """Back from the issuer: its ID token says who it was (OpenID Connect Core 3.1.3.7)."""
        issuer = visit.door.keyring.issuers.get(name)
        if issuer is None or issuer.login is None:
            raise PageError(404, "no_such_page", "There is no such page.")
        grant = self._login(visit, name, issuer)
        kept, token = await grant.end(visit, self.sign_ins.tickets(), self.sign_ins.secrets)
        owner, _, _ = await self._link(kept["l"])
        subject = await self._subject(visit, issuer, token.identity or "", kept["nonce"])
        if (issuer.url, subject) != owner:
            raise PageError(403, "link_of_another_caller", _OTHER)
        return await self._known(visit, owner, kept["l"])

    async def _subject(self, visit: Visit, issuer: JwtIssuer, text: str, nonce: str) -> str:
        """The ``sub`` of an ID token that was made for us, just now, by this issuer; raises ``PageError``."""
        found = await checked(self.verifier, visit.door.keyring, issuer, text, nonce, self.now().timestamp())
        return found.subject

    async def _consented(self, visit: Visit, name: str) -> Answer:
        """Back from a server's authorization server: keep what the code is good for, for the caller who is here."""
        wanted = self.sign_ins.wanted(name)
        if wanted is None:
            raise PageError(404, "no_such_page", "There is no such page.")
        who = await self._who(visit)
        token = await self._consent(visit, wanted).end(visit, who)
        if who is None or token is None:
            raise PageError(403, "another_caller_came_back", _OTHER)
        vault, holder = self.sign_ins.vault(), wanted.holder(who)
        async with vault.locked(holder):
            await vault.write(holder, token)
        return Answer(200, html.done(wanted.name))

    def _consent(self, visit: Visit, wanted: Wanted) -> Consent:
        from meshplan.runtime.signin.consent import Consent

        return Consent(self.sign_ins, wanted, visit.snapshot.plan.mesh)

    def _login(self, visit: Visit, name: str, issuer: JwtIssuer) -> Grant:
        from meshplan.runtime.signin.code import login

        return login("login", name, issuer, f"{visit.base}{PATH}login/{quote(name)}", self.sign_ins.egress())


async def _reached(name: str, url: Awaitable[str]) -> str:
    """Where a browser is sent to; raises ``PageError`` where that cannot be found out."""
    from meshplan.runtime.identity.fetch import FetchError

    try:
        return await url
    except FetchError as error:
        said = f"The authorization server of `{name}` cannot be used: {error}."
        raise PageError(502, "no_authority", said) from None


def _origin(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}".lower()
