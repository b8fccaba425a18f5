"""Spans and metrics of a runtime in the test's own process, as its exporter would get them."""

import json

from collector import Span
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from meshplan.runtime.telemetry.spans import SdkTracer, instruments


class Memory:
    """Collects; ``tracer`` is what a runtime makes spans with."""

    def __init__(self):
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        meter = MeterProvider([self.reader], shutdown_on_exit=False).get_meter("test")
        self.tracer = SdkTracer(traces.get_tracer("test"), instruments(meter), "tcp")

    @property
    def spans(self):
        return [_read(span) for span in self.exporter.get_finished_spans()]

    @property
    def points(self):
        """(metric, attributes, count) of each series."""
        found = self.reader.get_metrics_data()
        return [
            (metric.name, dict(point.attributes), point.count)
            for of_resource in (found.resource_metrics if found else ())
            for scope in of_resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]

    def text(self):
        """Everything that would leave, as text."""
        return json.dumps([[span.to_json() for span in self.exporter.get_finished_spans()], self.points])


def _read(span):
    parent = "" if span.parent is None else f"{span.parent.span_id:016x}"
    return Span(
        span.name,
        span.kind.name.lower(),
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
        parent,
        dict(span.attributes),
        [(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in span.links],
        "",
        span.status.description if span.status.status_code.name == "ERROR" else None,
        (span.end_time - span.start_time) / 1e9,
    )
