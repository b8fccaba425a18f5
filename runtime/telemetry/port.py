"""What the way in asks of spans, whoever collects them; knows no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from meshplan.runtime.call import Call
    from meshplan.runtime.record import Attempt
    from meshplan.runtime.targets import Trace
    from meshplan.runtime.upstream.port import Upstream, UpstreamRequest
    from meshplan.schemas.plan import Server


class CallSpan(Protocol):
    """One attempt in a trace: a span for the client's request, and one for the server's."""

    @property
    def trace_id(self) -> str:
        """The trace id in hex."""
        ...

    def sending(self, request: UpstreamRequest, server: Server, upstream: Upstream) -> None:
        """The request leaves: it says, instead of what the caller said, which span it belongs to."""
        ...

    def ended(self, attempt: Attempt, trace: Trace) -> None:
        """The attempt has ended."""
        ...


class Tracer(Protocol):
    """Begins spans, and sends what has ended to a collector."""

    def began(self, call: Call, parent: CallSpan | None) -> CallSpan:
        """An attempt begins; ``parent`` is the attempt that made it, where a strategy did."""
        ...

    def session_ended(self, version: str, seconds: float) -> None:
        """A client's session has ended."""
        ...
