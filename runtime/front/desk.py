"""What all fronts share: the way in, the newest snapshot, and how notifications find back to a caller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio import get_cancelled_exc_class

from meshplan.runtime.active import Active
from meshplan.runtime.background import Background
from meshplan.runtime.errors import OVERLOADED, RpcError, not_ready, unauthenticated, unknown
from meshplan.runtime.front.jsonrpc import Request, notification_text
from meshplan.runtime.front.session import COMPLETED
from meshplan.runtime.front.tokens import Tokens
from meshplan.runtime.index import EndpointIndex
from meshplan.runtime.invoke import Invoker
from meshplan.runtime.principal import LOCAL, Caller
from meshplan.runtime.protocol import usable_token
from meshplan.runtime.seal import Sealer
from meshplan.runtime.shapes import members
from meshplan.runtime.telemetry.asked import Asked
from meshplan.runtime.upstream.port import OnNotify

Write = Callable[[bytes], Awaitable[None]]
"""Sends one message to the client."""

UPDATED = "notifications/resources/updated"

LIST_CHANGED: dict[str, str] = {
    "tools": "notifications/tools/list_changed",
    "prompts": "notifications/prompts/list_changed",
    "resources": "notifications/resources/list_changed",
}
"""The notification that says that a list changed."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where every front brings its requests."""

    active: Active
    invoker: Invoker
    background: Background = field(default_factory=Background)
    tokens: Tokens = field(default_factory=lambda: Tokens(Sealer()))

    @property
    def plan(self) -> str | None:
        """The digest of the newest plan."""
        return self.active.snapshot.digest if self.active.snapshot else None

    @property
    def json_depth(self) -> int:
        """How deep the JSON of a request may be nested."""
        return self.active.snapshot.plan.runtime.limits.json_depth if self.active.snapshot else 1

    def check_streams(self, owner: tuple[str, str], *, more: int = 0) -> None:
        """Refuse a stream (GET or listen) of a principal that has, with ``more`` to come, too many; raises ``RpcError``."""
        limit = self.active.snapshot.plan.runtime.limits.idle_streams if self.active.snapshot else 0
        if self.active.watching(owner) + more > limit:
            data = {"reason": "overloaded", "limit": limit}
            raise RpcError(OVERLOADED, f"more than {limit} streams at once", data)

    @contextmanager
    def refusing(self, endpoint: str, caller: Caller, method: str) -> Generator[None]:
        """Record what is refused inside, before it became a call."""
        try:
            yield
        except RpcError as error:
            self.invoker.refuse(endpoint, caller, error, method)
            raise

    @contextmanager
    def answering(
        self, endpoint: str, caller: Caller, request: Request, version: str | None = None, session: str | None = None
    ) -> Generator[Asked]:
        """Answer inside what needs no call: it is seen, and recorded where it is refused."""
        asked = Asked(endpoint, request.method, request.params, version, session, request.id)
        try:
            yield asked
        except RpcError as error:
            self.invoker.refuse(endpoint, caller, error, request.method, asked)
            raise
        except get_cancelled_exc_class():
            self.invoker.answered(asked)
            raise
        self.invoker.answered(asked)

    def index(self, endpoint: str) -> EndpointIndex:
        """The endpoint as the newest plan has it; raises ``RpcError``."""
        snapshot = self.active.snapshot
        if snapshot is None:
            raise not_ready()
        found = snapshot.endpoints.get(endpoint)
        if found is None:
            raise unknown("endpoint", endpoint, "no_such_endpoint")
        return found

    def outward(self, endpoint: str, server: str) -> Callable[[str], str]:
        """Gives a URI of a server the name that it has at an endpoint."""

        def name(uri: str) -> str:
            snapshot = self.active.snapshot
            index = snapshot.endpoints.get(endpoint) if snapshot else None
            return index.outward_uri(server, uri) if index else uri

        return name

    def local_caller(self) -> Caller:
        """The caller of the local profile; raises ``RpcError`` where the plan has none."""
        snapshot = self.active.snapshot
        if snapshot is None:
            raise not_ready()
        principal = snapshot.keyring.principal(LOCAL, self.active.now)
        if principal is None:
            raise unauthenticated()
        return Caller(LOCAL, principal)


def change_text(change: str, meta: dict[str, Any] | None = None) -> bytes:
    """The notification of one change that a watcher was told of: a list's name, or the URI of a resource."""
    more = {"_meta": meta} if meta else {}
    if change in LIST_CHANGED:
        return notification_text(LIST_CHANGED[change], more)
    return notification_text(UPDATED, {"uri": change, **more})


def progress_token(params: dict[str, Any]) -> int | str | None:
    """The caller's progress token, if it sent a usable one."""
    return usable_token((members(params.get("_meta")) or {}).get("progressToken"))


def relay(token: int | str | None, *, logs: bool, write: Write, links: bool = False) -> OnNotify:
    """Passes on what a running request reports: progress under the caller's own token, and logs where asked for.

    ``links``: the caller's revision is told when its user is done with a link.
    """

    async def on_notify(method: str, params: dict[str, Any]) -> None:
        if method == "notifications/progress" and token is not None:
            await write(notification_text(method, {**params, "progressToken": token}))
        elif (method == "notifications/message" and logs) or (method == COMPLETED and links):
            await write(notification_text(method, params))

    return on_notify
