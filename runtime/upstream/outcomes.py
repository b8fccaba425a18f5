"""What came of a request: the server's result, its own error, or why there is none; pure."""

from __future__ import annotations

from typing import Any

from meshplan.runtime.upstream import sdk
from meshplan.runtime.upstream.exchange import Exchange
from meshplan.runtime.upstream.failures import ProtocolMismatch, SessionLost, Unavailable
from meshplan.runtime.upstream.port import UpstreamFailure, UpstreamRefusal, UpstreamRequest, UpstreamTimeout


def explained(exchange: Exchange, error: sdk.MCPError) -> UpstreamFailure:
    """The failure behind an error of the SDK's: the HTTP layer may know better, and the SDK makes some up."""
    reason = sdk.synthesised(error)
    if exchange.failure is not None:
        return exchange.failure
    if reason is not None:
        kind = ProtocolMismatch if error.code == sdk.PARSE_ERROR else Unavailable
        return kind(reason, sent=True)
    return UpstreamRefusal(error.code, error.message, error.data)


def settled(exchange: Exchange, request: UpstreamRequest | None = None) -> dict[str, Any]:
    """The result of an exchange that is over; raises ``UpstreamFailure``."""
    outcome = exchange.outcome
    if isinstance(outcome, dict):
        return outcome
    if request is not None and outcome is None:
        raise UpstreamTimeout(f"no answer to `{request.method}` within {request.timeout:g} s")
    if (
        request is not None
        and isinstance(outcome, UpstreamRefusal)
        and outcome.code == sdk.UNSUPPORTED_PROTOCOL_VERSION
    ):
        raise SessionLost("the server no longer speaks the protocol version that was agreed")
    raise outcome or UpstreamTimeout("no answer")
