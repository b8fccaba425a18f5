"""Sends what it reads, one OTLP request in JSON a line, to a collector over HTTP (OTLP/HTTP, `POST /v1/logs`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

import httpx2

SECONDS: Final = 30.0
"""That a collector may take for one request."""
HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"


def ship(url: str, lines: Iterable[str]) -> str | None:
    """Send all of them, in their order; why it ended before all were taken."""
    headers = {"content-type": "application/json", **_headers(os.environ)}
    try:
        with httpx2.Client(timeout=SECONDS, follow_redirects=False) as client:
            for number, line in enumerate(lines, 1):
                status = client.post(url, content=line.encode(), headers=headers).status_code
                if status >= 300:
                    return f"the collector answered {status} to request {number}"
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"the collector cannot be reached: {error}"
    return None


def _headers(environment: Mapping[str, str]) -> dict[str, str]:
    """``NAME=VALUE,…``, percent-encoded, as the specification of OTLP exporters has it."""
    pairs = [text.partition("=") for text in environment.get(HEADERS, "").split(",")]
    return {name.strip().lower(): unquote(value.strip()) for name, equals, value in pairs if equals}
