"""The headers that a plan declares for one HTTP server, made from the values of their references."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Final

from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.schemas.plan import BasicAuth, BearerAuth, HeaderAuth, HttpTransport, Value

SESSION_HEADER: Final = "mcp-session-id"
_OURS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "transfer-encoding"}
    | {SESSION_HEADER, "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id"}
)


class Credentials:
    """The headers that the plan declares for one server, made from the values of their references.

    Raises ``SecretError`` for a kind of authentication that is not implemented: nothing is sent without it.
    """

    def __init__(self, transport: HttpTransport, secrets: Secrets) -> None:
        self._secrets = secrets
        self._values: dict[str, tuple[Callable[[str], str], Value]] = {}
        self._values |= {name: (_as_it_is, v) for name, v in transport.headers.items() if name.lower() not in _OURS}
        match transport.auth:
            case None:
                pass
            case BearerAuth(token=token):
                self._values["Authorization"] = (_bearer, token)
            case HeaderAuth(name=name, value=value):
                self._values[name] = (_as_it_is, value)
            case BasicAuth(user=user, password=password):
                self._values["Authorization"] = (partial(_basic, user), password)
            case other:
                raise SecretError(f"authentication of kind `{other.kind}` is not implemented")

    async def resolve(self) -> dict[str, str]:
        """Header names and the values behind them, for the next request; raises ``SecretError``."""
        return {name: await self._secrets.resolve(value) for name, (_, value) in self._values.items()}

    async def refresh(self, rejected: dict[str, str]) -> dict[str, str]:
        """The same after a 401, equal to what was rejected where nothing newer is known; raises ``SecretError``."""
        return {name: await self._secrets.refresh(value, rejected[name]) for name, (_, value) in self._values.items()}

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
