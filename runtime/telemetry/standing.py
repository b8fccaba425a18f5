"""Sends how budgets stand to an OpenTelemetry collector; once for a runtime, whichever process counts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread

from meshplan.runtime.snapshot import VERSION
from meshplan.runtime.telemetry.otlp import close, providers, wanted

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

    from meshplan.runtime.budget.gauges import Gauge

Look = Callable[[], "list[Gauge]"]


@asynccontextmanager
async def send_standing(environ: Mapping[str, str], look: Look) -> AsyncGenerator[None]:
    """Send what ``look`` says, in this event loop, whenever metrics are sent; nothing where nobody collects them."""
    signals = wanted(environ) & {"METRICS"}
    try:
        made = providers(signals) if signals else None
    except ImportError:
        made = None  # `open_tracer` has said so
    if made is None:
        yield
        return
    _observe(made[1].get_meter("meshplan", VERSION), partial(_asked, look, anyio.lowlevel.current_token()))
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(close, *made)


def _asked(look: Look, token: Any) -> list[Gauge]:
    """From the exporter's thread; nothing once the event loop has ended."""
    try:
        return anyio.from_thread.run_sync(look, token=token)
    except RuntimeError:
        return []


def _observe(meter: Meter, look: Look) -> None:
    from opentelemetry.metrics import Observation

    def limits(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(one.limit, _named(one)) for one in look()]

    def usage(_: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(amount, {**_named(one), "mesh.budget.scope": scope})
            for one in look()
            for scope, amount in one.usage.items()
        ]

    def utilization(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(one.utilization, _named(one)) for one in look()]

    meter.create_observable_gauge("mesh.budget.limit", [limits], "", "What may be used of a budget in a window.")
    meter.create_observable_gauge("mesh.budget.usage", [usage], "", "What is used of it in the window that runs now.")
    about = "How much of its limit the fullest counter of a budget has used."
    meter.create_observable_gauge("mesh.budget.utilization", [utilization], "1", about)


def _named(one: Gauge) -> dict[str, str]:
    return {"mesh.budget.name": one.budget, "mesh.budget.unit": one.unit, "mesh.budget.window": one.window}
