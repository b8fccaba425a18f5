"""The plan's access and identity: rules, roles, grants, and who may assert which subject."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from meshplan.schemas.frozen import Frozen
from meshplan.schemas.transports import Value


class LiveResources(Frozen):
    """Resources of a server that are not locked, by glob on the normalised upstream URI."""

    server: str
    uris: tuple[str, ...]


class Rule(Frozen):
    """Allow or deny some capabilities; ``endpoints`` and ``when`` narrow it, ``None`` does not.

    ``when`` is an expression's IR over ``args`` and ``principal``; its error matches in a deny and not in an allow.
    """

    effect: Literal["allow", "deny"]
    covers: tuple[str, ...]
    live: tuple[LiveResources, ...]
    endpoints: tuple[str, ...] | None
    when: JsonValue


class Grant(Frozen):
    """A role for every principal that proves all subjects of one conjunction in ``to``.

    ``expires`` is a date; the grant ends when that day begins in UTC. ``delegated`` says how a user who acts through
    an agent is judged: both must be allowed (``intersection``), or either (``union``).
    """

    role: str
    to: tuple[tuple[str, ...], ...]
    expires: str | None
    delegated: Literal["intersection", "union"]


class Access(Frozen):
    """Rules by id, roles as lists of rule ids (inheritance resolved), and grants. Default deny; deny wins."""

    rules: dict[str, Rule]
    roles: dict[str, tuple[str, ...]]
    grants: tuple[Grant, ...]


class Key(Frozen):
    """An API key, known only by its SHA-256 in hex, and the subjects that it proves."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    subjects: tuple[str, ...]
    expires: str | None


class Login(Frozen):
    """The mesh as a client of an issuer, to learn who sits at a browser (OpenID Connect Core 3.1)."""

    client_id: str
    client_secret: Value | None


class JwtIssuer(Frozen):
    """An OpenID Connect issuer; ``audience`` ``None`` means the endpoint's own URL, ``jwks`` ``None`` discovery.

    A token needs all ``scopes``; without ``login`` nobody can prove in a browser to be one of its users.
    """

    kind: Literal["jwt"] = "jwt"
    url: str
    jwks: str | None = None
    audience: str | None
    algorithms: tuple[str, ...]
    scopes: tuple[str, ...] = ()
    login: Login | None = None


class ProxyIssuer(Frozen):
    """A trusted proxy that names the subject of a client certificate in a header."""

    kind: Literal["proxy"] = "proxy"
    header: str


Issuer = Annotated[JwtIssuer | ProxyIssuer, Field(discriminator="kind")]


class Claim(Frozen):
    """A subject that tokens of ``issuer`` prove: ``claim`` contains (``has``) or equals (``is``) ``value``."""

    subject: str
    issuer: str
    claim: str
    test: Literal["has", "is"]
    value: str


class UserClaim(Frozen):
    """Tokens of ``issuer`` prove ``user:<claim's value>``."""

    issuer: str
    claim: str


class Identity(Frozen):
    """Who may assert what: keys by name, and the subjects of the loopback profile (``None``: there is none)."""

    issuers: dict[str, Issuer] = {}
    users: UserClaim | None = None
    claims: tuple[Claim, ...] = ()
    exclusive: tuple[tuple[tuple[str, ...], ...], ...] = ()
    keys: dict[str, Key]
    local: tuple[str, ...] | None
