"""Spans and metrics of OpenTelemetry's conventions for MCP, made with its SDK; imported only where they are collected."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from meshplan.runtime.call import Call
from meshplan.runtime.record import Attempt
from meshplan.runtime.shapes import members
from meshplan.runtime.targets import Trace
from meshplan.runtime.telemetry.asked import Asked
from meshplan.runtime.telemetry.attributes import (
    LONGEST,
    Attributes,
    measured,
    name_of,
    of_error,
    of_message,
    of_request,
    of_server,
    of_transport,
)
from meshplan.runtime.telemetry.context import HEADERS, TRACEPARENT, TRACESTATE, Parent, parent_in, parent_of
from meshplan.runtime.telemetry.port import CallSpan
from meshplan.runtime.upstream.port import Upstream, UpstreamFailure, UpstreamRequest, UpstreamTimeout
from meshplan.schemas.plan import Server, Transport

BOUNDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Seconds, as the conventions want them."""
_SERVER_SAID: Final = frozenset({"ok", "input_required", "tool_error"})
_EMPTY: Final = Context()


@dataclass(frozen=True, slots=True)
class Instruments:
    """The histograms of the conventions."""

    server: Histogram
    client: Histogram
    server_session: Histogram
    client_session: Histogram


def instruments(meter: Meter) -> Instruments:
    """Make them, with the buckets of the conventions."""

    def histogram(name: str, about: str) -> Histogram:
        return meter.create_histogram(name, "s", about, explicit_bucket_boundaries_advisory=BOUNDS)

    return Instruments(
        histogram("mcp.server.operation.duration", "From a client's request to its answer."),
        histogram("mcp.client.operation.duration", "From a request to a server to its answer."),
        histogram("mcp.server.session.duration", "From initialize to the end of a client's session."),
        histogram("mcp.client.session.duration", "From initialize to the end of a session at a server."),
    )


@dataclass(frozen=True, slots=True)
class SdkTracer:
    """See ``port.Tracer``; ``transport`` is what clients come by: tcp or pipe."""

    tracer: Tracer
    instruments: Instruments
    transport: str

    def began(self, call: Call, parent: CallSpan | None) -> SdkSpan:
        """See ``port.Tracer``: the parent is the attempt that made this one, what ``_meta`` says, or the HTTP request."""
        attributes = of_request(call.method, call.params) | of_transport(self.transport)
        if isinstance(parent, SdkSpan):
            context, links, kind = set_span_in_context(parent.span, _EMPTY), [], SpanKind.INTERNAL
            attributes |= of_message(call.version, None, None)
        else:
            context, links = _origin(call.params)
            kind = SpanKind.SERVER
            attributes |= of_message(call.version, call.session, call.request_id)
        named = attributes | {"mesh.endpoint": call.endpoint[:LONGEST]}
        span = self.tracer.start_span(name_of(attributes, known=True), context, kind, named, links)
        return SdkSpan(self, span, attributes)

    def answered(self, asked: Asked) -> None:
        """See ``port.Tracer``."""
        self._own(asked, *_origin(asked.params), {}, {})

    def turned_away(self, attempt: Attempt, asked: Asked, code: int | None) -> str:
        """See ``port.Tracer``: whoever has shown no credential gets into nobody's trace."""
        context, links = _origin(asked.params)
        if attempt.principal is None:
            around = parent_of(HEADERS.get())
            context, links = _EMPTY, [] if around is None else [Link(_context(around))]
        own: Attributes = {"mesh.decision": attempt.decision, "mesh.outcome": attempt.outcome}
        for name, value in (("plan", attempt.plan), ("reason", attempt.reason)):
            if value is not None:
                own[f"mesh.{name}"] = value[:LONGEST]
        return self._own(asked, context, links, own, of_error(attempt.outcome, code), attempt.outcome)

    def _own(
        self,
        asked: Asked,
        context: Context,
        links: list[Link],
        own: Attributes,
        error: Attributes,
        outcome: str = "",
    ) -> str:
        """The span of a request that is over and made no calls; returns its trace id."""
        seconds, now = time.monotonic() - asked.began, time.time_ns()
        attributes = of_request(asked.method, asked.params) | of_transport(self.transport)
        attributes |= of_message(asked.version, asked.session, asked.request_id)
        span = self.tracer.start_span(
            name_of(attributes, known=False),
            context,
            SpanKind.SERVER,
            {**attributes, "mesh.endpoint": asked.endpoint[:LONGEST], **own, **error},
            links,
            start_time=now - int(seconds * 1e9),
        )
        _end(span, outcome, error, now)
        self.instruments.server.record(seconds, measured(attributes, error, known=False))
        return f"{span.get_span_context().trace_id:032x}"

    def session_ended(self, version: str, seconds: float) -> None:
        """See ``port.Tracer``."""
        said = of_transport(self.transport) | of_message(version, None, None)
        self.instruments.server_session.record(seconds, said)

    def upstream_session_ended(self, transport: Transport, version: str, seconds: float, error: str | None) -> None:
        """See ``port.Tracer``."""
        said = of_server(transport) | of_message(version, None, None)
        self.instruments.client_session.record(seconds, said | ({} if error is None else {"error.type": error}))


@dataclass(slots=True)
class SdkSpan:
    """See ``port.CallSpan``: ``span`` of what the client asked, ``client`` of what is asked of the server right now.

    Times are nanoseconds since 1970: when the request left first, and when it left last.
    """

    made: SdkTracer
    span: Span
    attributes: Attributes
    client: Span | None = None
    first: int = 0
    sent: int = 0
    client_attributes: Attributes = field(default_factory=dict[str, str | int])

    @property
    def trace_id(self) -> str:
        """See ``port.CallSpan``."""
        return f"{self.span.get_span_context().trace_id:032x}"

    def sending(self, request: UpstreamRequest, server: Server, upstream: Upstream, replica: int = 0) -> None:
        """See ``port.CallSpan``; a span that stands for nothing that was sent is never ended, and so not exported."""
        found = of_request(request.method, request.params) | of_server(server.transport, replica)
        found |= of_message(upstream.health().protocol_version, None, None)
        again = self.sent != 0 and self.client is None
        self.sent, self.client_attributes = time.time_ns(), found
        self.first = self.first if again else self.sent
        context = set_span_in_context(self.span, _EMPTY)
        name = name_of(found, known=True)
        self.client = self.made.tracer.start_span(name, context, SpanKind.CLIENT, found, start_time=self.sent)
        request.params = _carrying(request.params, self.client.get_span_context())

    def missed(self, failure: UpstreamFailure) -> None:
        """See ``port.CallSpan``."""
        outcome = "timeout" if isinstance(failure, UpstreamTimeout) else "upstream_error"
        self._client_ended(outcome, of_error(outcome, None), time.time_ns())

    def unsent(self) -> None:
        """See ``port.CallSpan``."""
        self.client = None

    def ended(self, attempt: Attempt, trace: Trace) -> None:
        """See ``port.CallSpan``."""
        outcome, known = attempt.outcome, attempt.capability is not None
        error = of_error(outcome, None if outcome in _SERVER_SAID else trace.code)
        own: Attributes = {"mesh.decision": attempt.decision, "mesh.outcome": outcome}
        for name, value in (("plan", attempt.plan), ("capability", attempt.capability), ("rule", attempt.rule)):
            if value is not None:
                own[f"mesh.{name}"] = value[:LONGEST]
        self.span.set_attributes(own | error)
        if not known:
            self.span.update_name(name_of(self.attributes, known=False))
        _end(self.span, outcome, error)
        self.made.instruments.server.record(attempt.duration, measured(self.attributes, error, known=known))
        if trace.upstream is not None:
            error = of_error(outcome, trace.upstream_code, of_callers=False)
            self._client_ended(outcome, error, self.first + int(trace.upstream * 1e9))

    def _client_ended(self, outcome: str, error: Attributes, at: int) -> None:
        if self.client is None:
            return
        self.client.set_attributes(error)
        _end(self.client, outcome, error, at)
        self.client = None
        seconds = max(0, at - self.sent) / 1e9
        self.made.instruments.client.record(seconds, measured(self.client_attributes, error, known=True))


def _end(span: Span, outcome: str, error: Attributes, at: int | None = None) -> None:
    if "error.type" in error:
        span.set_status(Status(StatusCode.ERROR, outcome))
    span.end(at)


def _origin(params: Mapping[str, Any]) -> tuple[Context, list[Link]]:
    """Where a client's request comes from, and a link to the HTTP request where that says something else."""
    said, around = parent_in(params), parent_of(HEADERS.get())
    if said is None:
        return (_EMPTY if around is None else set_span_in_context(NonRecordingSpan(_context(around)), _EMPTY)), []
    apart = around is not None and (around.trace, around.span) != (said.trace, said.span)
    links = [Link(_context(around))] if around is not None and apart else []
    return set_span_in_context(NonRecordingSpan(_context(said)), _EMPTY), links


def _context(parent: Parent) -> SpanContext:
    state = TraceState.from_header([parent.state]) if parent.state else TraceState()
    return SpanContext(
        int(parent.trace, 16),
        int(parent.span, 16),
        is_remote=True,
        trace_flags=TraceFlags(parent.flags),
        trace_state=state,
    )


def _carrying(params: dict[str, Any], context: SpanContext) -> dict[str, Any]:
    """The params with our span in place of whatever the caller said."""
    meta = {k: v for k, v in (members(params.get("_meta")) or {}).items() if k not in (TRACEPARENT, TRACESTATE)}
    meta[TRACEPARENT] = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    if context.trace_state:
        meta[TRACESTATE] = context.trace_state.to_header()
    return {**params, "_meta": meta}
