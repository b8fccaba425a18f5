"""The mesh as a client of authorization servers (RFC 6749), as values: who it is there, and what it was given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from meshplan.runtime.secrets import SecretError
from meshplan.runtime.upstream.egress import Egress
from meshplan.schemas.plan import Literally, Value

MIN_AGE: Final = 1.0
"""Seconds between two questions to the authorization server, so that a refused token does not become a flood."""


class RefusedGrantError(SecretError):
    """The authorization server gave no token; ``code`` is its error code (RFC 6749 5.2), if it sent a usable one."""

    def __init__(self, code: str | None) -> None:
        super().__init__(
            "the authorization server refused to give a bearer token" + (f" with `{code}`" if code else "")
        )
        self.code = code


Method = Literal["client_secret_basic", "client_secret_post", "none"]
"""How a client proves itself at the token endpoint (RFC 7591 2)."""


@dataclass(frozen=True, slots=True)
class Client:
    """The mesh as a client of an authorization server; without a secret it is a public one.

    Tokens are asked for at ``token_url`` or, where that is ``None``, where ``issuer`` says. ``resource`` is the server
    that they are for then, which must take tokens of that issuer; ``told`` is where it says that its metadata is.
    ``method`` is ``None`` where the issuer's metadata says which one it is.
    """

    token_url: str | None
    client_id: str | None
    client_secret: Value | None = field(repr=False)
    issuer: str | None = None
    resource: str | None = None
    egress: Egress = field(default_factory=Egress)
    method: Method | None = None
    told: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """The mesh as an authorization server has it, where nobody declared that; ``until``: when the secret ends."""

    client_id: str
    secret: str | None = field(default=None, repr=False)
    method: Method = "none"
    until: float | None = None

    def on(self, client: Client) -> Client:
        """The client of that name."""
        secret = None if self.secret is None else Literally(value=self.secret)
        return replace(client, client_id=self.client_id, client_secret=secret, method=self.method)


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what a caller's tokens were given.

    ``registered`` is the client that they are for, where it is not the declared one; ``asked`` are the scopes that were
    asked for, at ``at`` (seconds since the epoch); ``told`` as in ``Client``.
    """

    registered: Registered | None = None
    asked: tuple[str, ...] = ()
    at: float = 0.0
    told: str | None = None

    def on(self, client: Client) -> Client:
        """The client that the tokens are for."""
        found = replace(client, told=self.told)
        return found if self.registered is None else self.registered.on(found)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token for an upstream, and the time on our clock after which it is not sent any more."""

    value: str = field(repr=False)
    until: float
    refresh: str | None = field(default=None, repr=False)
    identity: str | None = field(default=None, repr=False)
    terms: Terms = field(default_factory=Terms)
