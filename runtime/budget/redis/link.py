"""The connections to one Redis or Valkey: scripts by digest, bounds on time, and a notice when it is not the same run of it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any, Final, cast

import anyio
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from meshplan.runtime.budget.port import CountersUnavailableError

TIMEOUT: Final = 1.0
"""Seconds for one connection, and for one answer."""
CONNECTIONS: Final = 16
"""Commands at a time; the others wait in line."""

_CALLBACK: Final = "redis_connect_func"


class Link:
    """Runs scripts; ``run`` is the server's own id of this run of it, empty before the first connection."""

    def __init__(self, url: str) -> None:
        """Raises ``CountersUnavailableError`` where the URL is none."""
        self.run = ""
        try:
            options = cast("dict[str, Any]", parse_url(url))
        except ValueError:
            raise CountersUnavailableError("the reference to the counters' server gives no redis:// URL") from None
        options |= {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            _CALLBACK: self._connected,
        }
        self._redis = Redis(connection_pool=ConnectionPool(**options))
        self._turns = anyio.Semaphore(CONNECTIONS)

    async def _connected(self, connection: AbstractConnection) -> None:
        await connection.on_connect()
        await connection.send_command("INFO", check_health=False)
        told = cast("bytes", await connection.read_response())
        info = _info(told.decode("utf-8", "replace"))
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise RedisError(f"its maxmemory-policy is {policy}, so it may forget counters: set noeviction")
        before, self.run = self.run, info.get("run_id", "")
        if before not in ("", self.run):
            raise RedisError("it was started anew")

    async def connect(self) -> None:
        """Be connected, so that ``run`` is known; raises ``CountersUnavailableError``."""
        try:
            await cast("Callable[[], Awaitable[object]]", self._redis.ping)()
        except (RedisError, OSError, TimeoutError) as error:
            raise CountersUnavailableError(_why(error)) from None

    async def script(self, text: str, keys: Sequence[str], values: Sequence[str | int]) -> list[Any]:
        """What a script answers; raises ``CountersUnavailableError``, also where it may have run."""
        digest = _digest(text)
        try:
            async with self._turns:
                try:
                    found = await self._redis.evalsha(digest, len(keys), *keys, *values)
                except NoScriptError:
                    found = await self._redis.eval(text, len(keys), *keys, *values)
        except (RedisError, OSError, TimeoutError) as error:
            raise CountersUnavailableError(_why(error)) from None
        return cast("list[Any]", found)

    async def close(self) -> None:
        """Drop all connections."""
        await self._redis.aclose(close_connection_pool=True)


@cache
def _digest(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


def _info(text: str) -> dict[str, str]:
    return {name: value for name, colon, value in (line.partition(":") for line in text.splitlines()) if colon}


def _why(error: Exception) -> str:
    """What went wrong, without the address, which may hold a password."""
    text = str(error)
    return (
        f"the counters' server: {type(error).__name__}"
        if "://" in text or not text
        else f"the counters' server: {text[:200]}"
    )
