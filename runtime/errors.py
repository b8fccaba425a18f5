"""JSON-RPC errors that callers see, with the reason code of each; the text never quotes a rule. Table: docs/errors.md."""

from __future__ import annotations

from math import ceil
from typing import Any, Literal

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
RESOURCE_NOT_FOUND_LEGACY = -32002

UPSTREAM_UNAVAILABLE = -31001
UPSTREAM_TIMEOUT = -31002
UNAUTHENTICATED = -31003
OVERLOADED = -31004
CLIENT_CANNOT_ANSWER = -31005
NOT_READY = -31006
QUARANTINED = -31007
RATE_LIMITED = -31008
OVER_BUDGET = -31009
SIGN_IN_REQUIRED = -31010
URL_ELICITATION_REQUIRED = -32042
"""MCP 2025-11-25, client/elicitation: URL Elicitation Required Error."""

LEDGER_FULL = "ledger_full"
"""The reason of a refusal that is not the caller's doing, and that is not recorded."""

Outcome = Literal[
    "ok",
    "tool_error",
    "denied",
    "unauthenticated",
    "invalid",
    "rate_limited",
    "over_budget",
    "quarantined",
    "overloaded",
    "upstream_error",
    "timeout",
    "cancelled",
    "input_required",
    "unknown",
]
"""How one attempt ended."""

OUTCOME_BY_CODE: dict[int, Outcome] = {
    UPSTREAM_UNAVAILABLE: "upstream_error",
    UPSTREAM_TIMEOUT: "timeout",
    UNAUTHENTICATED: "unauthenticated",
    OVERLOADED: "overloaded",
    NOT_READY: "denied",
    QUARANTINED: "quarantined",
    RATE_LIMITED: "rate_limited",
    OVER_BUDGET: "over_budget",
    SIGN_IN_REQUIRED: "input_required",
    URL_ELICITATION_REQUIRED: "input_required",
}
"""The outcome that an error of our own stands for; any other is ``invalid``."""


class RpcError(Exception):
    """An error response: JSON-RPC 2.0 section 5.1 (code, message, data)."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def body(self) -> dict[str, Any]:
        """The ``error`` member of a response."""
        return {"code": self.code, "message": self.message} | ({} if self.data is None else {"data": self.data})


class RefusedError(RpcError):
    """The mesh said no: ``why`` is the precise reason for the record, which the caller does not get to see."""

    def __init__(self, code: int, message: str, data: Any, why: str) -> None:
        super().__init__(code, message, data)
        self.why = why


class RelayedError(RpcError):
    """An error that the upstream itself answered with."""


def invalid(message: str, reason: str = "invalid_params") -> RpcError:
    """The caller's parameters cannot be used; ``message`` quotes only what the caller sent."""
    return RpcError(INVALID_PARAMS, message, {"reason": reason})


def unknown(what: str, name: str, why: str) -> RefusedError:
    """One answer for "not granted" and "does not exist", so that nobody can tell them apart."""
    return RefusedError(INVALID_PARAMS, f"Unknown {what}: {name}", {"reason": "not_available"}, why)


def not_allowed(what: str, name: str, why: str) -> RefusedError:
    """A listed capability, and arguments that the caller may not use with it."""
    return RefusedError(
        INVALID_PARAMS, f"Not allowed with these arguments: {what} {name}", {"reason": "not_allowed"}, why
    )


def unknown_resource(uri: str, why: str, *, legacy: bool) -> RefusedError:
    """As ``unknown``, for a URI; 2026-07-28 says invalid params, older revisions have a code of their own."""
    code = RESOURCE_NOT_FOUND_LEGACY if legacy else INVALID_PARAMS
    return RefusedError(code, "Resource not found", {"uri": uri, "reason": "not_available"}, why)


def unavailable(server: str, reason: str, retry_after: float | None = None) -> RpcError:
    """The upstream cannot be reached; ``retry_after`` is in seconds."""
    data: dict[str, Any] = {"reason": "upstream_unavailable", "server": server}
    data |= {} if retry_after is None else {"retry_after": ceil(retry_after)}
    return RpcError(UPSTREAM_UNAVAILABLE, f"server `{server}` is unavailable: {reason}", data)


def timed_out(server: str, seconds: float) -> RpcError:
    """The upstream took too long."""
    data = {"reason": "upstream_timeout", "server": server}
    return RpcError(UPSTREAM_TIMEOUT, f"server `{server}` did not answer within {seconds:g} s", data)


def unauthenticated() -> RpcError:
    """The credential is not, or no longer, valid."""
    return RpcError(UNAUTHENTICATED, "the credential is not valid", {"reason": "unauthenticated"})


def insufficient_scope() -> RpcError:
    """A good token that lacks a scope; which, the challenge says."""
    return RpcError(UNAUTHENTICATED, "the token lacks a scope that is needed here", {"reason": "insufficient_scope"})


def issuer_unavailable() -> RpcError:
    """The keys of a token's issuer are not known, so the token can be neither accepted nor refused."""
    return RpcError(NOT_READY, "the issuer of the token cannot be asked for its keys", {"reason": "issuer_unavailable"})


def overloaded(limit: int) -> RpcError:
    """The caller has too many requests under way."""
    return RpcError(OVERLOADED, f"more than {limit} requests at once", {"reason": "overloaded", "limit": limit})


def upstream_overloaded(server: str, limit: int) -> RpcError:
    """A server has as many calls under way as it may, and those that wait for their turn are too many or too slow."""
    data = {"reason": "upstream_overloaded", "server": server, "limit": limit}
    return RpcError(OVERLOADED, f"server `{server}` has {limit} calls under way, and more wait", data)


def ledger_full() -> RpcError:
    """What is done could not be recorded, so it is not done."""
    return RpcError(OVERLOADED, "the ledger cannot be written fast enough", {"reason": LEDGER_FULL})


def budget_exceeded(name: str, unit: str, window: str, retry_after: int | None, *, rate: bool) -> RpcError:
    """A budget that the caller is in has no room; ``retry_after`` is in seconds, ``None``: it never will have.

    ``rate``: it bounds how fast calls come, and not how much is spent.
    """
    code, reason = (RATE_LIMITED, "rate_limited") if rate else (OVER_BUDGET, "over_budget")
    data = {"reason": reason, "budget": name, "unit": unit, "window": window}
    if retry_after is None:
        return RpcError(code, f"one call is more than all of the budget `{name}`", data)
    message = f"the budget `{name}` has no room for this call within this {window}"
    return RpcError(code, message, {**data, "retry_after": retry_after})


def refusal_headers(error: RpcError) -> dict[str, str]:
    """``Retry-After`` (RFC 9110 10.2.3) where coming back helps."""
    if error.code in (RATE_LIMITED, OVER_BUDGET):
        seconds = error.data.get("retry_after")
        return {} if seconds is None else {"retry-after": str(seconds)}
    return {"retry-after": "1"} if error.code == OVERLOADED else {}


def cannot_answer(method: str) -> RpcError:
    """A server asks for something that this client did not declare, or cannot be asked here."""
    data = {"reason": "client_capability", "method": method}
    return RpcError(CLIENT_CANNOT_ANSWER, f"the server asks for `{method}`, which this client does not offer", data)


def quarantined(difference: str) -> RpcError:
    """The capability is not what was reviewed: its server changed it, or offers it no more."""
    data = {"reason": "quarantined", "difference": difference}
    return RpcError(QUARANTINED, "the server has changed this since it was reviewed", data)


def sign_in_required(server: str, url: str | None, *, declined: bool = False) -> RpcError:
    """The caller has to sign in to a server, at ``url``; ``None`` where nobody could prove to be this caller there."""
    if declined:
        why = "and that was declined"
    else:
        why = "and this mesh has no way to let this caller do so" if url is None else f"open {url}"
    data = {"reason": "sign_in_required", "server": server} | ({} if url is None else {"url": url})
    return RpcError(SIGN_IN_REQUIRED, f"server `{server}` wants you to sign in once: {why}", data)


def elicitation_required(message: str, question: dict[str, Any]) -> RpcError:
    """The same for a client of 2025-11-25 that opens links for its user."""
    return RpcError(URL_ELICITATION_REQUIRED, message, {"reason": "sign_in_required", "elicitations": [question]})


def not_ready() -> RpcError:
    """No plan is active, so everything is denied."""
    return RpcError(NOT_READY, "no plan is active", {"reason": "no_plan"})


def method_not_found(method: str) -> RpcError:
    """A method that this endpoint does not serve to this client."""
    return RpcError(METHOD_NOT_FOUND, "Method not found", {"method": method[:200]})
