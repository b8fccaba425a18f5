"""Spans and metrics of OpenTelemetry's conventions for MCP, made with its SDK; imported only where they are collected."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

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
from opentelemetry.util.types import AttributeValue

from meshplan.runtime.call import Call
from meshplan.runtime.record import Attempt
from meshplan.runtime.shapes import members
from meshplan.runtime.targets import Trace
from meshplan.runtime.telemetry.context import HEADERS, TRACEPARENT, TRACESTATE, Parent, parent_in, parent_of
from meshplan.runtime.telemetry.port import CallSpan
from meshplan.runtime.telemetry.telemetry import known_method
from meshplan.runtime.upstream.port import Upstream, UpstreamRequest
from meshplan.schemas.plan import HttpTransport, OpenApiTransport, Server

BOUNDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Seconds, as the conventions want them."""
_LONGEST: Final = 256
"""Characters of what a caller made up."""
_FINE: Final = frozenset({"ok", "input_required"})
_SERVER_SAID: Final = frozenset({"ok", "input_required", "tool_error"})
_EMPTY: Final = Context()

Attributes = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Instruments:
    """The histograms of the conventions."""

    server: Histogram
    client: Histogram
    session: Histogram


def instruments(meter: Meter) -> Instruments:
    """Make them, with the buckets of the conventions."""

    def histogram(name: str, about: str) -> Histogram:
        return meter.create_histogram(name, "s", about, explicit_bucket_boundaries_advisory=BOUNDS)

    return Instruments(
        histogram("mcp.server.operation.duration", "From a client's request to its answer."),
        histogram("mcp.client.operation.duration", "From a request to a server to its answer."),
        histogram("mcp.server.session.duration", "From initialize to the end of a client's session."),
    )


@dataclass(frozen=True, slots=True)
class SdkTracer:
    """See ``port.Tracer``; ``transport`` is what clients come by: tcp or pipe."""

    tracer: Tracer
    instruments: Instruments
    transport: str

    def began(self, call: Call, parent: CallSpan | None) -> SdkSpan:
        """See ``port.Tracer``: the parent is the attempt that made this one, what ``_meta`` says, or the HTTP request."""
        attributes = _of_request(call.method, call.params) | _of_transport(self.transport)
        if call.version is not None:
            attributes["mcp.protocol.version"] = call.version
        if isinstance(parent, SdkSpan):
            context, links, kind = set_span_in_context(parent.span, _EMPTY), [], SpanKind.INTERNAL
        else:
            context, links = _origin(call)
            kind = SpanKind.SERVER
            if call.request_id is not None:
                attributes["jsonrpc.request.id"] = str(call.request_id)[:_LONGEST]
            if call.session is not None:
                attributes["mcp.session.id"] = call.session
        named = attributes | {"mesh.endpoint": call.endpoint[:_LONGEST]}
        span = self.tracer.start_span(_name(call.method, attributes), context, kind, named, links)
        return SdkSpan(self, span, attributes)

    def session_ended(self, version: str, seconds: float) -> None:
        """See ``port.Tracer``."""
        self.instruments.session.record(seconds, _of_transport(self.transport) | {"mcp.protocol.version": version})


@dataclass(slots=True)
class SdkSpan:
    """See ``port.CallSpan``: ``span`` of what the client asked, ``client`` of what was asked of the server."""

    made: SdkTracer
    span: Span
    attributes: Attributes
    client: Span | None = None
    sent: int = 0
    client_attributes: Attributes = field(default_factory=dict[str, AttributeValue])

    @property
    def trace_id(self) -> str:
        """See ``port.CallSpan``."""
        return f"{self.span.get_span_context().trace_id:032x}"

    def sending(self, request: UpstreamRequest, server: Server, upstream: Upstream) -> None:
        """See ``port.CallSpan``."""
        found = _of_request(request.method, request.params) | _of_server(server)
        version = upstream.health().protocol_version
        if version is not None:
            found["mcp.protocol.version"] = version
        self.sent, self.client_attributes = time.time_ns(), found
        context = set_span_in_context(self.span, _EMPTY)
        name = _name(request.method, found)
        self.client = self.made.tracer.start_span(name, context, SpanKind.CLIENT, found, start_time=self.sent)
        request.params = _carrying(request.params, self.client.get_span_context())

    def ended(self, attempt: Attempt, trace: Trace) -> None:
        """See ``port.CallSpan``."""
        outcome = attempt.outcome
        error = _error(outcome, None if outcome in _SERVER_SAID else trace.code)
        own: Attributes = {"mesh.decision": attempt.decision, "mesh.outcome": outcome}
        for name, value in (("plan", attempt.plan), ("capability", attempt.capability), ("rule", attempt.rule)):
            if value is not None:
                own[f"mesh.{name}"] = value[:_LONGEST]
        self.span.set_attributes(own | error)
        _end(self.span, outcome, error)
        self.made.instruments.server.record(attempt.duration, _measured(self.attributes, attempt) | error)
        if self.client is not None and trace.upstream is not None:
            error = _error(outcome, trace.upstream_code)
            self.client.set_attributes(error)
            _end(self.client, outcome, error, self.sent + int(trace.upstream * 1e9))
            self.made.instruments.client.record(trace.upstream, _measured(self.client_attributes, attempt) | error)


def _name(method: str, attributes: Attributes) -> str:
    target = attributes.get("gen_ai.tool.name") or attributes.get("gen_ai.prompt.name")
    return method[:_LONGEST] if target is None else f"{method} {target}"


def _of_request(method: str, params: Mapping[str, Any]) -> Attributes:
    """What the conventions take from a request; a URI without its query, which may hold anything."""
    found: Attributes = {"mcp.method.name": method[:_LONGEST]}
    name, uri = params.get("name"), params.get("uri")
    if method == "tools/call":
        found["gen_ai.operation.name"] = "execute_tool"
    if isinstance(name, str) and method in ("tools/call", "prompts/get"):
        found["gen_ai.tool.name" if method == "tools/call" else "gen_ai.prompt.name"] = name[:_LONGEST]
    if isinstance(uri, str) and method in ("resources/read", "resources/subscribe"):
        found["mcp.resource.uri"] = _plain(uri)
    return found


def _plain(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "", ""))[:_LONGEST]


def _of_transport(transport: str) -> Attributes:
    found: Attributes = {"network.transport": transport}
    return found if transport == "pipe" else {**found, "network.protocol.name": "http"}


@lru_cache(1024)
def _place(url: str) -> tuple[tuple[str, AttributeValue], ...]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return ("server.address", parts.hostname or ""), ("server.port", port)


def _of_server(server: Server) -> Attributes:
    transport = server.transport
    if isinstance(transport, HttpTransport | OpenApiTransport):
        return {**_of_transport("tcp"), **dict(_place(transport.url))}
    return _of_transport("pipe")


def _error(outcome: str, code: int | None) -> Attributes:
    if code is not None:
        return {"error.type": str(code), "rpc.response.status_code": str(code)}
    return {} if outcome in _FINE else {"error.type": outcome}


def _end(span: Span, outcome: str, error: Attributes, at: int | None = None) -> None:
    if error:
        span.set_status(Status(StatusCode.ERROR, outcome))
    span.end(at)


def _measured(attributes: Attributes, attempt: Attempt) -> Attributes:
    """Of a span's attributes those that are bounded in number: names count where they led to a capability."""
    kept = {
        name: value
        for name, value in attributes.items()
        if name not in _UNBOUNDED and (attempt.capability is not None or name not in _NAMES)
    }
    return kept | {"mcp.method.name": known_method(attempt.method)}


_NAMES: Final = frozenset({"gen_ai.tool.name", "gen_ai.prompt.name"})
_UNBOUNDED: Final = frozenset({"mcp.resource.uri", "mcp.session.id", "jsonrpc.request.id"})


def _origin(call: Call) -> tuple[Context, list[Link]]:
    """Where a client's request comes from, and a link to the HTTP request where that says something else."""
    said, around = parent_in(call.params), parent_of(HEADERS.get())
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
