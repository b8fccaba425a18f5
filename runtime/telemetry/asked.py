"""A request that never becomes a call: the mesh answers it itself, or turns it away."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Asked:
    """What its message says of itself (JSON-RPC, MCP); ``began`` is the monotonic clock's seconds.

    ``session`` is the caller's session with us, by our own number.
    """

    endpoint: str
    method: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: str | None = None
    session: str | None = None
    request_id: str | int | None = None
    began: float = field(default_factory=time.monotonic)
