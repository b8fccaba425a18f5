"""`identity:` as written: the subjects there are, and who may assert them."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from meshplan.compiler.syntax.access import SubjectRef
from meshplan.compiler.syntax.servers import HeaderName, Url
from meshplan.compiler.syntax.words import Day, Maybe, Name, Secret, Text, Written, bad_value, secret_value

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,100}$")]


class Login(Written):
    """The mesh as a client of the issuer: whoever opens a link of the mesh logs in there to prove who they are."""

    client_id: Text
    client_secret: Maybe[Secret] = None


class JwtIssuer(Written):
    """An OpenID Connect issuer; `audience` is declared only where tokens are not made for the endpoint's own URL."""

    jwt: Url
    jwks: Maybe[Url] = None
    audience: Maybe[Text] = None
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = ["RS256", "ES256"]
    scopes: list[Scope] = []
    login: Maybe[Login] = None


class ProxyIssuer(Written):
    """A trusted proxy that has checked a client certificate and names its subject in a header."""

    proxy_header: HeaderName


_ISSUERS = {"jwt": JwtIssuer, "proxy_header": ProxyIssuer}


def _issuer(value: Any) -> str | None:
    if isinstance(value, Written):
        return next(key for key, model in _ISSUERS.items() if isinstance(value, model))
    return next((key for key in _ISSUERS if key in value), None) if isinstance(value, dict) else None


Issuer = Annotated[
    Annotated[JwtIssuer, Tag("jwt")] | Annotated[ProxyIssuer, Tag("proxy_header")],
    Discriminator(
        _issuer,
        custom_error_type="mesh_form",
        custom_error_message="wants a way to vouch for callers -- write `{jwt: https://idp.example}`",
    ),
]


class Subject(Written):
    """A team, agent or application. With `issuer`, its tokens prove it: `claim` holds (`has`) or equals (`is`) a value."""

    description: Maybe[Text] = None
    issuer: Maybe[Name] = None
    claim: Maybe[Text] = None
    has: Maybe[Text] = None
    is_: Annotated[Maybe[Text], Field(alias="is")] = None


class Users(Written):
    """Users: everybody that `issuer` names by `claim`, and those in `named`, whom keys may assert."""

    issuer: Maybe[Name] = None
    claim: Text = "sub"
    named: list[Name] = []


class Assertion(Written):
    """The subjects that a credential proves."""

    user: Maybe[Name] = None
    teams: list[Name] = []
    agent: Maybe[Name] = None
    application: Maybe[Name] = None


_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def _sha256(value: Any) -> Any:
    """What is no digest may well be the key itself."""
    if not isinstance(value, str) or _DIGEST.match(value):
        return value
    if _DIGEST.match(value.lower()):
        raise bad_value("wants lower-case digits", f"write `{value.lower()}`")
    raise secret_value(
        "this is not a SHA-256 digest in hexadecimal", "write the 64 digits of `printf %s KEY | sha256sum`"
    )


class KeyEntry(Assertion):
    """An API key: the SHA-256 of its text in hex, what it proves, and when it ends."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), BeforeValidator(_sha256)]
    expires: Maybe[Day] = None


class Identity(Written):
    """Who may call. `local` is what the loopback profile of `mesh up` and `mesh stdio` proves.

    `exclusive` lists subjects of which nobody has two.
    """

    issuers: dict[Name, Issuer] = {}
    users: Users = Users.model_construct()
    teams: dict[Name, Subject] = {}
    agents: dict[Name, Subject] = {}
    applications: dict[Name, Subject] = {}
    keys: dict[Name, KeyEntry] = {}
    local: Maybe[Assertion] = None
    exclusive: list[Annotated[list[SubjectRef], Field(min_length=2)]] = []
