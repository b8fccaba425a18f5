"""What this runtime can enforce: a plan that asks for anything else is refused, never served with that part ignored."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meshplan.schemas.budgets import is_cap
from meshplan.schemas.plan import (
    Budget,
    ExchangeAuth,
    HttpTransport,
    OpenApiTransport,
    PerUserAuth,
    Plan,
    Server,
    StdioTransport,
)


def unsupported(plan: Plan) -> str | None:
    """The first part of a plan that this runtime would not enforce, as text for operators."""
    return next(_parts(plan), None)


def _parts(plan: Plan) -> Iterator[str]:
    for name, server in plan.servers.items():
        yield from (f"{part} of server `{name}`" for part in _server(server))
    yield from (f"the budget `{name}`{why}" for name, budget in plan.budgets.items() if (why := _budget(plan, budget)))
    asked = {
        "bindings": plan.bindings,
        "workflows": plan.workflows,
    }
    yield from (f"`{name}`" for name, value in asked.items() if value)


def _budget(plan: Plan, budget: Budget) -> str | None:
    try:
        ZoneInfo(budget.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return f": the time zone `{budget.zone}` is not known on this machine"
    if is_cap(budget) and plan.runtime.ledger is None and plan.runtime.counters is None:
        return " without `runtime.ledger`: a restart would forget what was spent"
    return None


def _server(server: Server) -> Iterator[str]:
    transport = server.transport
    if not isinstance(transport, HttpTransport | OpenApiTransport | StdioTransport):
        yield f"the transport `{transport.kind}`"
    elif isinstance(transport, OpenApiTransport):
        if isinstance(transport.auth, ExchangeAuth | PerUserAuth):
            yield f"the authentication `{transport.auth.kind}`"
    elif isinstance(transport, HttpTransport):
        on_behalf = isinstance(transport.auth, ExchangeAuth | PerUserAuth)
        yield from ("the sessions",) if on_behalf and server.sessions != "shared" else ()
