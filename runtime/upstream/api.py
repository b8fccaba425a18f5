"""An HTTP API as an upstream: each tool call is one HTTP request, and the response becomes the tool's result."""

from __future__ import annotations

import base64
import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
import anyio.lowlevel

from meshplan.runtime.errors import METHOD_NOT_FOUND
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.upstream.api_request import api_request
from meshplan.runtime.upstream.credentials import Credentials
from meshplan.runtime.upstream.failures import SecretUnavailable, Unavailable
from meshplan.runtime.upstream.port import (
    FollowedTask,
    Health,
    OnTask,
    OnUpdate,
    UpstreamFailure,
    UpstreamRefusal,
    UpstreamRequest,
    UpstreamTimeout,
)
from meshplan.runtime.upstream.surroundings import Surroundings
from meshplan.schemas import jsontext
from meshplan.schemas.plan import OpenApiTransport, Transport

if TYPE_CHECKING:
    import httpx2

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of a response; what is longer is not read to its end."""
_TEXTUAL: Final = ("text/", "application/xml", "application/yaml", "application/javascript")


class ApiServer:
    """See ``port.Upstream``; there is no connection to keep, so ``run`` only waits for ``stop``."""

    def __init__(self, name: str, transport: Transport, surroundings: Surroundings) -> None:
        if not isinstance(transport, OpenApiTransport):
            raise TypeError(f"server `{name}` is not an API")
        self.name, self.transport = name, transport
        self.ended = anyio.Event()
        self._surroundings = surroundings
        self._stopping, self._idle = anyio.Event(), anyio.Event()
        self._running = self._begun = 0
        self._error: str | None = None
        self._credentials: Credentials | None = None

    async def run(self) -> None:
        """Return after ``stop``."""
        try:
            await self._stopping.wait()
        finally:
            self.ended.set()

    def stop(self) -> None:
        """Take no more calls."""
        self._stopping.set()

    async def quiet(self, seconds: float) -> None:
        """Return once no request has run for so long."""
        while True:
            while self._running:
                self._idle = anyio.Event()
                await self._idle.wait()
            begun = self._begun
            await anyio.sleep(seconds)
            if begun == self._begun:
                return

    def health(self) -> Health:
        """``ready``, or ``unavailable`` where the last call did not get through."""
        state = "closed" if self._stopping.is_set() else "ready" if self._error is None else "unavailable"
        return Health(state, None, self._error)

    @asynccontextmanager
    async def subscribe(self, uri: str, on_update: OnUpdate) -> AsyncGenerator[None]:
        """See ``port.Upstream``: an API has no resources."""
        del on_update
        await anyio.lowlevel.checkpoint()
        raise UpstreamRefusal(METHOD_NOT_FOUND, f"updates of `{uri}` are not relayed")
        yield

    @asynccontextmanager
    async def follow(self, task: FollowedTask, on_task: OnTask) -> AsyncGenerator[None]:
        """See ``port.Upstream``: an API has no tasks."""
        del on_task
        await anyio.lowlevel.checkpoint()
        raise UpstreamRefusal(METHOD_NOT_FOUND, f"there is no task `{task.id}`")
        yield

    async def forward(self, request: UpstreamRequest) -> dict[str, Any] | bytes:
        """See ``port.Upstream``."""
        return await self.request(request)

    async def request(self, request: UpstreamRequest) -> dict[str, Any]:
        """See ``port.Upstream``: sends the HTTP request of a tool, once."""
        if self._stopping.is_set():
            raise Unavailable("the connection was closed by a new plan or a shutdown")
        operation = self.transport.operations.get(str(request.params.get("name")))
        if request.method != "tools/call" or operation is None:
            raise UpstreamRefusal(METHOD_NOT_FOUND, f"an API does not answer `{request.method}`")
        arguments = cast("dict[str, Any]", request.params.get("arguments") or {})
        wanted = api_request(operation, arguments)
        self._running, self._begun = self._running + 1, self._begun + 1
        try:
            with anyio.fail_after(request.timeout):
                result = await self._exchange(
                    wanted.method, wanted.url(self.transport.url), wanted.headers, wanted.body
                )
        except TimeoutError:
            raise UpstreamTimeout(f"no answer within {request.timeout:g} s") from None
        except UpstreamFailure as failure:
            self._error = str(failure)
            raise
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
        self._error = None
        return result

    async def _exchange(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> dict[str, Any]:
        # httpx2 costs a quarter of a second to import: only where a server needs it.
        module = importlib.import_module("httpx2")
        try:
            credentials = self._credentials = self._credentials or Credentials(
                self.transport, self._surroundings.secrets, egress=self._surroundings.egress
            )
            resolved = await credentials.resolve()
            response = await self._send(method, url, headers | credentials.headers(resolved), body)
            if response.status_code == 401:
                renewed = await credentials.refresh(resolved)
                if renewed != resolved:
                    await response.aclose()
                    response = await self._send(method, url, headers | credentials.headers(renewed), body)
            return await _result(response)
        except SecretError as error:
            raise SecretUnavailable(str(error)) from None
        except module.ConnectError:
            raise Unavailable("cannot connect") from None
        except module.TransportError:
            raise Unavailable("the connection broke before the answer", sent=True) from None

    async def _send(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> httpx2.Response:
        module = importlib.import_module("httpx2")
        request = module.Request(method, url, headers={"user-agent": "meshplan", **headers}, content=body)
        found: httpx2.Response = await self._surroundings.http_pool().handle_async_request(request)
        return found


async def _result(response: httpx2.Response) -> dict[str, Any]:
    """The tool's result: an error status is the tool's error, with what the API said."""
    status = response.status_code
    try:
        if 300 <= status < 400:
            raise Unavailable("answered with a redirect, which is never followed", sent=True)
        if status == 401:
            raise Unavailable("refused our credentials with HTTP 401")
        body = await _read(response)
    finally:
        await response.aclose()
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    content, structured = _content(kind, body, str(response.headers.get("content-type", "")))
    result: dict[str, Any] = {"content": content, "resultType": "complete"}
    if structured is not None:
        result["structuredContent"] = structured
    if status >= 400:
        result["isError"] = True
        result["content"] = [{"type": "text", "text": f"HTTP {status}"}, *content]
    return result


async def _read(response: httpx2.Response) -> bytes:
    found = bytearray()
    async for chunk in response.aiter_bytes():
        found += chunk
        if len(found) > MAX_BYTES:
            raise Unavailable(f"the answer is larger than {MAX_BYTES // 1024 // 1024} MiB", sent=True)
    return bytes(found)


def _content(kind: str, body: bytes, full: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Content blocks, and the structured content where the body is a JSON object."""
    if not body:
        return [], None
    if kind == "application/json" or kind.endswith("+json"):
        text = body.decode("utf-8", errors="replace")
        try:
            value: Any = jsontext.parse(text)
        except (ValueError, RecursionError):
            return [_text(text)], None
        return [_text(text)], cast("dict[str, Any]", value) if isinstance(value, dict) else None
    if not kind or kind.startswith(_TEXTUAL) or kind == "application/x-www-form-urlencoded":
        charset = full.lower().partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8"
        try:
            return [_text(body.decode(charset, errors="replace"))], None
        except LookupError:
            return [_text(body.decode("utf-8", errors="replace"))], None
    data = base64.b64encode(body).decode()
    if kind.startswith(("image/", "audio/")):
        return [{"type": kind.partition("/")[0], "data": data, "mimeType": kind}], None
    return [{"type": "resource", "resource": {"uri": "urn:meshplan:response", "mimeType": kind, "blob": data}}], None


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
