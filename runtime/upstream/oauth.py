"""The mesh as a client of authorization servers (RFC 6749), as values: who it is there, and what it was given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from meshplan.runtime.secrets import SecretError
from meshplan.runtime.upstream.egress import Egress
from meshplan.schemas.plan import Value

MIN_AGE: Final = 1.0
"""Seconds between two questions to the authorization server, so that a refused token does not become a flood."""


class RefusedGrantError(SecretError):
    """The authorization server gave no token; ``code`` is its error code (RFC 6749 5.2), if it sent a usable one."""

    def __init__(self, code: str | None) -> None:
        super().__init__(
            "the authorization server refused to give a bearer token" + (f" with `{code}`" if code else "")
        )
        self.code = code


@dataclass(frozen=True, slots=True)
class Client:
    """The mesh as a client of an authorization server; without a secret it is a public one.

    Tokens are asked for at ``token_url`` or, where that is ``None``, where ``issuer`` says. ``resource`` is the server
    that they are for then, which must take tokens of that issuer.
    """

    token_url: str | None
    client_id: str | None
    client_secret: Value | None
    issuer: str | None = None
    resource: str | None = None
    egress: Egress = field(default_factory=Egress)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token for an upstream, and the time on our clock after which it is not sent any more."""

    value: str = field(repr=False)
    until: float
    refresh: str | None = field(default=None, repr=False)
    identity: str | None = field(default=None, repr=False)
