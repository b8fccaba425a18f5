"""The headers by which the mesh proves itself to one server: references, its own token, or one on behalf of a caller."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from meshplan.runtime.identity.challenge import read_challenge
from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.port import Behalf, OwnTokens, Source
from meshplan.schemas.plan import (
    BasicAuth,
    BearerAuth,
    ExchangeAuth,
    HeaderAuth,
    HttpTransport,
    OAuthAuth,
    OpenApiTransport,
    PerUserAuth,
    Value,
)

SESSION_HEADER: Final = "mcp-session-id"
_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}
    | {SESSION_HEADER, "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"}
)


@dataclass(frozen=True, slots=True)
class _Referenced:
    """A value of the plan: a literal or a reference."""

    secrets: Secrets
    value: Value

    async def resolve(self) -> str:
        return await self.secrets.resolve(self.value)

    async def refresh(self, rejected: str) -> str:
        return await self.secrets.refresh(self.value, rejected)


class Credentials:
    """The headers that the plan declares for one server, made from the values of their sources.

    ``behalf`` is the caller whom the connection is for, where it is one caller's alone; ``egress`` says where token
    endpoints may lead. Raises ``SecretError`` where there is nothing to prove the mesh with: nothing is sent without it.
    """

    def __init__(
        self,
        transport: HttpTransport | OpenApiTransport,
        secrets: Secrets,
        behalf: Behalf | None = None,
        egress: Egress | None = None,
    ) -> None:
        self._own: OwnTokens | None = None
        self._values: dict[str, tuple[Callable[[str], str], Source]] = {
            name: (_as_it_is, _Referenced(secrets, value))
            for name, value in transport.headers.items()
            if name.lower() not in _OURS
        }
        match transport.auth:
            case None:
                pass
            case BearerAuth(token=token):
                self._values["Authorization"] = (_bearer, _Referenced(secrets, token))
            case HeaderAuth(name=name, value=value):
                self._values[name] = (_as_it_is, _Referenced(secrets, value))
            case BasicAuth(user=user, password=password):
                self._values["Authorization"] = (partial(_basic, user), _Referenced(secrets, password))
            case OAuthAuth() | ExchangeAuth() as auth:
                from meshplan.runtime.upstream.grants import token_source

                self._values["Authorization"] = (
                    _bearer,
                    token_source(auth, secrets, behalf, egress or Egress(), transport.url),
                )
            case PerUserAuth():
                if behalf is None or behalf.signed_in is None:
                    raise SecretError("each caller signs in to it, and nobody's request has no token (`service`)")
                self._values["Authorization"] = (_bearer, behalf.signed_in)
                self._own = behalf.signed_in

    async def resolve(self) -> dict[str, str]:
        """Header names and the values behind them, for the next request; raises ``SecretError``."""
        return {name: await source.resolve() for name, (_, source) in self._values.items()}

    async def refresh(self, rejected: dict[str, str]) -> dict[str, str]:
        """The same after a 401, equal to what was rejected where nothing newer is known; raises ``SecretError``."""
        return {name: await source.refresh(rejected[name]) for name, (_, source) in self._values.items()}

    async def widen(self, challenge: str) -> None:
        """After a 403 with this ``WWW-Authenticate``; raises ``SecretError`` where it is the caller who agreed to too little."""
        found = read_challenge(challenge) if self._own is not None else None
        if self._own is not None and found is not None and found.wants_more:
            await self._own.widen(found.scopes)

    def headers(self, resolved: dict[str, str]) -> dict[str, str]:
        """The headers that carry resolved values; raises ``SecretError``."""
        headers = {name: self._values[name][0](value) for name, value in resolved.items()}
        for name, text in headers.items():
            if not (text.isascii() and text.isprintable()):
                raise SecretError(f"the value for header `{name}` holds characters that a header cannot carry")
        return headers


def _as_it_is(value: str) -> str:
    return value


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
