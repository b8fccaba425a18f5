"""Reads one JSON document of a declared issuer: no redirects, bounded in size and time, HTTPS off loopback."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import httpx2

from meshplan.runtime.principal import is_loopback
from meshplan.runtime.upstream.checked import Checked
from meshplan.runtime.upstream.egress import AddressRefused, Egress
from meshplan.runtime.upstream.origin import tls_context

SECONDS = 5.0
MAX_BYTES = 256 * 1024


class FetchError(Exception):
    """The document could not be had; the text says why and quotes nothing of it."""


def http_client(egress: Egress | None = None) -> httpx2.AsyncClient:
    """A client that goes nowhere but where it is sent, and there only where ``egress`` lets it."""
    return httpx2.AsyncClient(
        transport=Checked(httpx2.AsyncHTTPTransport(verify=tls_context()), egress or Egress()),
        headers={"user-agent": "meshplan", "accept": "application/json"},
        timeout=httpx2.Timeout(SECONDS),
        follow_redirects=False,
        trust_env=False,
    )


def check_url(url: str, *, like: str | None = None) -> str:
    """The URL, if it may be asked: HTTPS, or plain HTTP on loopback (where ``like`` is on loopback, too).

    Raises ``FetchError``.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    local = is_loopback(host) and (like is None or is_loopback(urlsplit(like).hostname or ""))
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise FetchError("it is not an HTTPS URL")
    if parts.username is not None or parts.password is not None:
        raise FetchError("its URL holds credentials")
    return url


async def get_json(client: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    """The JSON object behind a URL; raises ``FetchError``."""
    try:
        with anyio.fail_after(SECONDS):
            async with client.stream("GET", url) as response:
                return await read_json(response)
    except (httpx2.RequestError, TimeoutError) as error:
        raise FetchError(f"no answer: {why(error)}") from None


def why(error: Exception) -> str:
    """Why a request got no answer: where its name leads if that is refused, else the kind of failure alone."""
    return error.__cause__.reason if isinstance(error.__cause__, AddressRefused) else type(error).__name__


async def read_json(response: httpx2.Response) -> dict[str, Any]:
    """The JSON object of a 200 answer; raises ``FetchError``."""
    if response.status_code != 200:
        raise FetchError(f"HTTP {response.status_code}")
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            raise FetchError(f"more than {MAX_BYTES // 1024} KiB")
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise FetchError("it is not JSON") from None
    if not isinstance(found, dict):
        raise FetchError("it is not a JSON object")
    return cast("dict[str, Any]", found)
