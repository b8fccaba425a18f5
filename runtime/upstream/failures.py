"""Why an upstream cannot be reached, in finer kinds than callers of ``port`` need."""

from __future__ import annotations

from typing import Literal

from meshplan.runtime.secrets import SecretError, SignInRequiredError
from meshplan.runtime.upstream.port import UpstreamUnavailable

Kind = Literal["unreachable", "timeout", "secret", "protocol"]


class Unavailable(UpstreamUnavailable):
    """An ``UpstreamUnavailable`` that says which kind it is."""

    kind: Kind = "unreachable"

    def again(self) -> Unavailable:
        """A copy for one more caller: an exception that many tasks raise grows a traceback for each."""
        return type(self)(self.reason, sent=self.sent)


class SlowToConnect(Unavailable):
    """The server is there, perhaps, but has not finished connecting."""

    kind = "timeout"


class SecretUnavailable(Unavailable):
    """A credential or variable that the server needs cannot be resolved."""

    kind = "secret"


class SignInWanted(SecretUnavailable):
    """The caller has not signed in to the server, or not any more, or not for ``scopes``."""

    def __init__(self, reason: str, scopes: tuple[str, ...] = (), *, sent: bool = False) -> None:
        super().__init__(reason, sent=sent)
        self.scopes = scopes

    def again(self) -> SignInWanted:
        """See ``Unavailable``."""
        return SignInWanted(self.reason, self.scopes, sent=self.sent)


class ProtocolMismatch(Unavailable):
    """The server answered something that is not the MCP we know."""

    kind = "protocol"


class SessionLost(Unavailable):
    """The connection ended before the request was executed: sending it once more on a new one is safe."""


def secret_failure(error: SecretError) -> SecretUnavailable:
    """The failure of a request that could not be sent for want of a credential."""
    if isinstance(error, SignInRequiredError):
        return SignInWanted(str(error), error.scopes)
    return SecretUnavailable(str(error))
