"""What the way in asks of spans, whoever collects them; knows no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from meshplan.runtime.upstream.port import Sends

if TYPE_CHECKING:
    from meshplan.runtime.call import Call
    from meshplan.runtime.record import Attempt
    from meshplan.runtime.targets import Trace
    from meshplan.runtime.telemetry.asked import Asked
    from meshplan.schemas.plan import Transport


class CallSpan(Sends, Protocol):
    """One attempt in a trace: a span for the client's request, and one for each time that it is sent to a server."""

    @property
    def trace_id(self) -> str:
        """The trace id in hex."""
        ...

    def ended(self, attempt: Attempt, trace: Trace) -> None:
        """The attempt has ended."""
        ...


class Tracer(Protocol):
    """Begins spans, and sends what has ended to a collector."""

    def began(self, call: Call, parent: CallSpan | None) -> CallSpan:
        """An attempt begins; ``parent`` is the attempt that made it, where a strategy did."""
        ...

    def answered(self, asked: Asked) -> None:
        """The mesh has answered a request itself, without a call."""
        ...

    def turned_away(self, attempt: Attempt, asked: Asked, code: int | None) -> str:
        """A request was refused before it became a call, by an error of this code; returns the trace id in hex."""
        ...

    def session_ended(self, version: str, seconds: float) -> None:
        """A client's session has ended."""
        ...

    def upstream_session_ended(self, transport: Transport, version: str, seconds: float, error: str | None) -> None:
        """A session at a server has ended, by an error of this kind."""
        ...
