"""What this runtime can enforce: a plan that asks for anything else is refused, never served with that part ignored."""

from __future__ import annotations

from collections.abc import Iterator

from meshplan.schemas.plan import (
    ExchangeAuth,
    HttpTransport,
    OpenApiTransport,
    Passthrough,
    PerUserAuth,
    Plan,
    Plugin,
    Search,
    Server,
    StdioTransport,
)


def unsupported(plan: Plan) -> str | None:
    """The first part of a plan that this runtime would not enforce, as text for operators."""
    return next(_parts(plan), None)


def _parts(plan: Plan) -> Iterator[str]:
    for name, endpoint in plan.endpoints.items():
        if not isinstance(endpoint.strategy, Passthrough | Plugin | Search):
            yield f"the strategy `{endpoint.strategy.kind}` of `{name}`"
    for name, server in plan.servers.items():
        yield from (f"{part} of server `{name}`" for part in _server(server))
    settings = plan.runtime
    asked = {
        "bindings": plan.bindings,
        "workflows": plan.workflows,
        "prices": plan.prices,
        "budgets": plan.budgets,
        "runtime.counters": settings.counters,
        "runtime.ledger.retention": settings.ledger is not None and settings.ledger.retention_ms,
        "runtime.ledger.arguments": settings.ledger is not None and settings.ledger.arguments,
        "runtime.ledger.results": settings.ledger is not None and settings.ledger.results,
    }
    yield from (f"`{name}`" for name, value in asked.items() if value)


def _server(server: Server) -> Iterator[str]:
    transport = server.transport
    if not isinstance(transport, HttpTransport | OpenApiTransport | StdioTransport):
        yield f"the transport `{transport.kind}`"
    elif isinstance(transport, OpenApiTransport):
        if isinstance(transport.auth, ExchangeAuth | PerUserAuth):
            yield f"the authentication `{transport.auth.kind}`"
    elif isinstance(transport, HttpTransport):
        if isinstance(transport.auth, PerUserAuth):
            yield f"the authentication `{transport.auth.kind}`"
        if isinstance(transport.auth, ExchangeAuth) and server.sessions != "shared":
            yield "the sessions"
