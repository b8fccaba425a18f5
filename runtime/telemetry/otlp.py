"""Sends spans and metrics to an OpenTelemetry collector over OTLP/HTTP, where OTEL_EXPORTER_OTLP_ENDPOINT names one."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from meshplan.runtime.record import Say, new_id
from meshplan.runtime.snapshot import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider

    from meshplan.runtime.telemetry.port import Tracer

FLUSH: Final = 5.0
"""Seconds that a collector gets for the last spans when the runtime ends."""
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SIGNALS: Final = ("TRACES", "METRICS")


def wanted(environ: Mapping[str, str]) -> frozenset[str]:
    """The signals that are to be sent, as the variables of the OpenTelemetry specification say."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    return frozenset(
        signal
        for signal in _SIGNALS
        if (environ.get(_ENDPOINT) or environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))
        and environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() == "otlp"
    )


@asynccontextmanager
async def open_tracer(environ: Mapping[str, str], say: Say, transport: str = "tcp") -> AsyncGenerator[Tracer | None]:
    """What spans are made with; ``None`` where nobody collects them, and where the SDK is not installed."""
    signals = wanted(environ)
    if not signals:
        yield None
        return
    try:
        from meshplan.runtime.telemetry.spans import SdkTracer, instruments

        traces, metrics = providers(signals)
    except ImportError as error:
        say("telemetry_off", {"reason": f"{error}", "help": "pip install 'meshplan[otel]'"})
        yield None
        return
    say("telemetry", {"signals": sorted(signal.lower() for signal in signals)})
    try:
        made = instruments(metrics.get_meter("meshplan", VERSION))
        yield SdkTracer(traces.get_tracer("meshplan", VERSION), made, transport)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(close, traces, metrics)


def providers(signals: frozenset[str]) -> tuple[TracerProvider, MeterProvider]:
    """Not the global ones: the MCP SDK would make spans of its own with those."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.version": VERSION, "service.instance.id": new_id()}
    # Whoever runs it names it: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win.
    resource = Resource({"service.name": "meshplan", **named}).merge(OTELResourceDetector().detect())
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    if "TRACES" in signals:
        traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    readers = [PeriodicExportingMetricReader(OTLPMetricExporter())] if "METRICS" in signals else []
    return traces, MeterProvider(readers, resource, shutdown_on_exit=False)


def close(traces: TracerProvider, metrics: MeterProvider) -> None:
    """Send what waits; a collector that does not answer holds nobody up."""

    def shut_down() -> None:
        traces.shutdown()
        metrics.shutdown()

    ending = threading.Thread(target=shut_down, name="telemetry", daemon=True)
    ending.start()
    ending.join(FLUSH)
