"""How the mesh proves itself to a server; every secret by reference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from meshplan.compiler.syntax.words import Maybe, Secret, Text, Written


class Bearer(Written):
    """`Authorization: Bearer …` (RFC 6750)."""

    bearer: Secret


class HeaderValue(Written):
    """A header and the secret that it carries."""

    name: Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")]
    value: Secret


class HeaderAuth(Written):
    """A secret in a header of the server's own."""

    header: HeaderValue


class BasicValue(Written):
    """User name and password (RFC 7617)."""

    user: Text
    password: Secret


class Basic(Written):
    """`Authorization: Basic …`."""

    basic: BasicValue


class ClientCredentials(Written):
    """OAuth 2.0 client credentials (RFC 6749, 4.4), refreshed as needed; asked for at `token_url`, or where `issuer` says."""

    token_url: Maybe[Text] = None
    issuer: Maybe[Text] = None
    client_id: Text
    client_secret: Secret
    scopes: list[Text] = []
    audience: Maybe[Text] = None


class OAuth(Written):
    """The mesh's own token."""

    oauth: ClientCredentials


class TokenExchange(Written):
    """OAuth 2.0 token exchange (RFC 8693): a token of the mesh's on behalf of the caller."""

    token_url: Text
    audience: Text
    client_id: Maybe[Text] = None
    client_secret: Maybe[Secret] = None
    scopes: list[Text] = []
    service: Maybe[Secret] = None


class Exchange(Written):
    """A token for the caller, made from the caller's own; the caller's token itself is never sent on."""

    exchange: TokenExchange


class AuthorizationCode(Written):
    """The caller's own token at the server, by authorization code with PKCE (RFC 7636)."""

    issuer: Text
    client_id: Maybe[Text] = None
    client_secret: Maybe[Secret] = None
    registration: Maybe[Literal["metadata", "dynamic", "either"]] = None
    scopes: list[Text] = []
    service: Maybe[Secret] = None


class PerUser(Written):
    """Every caller signs in to the server once; the token is sealed at rest and is that caller's alone."""

    per_user: AuthorizationCode


AUTHS: dict[str, type[Written]] = {
    "bearer": Bearer,
    "header": HeaderAuth,
    "basic": Basic,
    "oauth": OAuth,
    "exchange": Exchange,
    "per_user": PerUser,
}


def _way(value: Any) -> str | None:
    if isinstance(value, Written):
        return next(key for key, model in AUTHS.items() if isinstance(value, model))
    return next((key for key in AUTHS if key in value), None) if isinstance(value, dict) else None


Auth = Annotated[
    Annotated[Bearer, Tag("bearer")]
    | Annotated[HeaderAuth, Tag("header")]
    | Annotated[Basic, Tag("basic")]
    | Annotated[OAuth, Tag("oauth")]
    | Annotated[Exchange, Tag("exchange")]
    | Annotated[PerUser, Tag("per_user")],
    Discriminator(
        _way,
        custom_error_type="mesh_form",
        custom_error_message="wants one way to authenticate -- it is one of `bearer`, `header`, `basic`, `oauth`, "
        "`exchange` and `per_user`",
    ),
]
