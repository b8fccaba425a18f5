"""How requests reach HTTP upstreams: one connection pool for all, our credentials, no redirects, nothing unbounded."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager, suppress
from typing import Any, Final, cast

import anyio
import httpx2

from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.upstream.checked import Checked
from meshplan.runtime.upstream.credentials import SESSION_HEADER, Credentials
from meshplan.runtime.upstream.egress import AddressRefused, Egress
from meshplan.runtime.upstream.exchange import CURRENT, MARK, Exchange
from meshplan.runtime.upstream.failures import ProtocolMismatch, SessionLost, Unavailable, secret_failure
from meshplan.runtime.upstream.port import Behalf
from meshplan.schemas.plan import HttpTransport

CONNECT_SECONDS: Final = 10.0
ASIDE_SECONDS: Final = 5.0
"""For notifications, replies and session ends: the SDK sends nothing else to the server while one is on its way."""

MAX_JSON_BYTES: Final = 16 * 1024 * 1024
MAX_ERROR_BYTES: Final = 64 * 1024

# Idle connections are let go before the common servers (uvicorn, Node: 5 s) do it: a POST that races with the
# server's close cannot be repeated safely.
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=512, keepalive_expiry=4.0)
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_METHOD_NOT_FOUND = -32601
_SESSION_REFUSED = (-32000, -32600)


def shared_pool(egress: Egress) -> httpx2.AsyncBaseTransport:
    """One connection pool and TLS context for every upstream; environment proxies are not used."""
    return Checked(httpx2.AsyncHTTPTransport(limits=_LIMITS), egress)


def client(
    transport: HttpTransport,
    secrets: Secrets,
    pool: httpx2.AsyncBaseTransport,
    behalf: Behalf | None = None,
    egress: Egress | None = None,
) -> httpx2.AsyncClient:
    """A client for one upstream on the shared pool; closing it leaves the pool open."""
    return httpx2.AsyncClient(
        transport=Wire(Credentials(transport, secrets, behalf, egress), pool),
        headers={"user-agent": "meshplan", "accept-encoding": "identity"},
        timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        follow_redirects=False,
        max_redirects=0,
        trust_env=False,
    )


class Wire(httpx2.AsyncBaseTransport):
    """One upstream's way to the shared pool.

    Nothing that the network does is raised here, because the SDK would end all other requests with it: a failure is
    noted on the exchange, and the SDK sees a status 502.
    """

    def __init__(self, credentials: Credentials, pool: httpx2.AsyncBaseTransport) -> None:
        self._credentials, self._pool = credentials, pool

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request with our credentials, within its exchange's deadline."""
        asks = request.headers.pop(MARK, None) is not None
        exchange = CURRENT.get() if asks or request.method == "GET" else None
        deadline = _deadline(request, exchange)
        try:
            with _until(deadline):
                response = await self._send(request)
                failure = await _judge(request, response, exchange if asks else None)
        except SecretError as error:
            failure = secret_failure(error)
        except _NOT_SENT as error:
            failure = SessionLost(f"cannot connect: {_why(error)}")
        except httpx2.RequestError:
            failure = Unavailable("the connection broke before the answer", sent=True)
        except TimeoutError:
            failure = Unavailable("no answer in time", sent=True)
        else:
            if failure is None:
                return _bounded(response, deadline, exchange)
            with suppress(httpx2.RequestError):
                await response.aclose()
        if exchange is not None:
            exchange.failure = failure
        return httpx2.Response(502, request=request)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        resolved = await self._credentials.resolve()
        request.headers.update(self._credentials.headers(resolved))
        response = await self._pool.handle_async_request(request)
        if response.status_code != 401:
            if response.status_code == 403:
                await self._widen(response)
            return response
        renewed = await self._credentials.refresh(resolved)
        if renewed == resolved:
            return response
        await response.aclose()
        request.headers.update(self._credentials.headers(renewed))
        return await self._pool.handle_async_request(request)

    async def _widen(self, response: httpx2.Response) -> None:
        try:
            await self._credentials.widen(response.headers.get("www-authenticate", ""))
        except SecretError:
            await response.aclose()
            raise

    async def aclose(self) -> None:
        """Nothing: the pool belongs to all upstreams."""


def _deadline(request: httpx2.Request, exchange: Exchange | None) -> float:
    if exchange is not None:
        return exchange.deadline
    return float("inf") if request.method == "GET" else anyio.current_time() + ASIDE_SECONDS


@contextmanager
def _until(deadline: float) -> Generator[anyio.CancelScope]:
    with anyio.CancelScope(deadline=deadline) as scope:
        yield scope
    if scope.cancelled_caught:
        raise TimeoutError


async def _judge(request: httpx2.Request, response: httpx2.Response, exchange: Exchange | None) -> Unavailable | None:
    """Why this response is no answer, or ``None``; reads the body of an error, so that the SDK can read it again."""
    status = response.status_code
    if 300 <= status < 400:
        return Unavailable("answered with a redirect, which is never followed")
    if exchange is None:
        return None
    exchange.status = status
    if status >= 400:
        return await _judge_refusal(request, response)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if status == 202:
        return ProtocolMismatch("took a request as if it were a notification", sent=True)
    if kind not in {"application/json", "text/event-stream"}:
        shown = re.sub(r"[^\w/+.-]", "", kind)[:60] or "none"
        return ProtocolMismatch(f"answered with content type `{shown}`", sent=True)
    return None


async def _judge_refusal(request: httpx2.Request, response: httpx2.Response) -> Unavailable | None:
    status, in_session = response.status_code, SESSION_HEADER in request.headers
    error = await _error_of(response)
    if in_session and status == 404 and (error is None or error.get("code") != _METHOD_NOT_FOUND):
        return SessionLost("the server has ended the session")
    if error is None or status == 401:
        refused = status in {401, 403}
        text = f"refused our credentials with HTTP {status}" if refused else f"answered HTTP {status}"
        return Unavailable(text, sent=not refused)
    # Servers that copied the TypeScript SDK's example answer 400 for a session that they do not know.
    about_session = "session" in str(error.get("message")).lower() and error.get("code") in _SESSION_REFUSED
    if in_session and status == 400 and about_session:
        return SessionLost("the server does not know the session any more")
    return None


async def _error_of(response: httpx2.Response) -> dict[str, Any] | None:
    """The JSON-RPC error in the body, if there is one."""
    stream, body = cast("httpx2.AsyncByteStream", response.stream), b""
    try:
        async for chunk in stream:
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                return None
    finally:
        await stream.aclose()
    response.stream = httpx2.ByteStream(body)
    if not response.headers.get("content-type", "").lower().startswith("application/json"):
        return None
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        return None
    error: Any = cast("dict[str, Any]", parsed).get("error") if isinstance(parsed, dict) else None
    return cast("dict[str, Any]", error) if isinstance(error, dict) else None


def _bounded(response: httpx2.Response, deadline: float, exchange: Exchange | None) -> httpx2.Response:
    streams = response.headers.get("content-type", "").lower().startswith("text/event-stream")
    if exchange is not None:
        exchange.failure = None
    body = _Body(
        cast("httpx2.AsyncByteStream", response.stream), deadline, exchange, None if streams else MAX_JSON_BYTES
    )
    return httpx2.Response(response.status_code, headers=response.headers, stream=body, extensions=response.extensions)


class _Body(httpx2.AsyncByteStream):
    """A response body that ends, rather than raises, where the network fails or the deadline passes."""

    def __init__(
        self, inner: httpx2.AsyncByteStream, deadline: float, exchange: Exchange | None, limit: int | None
    ) -> None:
        self._inner, self._deadline, self._exchange, self._limit = inner, deadline, exchange, limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._inner)
        size = 0
        while True:
            try:
                with _until(self._deadline if self._exchange is None else self._exchange.deadline) as scope:
                    if self._exchange is not None:
                        self._exchange.reading = scope
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except (httpx2.RequestError, TimeoutError) as error:
                late = isinstance(error, TimeoutError)
                self._note("no answer in time" if late else "the connection broke in the middle of the answer")
                return
            size += len(chunk)
            if self._limit is not None and size > self._limit:
                self._note(f"the answer is larger than {self._limit // 1024 // 1024} MiB")
                return
            yield chunk

    def _note(self, reason: str) -> None:
        if self._exchange is not None:
            self._exchange.failure = Unavailable(reason, sent=True)

    async def aclose(self) -> None:
        """Give the connection back."""
        with suppress(httpx2.RequestError):
            await self._inner.aclose()


def _why(error: BaseException) -> str:
    """What the operating system or TLS said, found in the chain of causes."""
    if isinstance(error, httpx2.ConnectTimeout):
        return f"no answer within {CONNECT_SECONDS:g} s"
    found: BaseException | None = error
    for _ in range(10):
        if isinstance(found, AddressRefused):
            return found.reason
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"the certificate is not trusted: {found.verify_message}"
        if isinstance(found, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(found, socket.gaierror):
            return "the host name is not known"
        if isinstance(found, ConnectionRefusedError):
            return "connection refused"
        if found is None:
            break
        found = found.__cause__ or found.__context__
    return "connection failed"
