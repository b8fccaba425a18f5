"""What the rest of the runtime asks of an upstream, and how an upstream may fail; knows no transport and no era."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from meshplan.schemas.plan import Server

import msgspec

from meshplan.runtime.correspondents import Whose

OnNotify = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Gets (method, params) of a notification that belongs to one running request."""

OnAsk = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Answers (method, params) that the server asks in the middle of a request; raises ``UpstreamRefusal`` for no answer."""

OnUpdate = Callable[[str], None]
"""Gets the upstream's URI of a resource that changed, the subscribed one or one below it; must not block."""


@dataclass(frozen=True, slots=True)
class Client:
    """Whose session a request belongs to, at a server that has one session a client.

    ``name`` tells the clients of one principal (``owner``: issuer, sub) apart; ``capabilities`` is the JSON of what the
    server is told of the client. ``alone``: no two requests share the session at a time, so that whatever the server
    asks belongs to one of them.
    """

    owner: tuple[str, str]
    name: str
    capabilities: str = "{}"
    alone: bool = False


OnTask = Callable[[dict[str, Any]], None]
"""Gets what a server says of a task, as ``tasks/get`` would; must not block."""


class Source(Protocol):
    """Where the value of a header comes from."""

    async def resolve(self) -> str:
        """The value for the next request; raises ``SecretError``."""
        ...

    async def refresh(self, rejected: str) -> str:
        """The value after the server rejected one; the same where nothing newer is known. Raises ``SecretError``."""
        ...


class OwnTokens(Source, Protocol):
    """The tokens of a caller who signed in to a server."""

    async def widen(self, scopes: tuple[str, ...]) -> NoReturn:
        """After the server said that a token does not go as far as these scopes; always raises ``SecretError``."""
        ...


@dataclass(slots=True)
class Behalf:
    """The caller whom a request is for: (issuer, sub), and its own verified token, if it came with one.

    The token goes to a declared authorization server, to be exchanged, and nowhere else. ``signed_in`` gives the tokens
    of a caller who signed in to the server.
    """

    owner: tuple[str, str]
    token: str | None = field(default=None, repr=False)
    signed_in: OwnTokens | None = field(default=None, repr=False, compare=False)


class Sends(Protocol):
    """Hears of each time that a request is sent, the first time and again."""

    def sending(self, request: UpstreamRequest, server: Server, upstream: Upstream, replica: int = 0) -> None:
        """It leaves: it says, instead of what the caller said, which span it belongs to."""
        ...

    def missed(self, failure: UpstreamFailure) -> None:
        """It got no answer that way."""
        ...

    def unsent(self) -> None:
        """It did not leave after all."""
        ...


@dataclass(frozen=True, slots=True)
class FollowedTask:
    """A task by its server's own id, with the client and the caller whose session or connection it was started in."""

    id: str
    client: Client | None = None
    behalf: Behalf | None = None


class UpstreamRequest(msgspec.Struct):
    """One request to forward, as MCP 2026-07-28 spells it: the adapter translates for older upstreams.

    ``params`` carries no protocol keys in ``_meta`` but may carry the caller's own; ``headers`` are the
    ``Mcp-Param-*`` ones, regenerated from the decided arguments. ``timeout`` is seconds for the whole request.
    ``client_capabilities`` are what the calling client declared (an older, shared upstream session declares none).
    ``wants_progress`` asks for ``notifications/progress``, delivered with the caller's token left to the caller.
    ``repeatable``: running it twice does no harm; ``before_retry`` is called then, and raises where the plan says no.
    ``on_ask`` answers what an older server asks in the session of ``client``; the time that takes is not counted.
    ``whose`` is the client that hears when its user is done with a link, also after the response.
    ``sends`` hears of every try, where a trace is kept.
    """

    method: str
    params: dict[str, Any]
    timeout: float
    headers: Mapping[str, str] = {}
    client_capabilities: Mapping[str, Any] = {}
    client_info: Mapping[str, Any] | None = None
    log_level: str | None = None
    wants_progress: bool = False
    on_notify: OnNotify | None = None
    client: Client | None = None
    on_ask: OnAsk | None = None
    behalf: Behalf | None = None
    repeatable: bool = False
    before_retry: Callable[[], None] | None = None
    whose: Whose | None = None
    sends: Sends | None = None


class UpstreamFailure(Exception):
    """Root of everything that can go wrong upstream.

    UpstreamFailure
    ├── UpstreamRefusal      the server answered with a JSON-RPC error: code and data are its own
    ├── UpstreamUnavailable  not connected: cannot be reached, did not start, or went away before answering
    └── UpstreamTimeout      no answer within the request's timeout
    """


class UpstreamRefusal(UpstreamFailure):
    """A JSON-RPC error of the upstream, to be relayed as it is."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


class UpstreamUnavailable(UpstreamFailure):
    """The upstream cannot be reached; the text says why and holds no secret. ``sent``: the request may have left.

    ``retry_after``: seconds until it is worth another try, where that is known.
    """

    def __init__(self, reason: str, *, sent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.sent, self.retry_after = reason, sent, retry_after


class UpstreamTimeout(UpstreamFailure):
    """The upstream did not answer in time."""


@dataclass(frozen=True, slots=True)
class Health:
    """What ``/status`` says of one upstream: state, negotiated protocol version, and the last failure's text.

    ``sessions`` counts those of single clients, ``refused_asks`` the requests of the server that nobody could be asked.
    ``breaker`` is closed, open or half_open; ``members`` are the server and its replicas, in the order of the plan.
    """

    state: str
    protocol_version: str | None
    error: str | None
    sessions: int = 0
    refused_asks: int = 0
    breaker: str | None = None
    members: tuple[Health, ...] = ()


class Upstream(Protocol):
    """One connected, connecting or failing upstream; safe for concurrent requests."""

    def request(self, request: UpstreamRequest) -> Awaitable[dict[str, Any]]:
        """Forward one request and return its raw result, unknown fields included; raises ``UpstreamFailure``.

        Cancelling the awaiting task cancels the upstream request in the upstream's own way.
        """
        ...

    def forward(self, request: UpstreamRequest) -> Awaitable[dict[str, Any] | bytes]:
        """As ``request``; where the upstream's own text is at hand, that: a JSON object on one line."""
        ...

    def subscribe(self, uri: str, on_update: OnUpdate) -> AbstractAsyncContextManager[None]:
        """Hear of updates of one resource (the upstream's own URI) while the context is open.

        Entering waits until the upstream has agreed, and raises ``UpstreamFailure`` where it does not; a connection
        that is replaced meanwhile is subscribed again. Several callers may share one subscription upstream.
        """
        ...

    def follow(self, task: FollowedTask, on_task: OnTask) -> AbstractAsyncContextManager[None]:
        """Hear what becomes of a task while the context is open; otherwise as ``subscribe``."""
        ...

    def health(self) -> Health:
        """The state right now."""
        ...
