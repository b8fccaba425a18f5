"""Who may look: this machine without a login, and operators of the plan with a credential, or a login at their issuer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from meshplan.runtime.active import Active
from meshplan.runtime.admin.console.viewer import LOCAL, Viewer
from meshplan.runtime.admin.port import AdminPort
from meshplan.runtime.front.asgi import Scope
from meshplan.runtime.identity.door import Door
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.principal import Approach, UnauthenticatedError, is_loopback
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.signin.tickets import TicketError
from meshplan.runtime.signin.visit import PageError, Visit, new_browser, read_cookies
from meshplan.runtime.snapshot import Snapshot
from meshplan.schemas.decide import ANYONE
from meshplan.schemas.plan import JwtIssuer

if TYPE_CHECKING:
    from meshplan.runtime.signin.code import Grant

LOGIN: Final = "/console/login"
SESSION: Final = 3600.0
"""Seconds that a login is good for; a new plan ends it, too."""
_BROWSER, _OPERATOR = "browser", "operator"


@dataclass(frozen=True, slots=True)
class Gate:
    """Knows browsers by a sealed cookie that the newest plan has to agree with."""

    active: Active
    port: AdminPort
    verifier: Verifier
    sign_ins: SignIns

    async def viewer(self, seen: Approach, scope: Scope) -> Viewer | None:
        """Who looks; ``None`` for nobody that may. Raises ``UnauthenticatedError`` for a credential that is wrong, or none."""
        if seen.local:
            return LOCAL
        snapshot = self.active.snapshot
        if snapshot is None:
            return None
        visit = self._visit(snapshot, seen, scope)
        held = None if visit is None else await self._session(visit)
        if held is not None:
            return _granted(snapshot, held["s"], frozenset(held["c"]))
        door = self._door(snapshot)
        caller = await door.admit(seen, scope.get("query_string", b""), self.active.now)
        principal = snapshot.keyring.judge(caller.credential, self.active.now)
        return _granted(snapshot, principal.sub, principal.subjects)

    def logins(self) -> list[str]:
        """The issuers at which operators can log in, where a browser could come back."""
        snapshot = self.active.snapshot
        if snapshot is None or self._base(snapshot) is None or not snapshot.plan.runtime.operators:
            return []
        return sorted(name for name, found in snapshot.keyring.issuers.items() if found.login is not None)

    async def begin(self, seen: Approach, scope: Scope, name: str) -> tuple[str, str]:
        """Where to send the browser, and the cookie by which it is known when it comes back; raises ``PageError``."""
        from meshplan.runtime.identity.fetch import FetchError

        visit, issuer = self._at(seen, scope, name)
        browser, nonce = visit.browser or new_browser(), new_browser()
        grant = self._grant(visit, name, issuer)
        try:
            url = await grant.begin(self.sign_ins.tickets(), browser, {"nonce": nonce}, nonce=nonce)
        except FetchError as error:
            raise PageError(502, "no_authority", f"`{name}` cannot be used: {error}.") from None
        except SecretError as error:
            raise PageError(503, "unavailable", f"This cannot be done right now: {error}.") from None
        return url, _cookie(visit, _BROWSER, browser, "Lax")

    async def end(self, seen: Approach, scope: Scope, name: str) -> str:
        """The cookie of an operator who has logged in; raises ``PageError``."""
        visit, issuer = self._at(seen, scope, name)
        kept, token = await self._grant(visit, name, issuer).end(visit, self.sign_ins.tickets(), self.sign_ins.secrets)
        now, keyring = self.active.now.timestamp(), visit.snapshot.keyring
        from meshplan.runtime.signin.id_token import checked

        proved = await checked(self.verifier, keyring, issuer, token.identity or "", kept["nonce"], now)
        principal = keyring.logged_in(proved)
        if principal is None or _granted(visit.snapshot, principal.sub, principal.subjects) is None:
            raise PageError(403, "no_operator", "You are not an operator of this mesh.")
        held = {"s": principal.sub, "c": sorted(principal.subjects), "p": visit.snapshot.digest}
        try:
            text = await self.sign_ins.tickets().make("operator", held, visit.browser or "", SESSION)
        except SecretError as error:
            raise PageError(503, "unavailable", f"This cannot be done right now: {error}.") from None
        return _cookie(visit, _OPERATOR, text, "Strict")

    async def _session(self, visit: Visit) -> dict[str, Any] | None:
        """What was proved when this browser's operator logged in, under the very plan that is served."""
        text = visit.cookie(_OPERATOR)
        if not text or visit.browser is None:
            return None
        try:
            held = await self.sign_ins.tickets().read("operator", text, visit.browser)
        except (TicketError, SecretError):
            return None
        return held if held["p"] == visit.snapshot.digest else None

    def _at(self, seen: Approach, scope: Scope, name: str) -> tuple[Visit, JwtIssuer]:
        snapshot = self.active.snapshot
        visit = None if snapshot is None else self._visit(snapshot, seen, scope)
        if snapshot is None or visit is None or name not in self.logins():
            raise PageError(404, "no_such_page", "There is no such page.")
        return visit, snapshot.keyring.issuers[name]

    def _visit(self, snapshot: Snapshot, seen: Approach, scope: Scope) -> Visit | None:
        base = self._base(snapshot)
        if base is None:
            return None
        path, query, cookies = str(scope["path"]), scope.get("query_string", b""), seen.headers.get("cookie", "")
        return Visit(base, "GET", path, query, seen, self._door(snapshot), snapshot, cookies=read_cookies(cookies))

    def _door(self, snapshot: Snapshot) -> Door:
        return Door("", snapshot.keyring, self.verifier, snapshot.plan.runtime, self._base(snapshot), None)

    def _base(self, snapshot: Snapshot) -> str | None:
        """What browsers reach these pages by: as declared, else where they are on this machine; never what Host says.

        Nobody logs in over plain HTTP from another machine.
        """
        declared, binding = snapshot.plan.runtime.admin_url, self.port.binding
        local = binding.origin if binding is not None and binding.loopback else ""
        base = (declared or local).rstrip("/")
        parts = urlsplit(base)
        return base if parts.scheme == "https" or is_loopback(parts.hostname or "") else None

    def _grant(self, visit: Visit, name: str, issuer: JwtIssuer) -> Grant:
        from meshplan.runtime.signin.code import login

        return login("operator login", name, issuer, f"{visit.base}{LOGIN}/{quote(name)}", self.sign_ins.egress())


def _granted(snapshot: Snapshot, name: str, subjects: frozenset[str]) -> Viewer | None:
    """What the plan lets somebody look at who has these subjects; ``None``: nothing."""
    mine = [
        one
        for one in snapshot.plan.runtime.operators
        if all(subject == ANYONE or subject in subjects for subject in one.to)
    ]
    if not mine:
        return None
    if any(one.endpoints is None for one in mine):
        return Viewer(name)
    return Viewer(name, frozenset(endpoint for one in mine for endpoint in one.endpoints or ()))


def _cookie(visit: Visit, name: str, value: str, site: str) -> str:
    tail = "; Secure" if visit.secure else ""
    return f"{visit.cookie_name(name)}={value}; Path=/; Max-Age={int(SESSION)}; HttpOnly; SameSite={site}{tail}"


def unauthenticated(error: UnauthenticatedError) -> dict[str, str]:
    """The headers of the answer to a credential that is wrong."""
    return {"www-authenticate": error.challenge} if error.challenge else {}
