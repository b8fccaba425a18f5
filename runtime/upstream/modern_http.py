"""One HTTP server of 2026-07-28 on a client of our own: results travel as the bytes that the server sent.

Stands where a ``Session`` of the SDK stands, for servers that need none: each request is one POST, closing it cancels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import msgspec

from meshplan.runtime import protocol
from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.upstream.answers import Answer, error_in, read_answer
from meshplan.runtime.upstream.credentials import Credentials
from meshplan.runtime.upstream.deadline import NEVER
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.envelope import Negotiated, wanted_log, wire_headers, wire_params
from meshplan.runtime.upstream.exchange import MARK
from meshplan.runtime.upstream.failures import (
    ProtocolMismatch,
    SessionLost,
    SlowToConnect,
    Unavailable,
    secret_failure,
)
from meshplan.runtime.upstream.negotiate import negotiate
from meshplan.runtime.upstream.origin import Origin
from meshplan.runtime.upstream.port import Behalf, UpstreamRefusal, UpstreamRequest, UpstreamTimeout
from meshplan.runtime.upstream.wire import EVENTS, Connection, Reply
from meshplan.schemas.plan import HttpTransport

DRAIN_SECONDS = 120.0
"""How long a connection that is replaced may wait for its running requests."""

HEADS_KEPT = 512

LISTEN = "subscriptions/listen"
_LIST_CHANGED = frozenset(f"notifications/{what}/list_changed" for what in ("tools", "prompts", "resources"))

_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder().decode


class _SessionWanted(Exception):
    """The server speaks a revision with sessions, which is not for us."""


class ModernSession:
    """The requests to one server since it was last found to be there; ``run`` is its task.

    ``ready`` says that the server answered or will not, ``gone`` that no more requests are taken, ``closed`` that the
    task has ended. ``with_sessions`` is true where the server turned out to speak a revision with sessions.
    """

    def __init__(
        self,
        name: str,
        transport: HttpTransport,
        secrets: Secrets,
        on_list_changed: Callable[[str, str], None] | None,
        behalf: Behalf | None = None,
        egress: Egress | None = None,
    ) -> None:
        self._behalf = behalf
        self._name, self._transport, self._secrets = name, transport, secrets
        self._on_list_changed = on_list_changed
        self.ready, self.gone, self.closed = anyio.Event(), anyio.Event(), anyio.Event()
        self.failure: Unavailable | None = None
        self.negotiated: Negotiated | None = None
        self.with_sessions = False
        self._egress = egress or Egress()
        self._origin = Origin(transport.url, self._egress)
        self._credentials: Credentials | None = None
        self._sent: tuple[dict[str, str], bytes] = ({}, b"")
        self._heads: dict[tuple[str, str], bytes] = {}
        self._number = self._running = 0
        self._idle = anyio.Event()
        self._status: int | None = None

    async def run(self, *, within: float) -> None:
        """Ask the server who it is, at most ``within`` seconds, then serve until ``retire``."""
        try:
            await self._meet(within)
            self.ready.set()
            if self.negotiated is not None:
                await self.gone.wait()
                with anyio.move_on_after(DRAIN_SECONDS):
                    while self._running:
                        self._idle = anyio.Event()
                        await self._idle.wait()
        finally:
            self._origin.close()
            self.gone.set()
            self.ready.set()
            self.closed.set()

    async def _meet(self, within: float) -> None:
        slow = SlowToConnect(f"did not finish connecting within {within:g} s")
        try:
            self._credentials = Credentials(self._transport, self._secrets, self._behalf, self._egress)
            with anyio.move_on_after(within) as scope:
                self.negotiated = await negotiate(self, {})
            if scope.cancelled_caught:
                self.failure = slow
        except SecretError as error:
            self.failure = secret_failure(error)
        except _SessionWanted:
            self.with_sessions = True
        except Unavailable as failure:
            self.failure = failure.again()

    def retire(self, failure: Unavailable | None = None) -> None:
        """Take no more requests, and close once the running ones have ended."""
        if not self.gone.is_set():
            self.failure = failure
            self.gone.set()

    def close(self) -> None:
        """Take no more requests, fail the running ones, and close."""
        self.retire()
        self._origin.close()

    # What the negotiation needs.

    async def ask(self, method: str, params: dict[str, Any], version: str, seconds: float | None) -> dict[str, Any]:
        """Send a request of the negotiation; a handshake means that the server is not for us."""
        if method == "initialize":
            raise _SessionWanted
        self._status = None
        deadline = NEVER if seconds is None else asyncio.get_running_loop().time() + seconds
        try:
            return _decode(await self._exchange(method, params, version, UpstreamRequest(method, params, 0), deadline))
        except UpstreamTimeout:
            raise SlowToConnect(f"no answer to `{method}`") from None

    async def tell(self, method: str, version: str) -> None:
        """Nothing: servers without sessions are told nothing."""

    def status(self) -> int | None:
        """The HTTP status of the last answer."""
        return self._status

    # What callers need.

    async def request(self, request: UpstreamRequest, deadline: float) -> dict[str, Any]:
        """As ``forward``, read."""
        result: dict[str, Any] = _decode(await self.forward(request, deadline))
        result.setdefault("resultType", "complete")
        return result

    async def forward(self, request: UpstreamRequest, deadline: float) -> bytes:
        """Forward one request; the result is a JSON object on one line, as the server wrote it.

        Raises ``UpstreamFailure``, and ``SessionLost`` where the server did not execute it.
        """
        if self.gone.is_set() or self.negotiated is None:
            raise SessionLost("the connection has ended")
        version = self.negotiated.protocol_version
        self._number += 1
        token = f"meshplan-{self._number}" if request.wants_progress else None
        params = wire_params(request, version, token)
        self._running += 1
        try:
            return await self._exchange(request.method, params, version, request, deadline)
        except UpstreamRefusal as refusal:
            if refusal.code == protocol.UNSUPPORTED_PROTOCOL_VERSION:
                raise SessionLost("the server no longer speaks the protocol version that was agreed") from None
            raise
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def _exchange(
        self, method: str, params: dict[str, Any], version: str, request: UpstreamRequest, deadline: float
    ) -> bytes:
        self._number += 1
        number = self._number
        body = b'{"jsonrpc":"2.0","id":%d,"method":%b,"params":%b}' % (
            number,
            _encoder.encode(method),
            _encoder.encode(params),
        )
        head = self._head(method, params, version, request)
        try:
            resolved = {} if self._credentials is None else await self._credentials.resolve()
            connection, reply = await self._send(head, resolved, body, deadline)
            if reply.status == 401 and (renewed := await self._renew(resolved)) != resolved:
                connection, reply = await self._send(head, renewed, body, deadline)
        except SecretError as error:
            raise secret_failure(error) from None
        try:
            if reply.status == 403:
                await self._widen(reply)
            answer = await self._answer(reply, number, request)
        except BaseException:
            if not reply.done:
                connection.close()
            raise
        connection.linger(reply)
        if answer.refusal is not None:
            raise answer.refusal
        return answer.result

    def _head(self, method: str, params: dict[str, Any], version: str, request: UpstreamRequest) -> bytes:
        """The lines that repeat the body (SEP-2243)."""
        member = protocol.NAME_BEARING_METHODS.get(method)
        if member is None or request.headers or method.startswith("tasks/"):
            wanted = wire_headers(method, params, version, dict(request.headers))
            return "".join(f"{name}: {value}\r\n" for name, value in wanted.items() if name != MARK).encode("ascii")
        given = params.get(member)
        name = given if isinstance(given, str) else ""
        head = self._heads.get((method, name))
        if head is None:
            head = (
                f"{protocol.MCP_PROTOCOL_VERSION_HEADER}: {version}\r\n{protocol.MCP_METHOD_HEADER}: {method}\r\n"
                f"{protocol.MCP_NAME_HEADER}: {protocol.encode_header_value(name)}\r\n"
            ).encode("ascii")
            if len(self._heads) < HEADS_KEPT:
                self._heads[method, name] = head
        return head

    async def _renew(self, rejected: dict[str, str]) -> dict[str, str]:
        return {} if self._credentials is None else await self._credentials.refresh(rejected)

    async def _widen(self, reply: Reply) -> None:
        try:
            if self._credentials is not None:
                await self._credentials.widen(reply.challenge.decode("latin-1"))
        except SecretError as error:
            raise secret_failure(error) from None

    def _authorised(self, resolved: dict[str, str]) -> bytes:
        """The header lines of our credentials; those of the last values are kept."""
        if self._credentials is None or resolved == self._sent[0]:
            return self._sent[1]
        headers = self._credentials.headers(resolved)
        self._sent = resolved, "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")
        return self._sent[1]

    async def _send(
        self, head: bytes, resolved: dict[str, str], body: bytes, deadline: float
    ) -> tuple[Connection, Reply]:
        """Send one POST and wait for the first of its answer; the deadline goes on to apply to the rest."""
        lines = self._authorised(resolved)
        request = b"%b%b%bcontent-length: %d\r\n\r\n%b" % (self._origin.head, lines, head, len(body), body)
        connection, reply = await self._origin.send(request, deadline)
        try:
            await reply.wait()
        except asyncio.CancelledError:
            connection.close()
            raise
        return connection, reply

    async def _answer(self, reply: Reply, number: int, request: UpstreamRequest) -> Answer:
        while True:
            while reply.events:
                answer = read_answer(reply.next_event(), number)
                if answer.settled:
                    return answer
                await self._notice(answer, request)
            if reply.done:
                break
            await reply.wait()
        self._status = reply.status or None
        if reply.failure is not None:
            raise reply.failure
        if reply.late:
            raise UpstreamTimeout(f"no answer to `{request.method}` within {request.timeout:g} s")
        if reply.status != 200 or reply.kind != b"application/json":
            _judge(reply)
        if reply.streams:
            raise Unavailable("the connection was closed before the answer", sent=True)
        return read_answer(reply.body, number)

    async def _notice(self, answer: Answer, request: UpstreamRequest) -> None:
        """Give a notification to the request that it came with, in the order of the wire."""
        method, params = answer.method, answer.params
        if method in _LIST_CHANGED:
            if self._on_list_changed is not None:
                self._on_list_changed(self._name, method)
            return
        if method == "notifications/progress":
            wanted = request.wants_progress and params.pop("progressToken", None) is not None
        elif method == "notifications/message":
            wanted = wanted_log(request.log_level, params)
        else:
            wanted = request.method == LISTEN
        if wanted and request.on_notify is not None:
            await request.on_notify(method, params)


def _judge(reply: Reply) -> None:
    """Raise where the response is no answer."""
    status = reply.status
    if 300 <= status < 400:
        raise Unavailable("answered with a redirect, which is never followed")
    if status >= 400:
        refusal = error_in(reply.body) if reply.kind == b"application/json" and status != 401 else None
        if refusal is not None:
            raise refusal
        refused = status in {401, 403}
        text = f"refused our credentials with HTTP {status}" if refused else f"answered HTTP {status}"
        raise Unavailable(text, sent=not refused)
    if status == 202:
        raise ProtocolMismatch("took a request as if it were a notification", sent=True)
    if reply.kind not in {b"application/json", EVENTS}:
        shown = "".join(c for c in reply.kind.decode("latin-1") if c.isascii() and (c.isalnum() or c in "/+.-_"))
        raise ProtocolMismatch(f"answered with content type `{shown[:60] or 'none'}`", sent=True)
