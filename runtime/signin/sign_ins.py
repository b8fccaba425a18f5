"""What one process needs to let callers sign in to servers: the newest plan's folder and keys, and where we are reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from meshplan.runtime.active import Active
from meshplan.runtime.seal import Sealer
from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.signin.awaited import Awaited
from meshplan.runtime.signin.registration import Place
from meshplan.runtime.signin.source import SignedIn, covers
from meshplan.runtime.signin.tickets import Tickets
from meshplan.runtime.signin.vault import Holder, Vault
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.oauth import Client
from meshplan.runtime.used import Once, Used
from meshplan.schemas.plan import HttpTransport, JwtIssuer, PerUserAuth, Settings

PATH: Final = "/connect/"
"""Below it lies everything that a browser is sent to."""
DOCUMENT: Final = "client"
"""Below it, in turn, lies what authorization servers read of the mesh."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server that callers sign in to."""

    name: str
    transport: HttpTransport
    auth: PerUserAuth

    def holder(self, owner: tuple[str, str]) -> Holder:
        """Whose tokens a caller's are."""
        auth = self.auth
        client = auth.client_id or f"registration {auth.registration}"
        return Holder(owner, self.name, auth.issuer, client, self.transport.url, auth.scopes)

    def client(self, egress: Egress) -> Client:
        """The mesh at the server's authorization server."""
        auth = self.auth
        return Client(None, auth.client_id, auth.client_secret, auth.issuer, self.transport.url, egress)


class SignIns:
    """Lives as long as its process; ``origin`` is where this machine reaches us, known once we listen."""

    def __init__(
        self,
        active: Active,
        root: Path,
        sealer: Sealer,
        used: Once | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._active, self._root, self._sealer, self._now = active, root, sealer, now
        self._used = used or Used(now)
        self.secrets = Secrets(root)
        self.awaited = Awaited(active.correspondents.completed)
        self.origin: str | None = None

    @property
    def settings(self) -> Settings:
        """The newest plan's; raises ``SecretError`` where there is no plan."""
        if self._active.snapshot is None:
            raise SecretError("no plan is active")
        return self._active.snapshot.plan.runtime

    @property
    def base(self) -> str | None:
        """What the mesh is reached by: as declared, else where it listens on this machine; never what Host says."""
        found = self.settings.public_url or self.origin
        return None if found is None else found.rstrip("/")

    def redirect(self, server: str) -> str:
        """Where browsers come back to from a server's authorization server: an address of its own for each."""
        return f"{self.base or ''}{PATH}callback/{quote(server)}"

    def document(self, wanted: Wanted) -> str | None:
        """The URL of the document that says who the mesh is, where it registers by one: over HTTPS, or not at all."""
        base = self.base or ""
        if wanted.auth.registration not in ("metadata", "either") or not base.startswith("https://"):
            return None
        return f"{base}{PATH}{DOCUMENT}/{quote(wanted.name)}"

    def place(self, wanted: Wanted) -> Place:
        """Where the mesh's own registration for a server is kept."""
        return Place(wanted.name, wanted.auth.issuer, self.redirect(wanted.name))

    def egress(self) -> Egress:
        """Where authorization servers may be."""
        found = Egress()
        found.adopt(self.settings.private_networks)
        return found

    def vault(self) -> Vault:
        """See ``source.Vaults``."""
        settings = self.settings
        if settings.sign_ins is None:
            raise SecretError("the plan has no folder for sign-ins")
        return Vault(self._root / settings.sign_ins.path, self._sealer, settings.seal_keys)

    def tickets(self) -> Tickets:
        """Tickets under the newest plan's keys."""
        return Tickets(self._sealer, self.settings.seal_keys, self._used, self._now)

    async def has(self, holder: Holder, scopes: tuple[str, ...]) -> bool:
        """Whether a caller has signed in, and for these scopes a moment ago; raises ``SecretError``."""
        vault = self.vault()
        if not scopes or vault.version(holder) is None:
            return vault.version(holder) is not None
        found = await vault.read(holder)
        return found is not None and covers(found, scopes, self._now())

    def wanted(self, server: str) -> Wanted | None:
        """The server of the newest plan, if callers sign in to it."""
        snapshot = self._active.snapshot
        found = snapshot.plan.servers.get(server) if snapshot else None
        transport = found.transport if found else None
        if not isinstance(transport, HttpTransport) or not isinstance(transport.auth, PerUserAuth):
            return None
        return Wanted(server, transport, transport.auth)

    def login_of(self, issuer: str) -> tuple[str, JwtIssuer] | None:
        """The declared issuer with this URL at which the mesh can have somebody log in, and its name."""
        keyring = self._active.snapshot.keyring if self._active.snapshot else None
        for name, found in keyring.issuers.items() if keyring else ():
            if found.url == issuer and found.login is not None:
                return name, found
        return None

    def provable(self, owner: tuple[str, str]) -> bool:
        """Whether somebody at a browser could prove to be this caller."""
        issuer = owner[0]
        return issuer in ("key", "local") or issuer.startswith("proxy:") or self.login_of(issuer) is not None

    def source(self, name: str, transport: HttpTransport, owner: tuple[str, str], egress: Egress) -> SignedIn | None:
        """The tokens of one caller at one server, if that wants its callers to sign in."""
        if not isinstance(transport.auth, PerUserAuth):
            return None
        wanted = Wanted(name, transport, transport.auth)
        place = self.place(wanted) if transport.auth.registration else None
        return SignedIn(self, wanted.holder(owner), wanted.client(egress), self.secrets, self._now, place)
