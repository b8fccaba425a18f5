"""Which request a server's notification belongs to: by token, by subscription, or by the answer that it came with."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from meshplan.runtime.shapes import members, text
from meshplan.runtime.upstream.envelope import wanted_log
from meshplan.runtime.upstream.exchange import Exchange
from meshplan.runtime.upstream.links import COMPLETED, Links
from meshplan.runtime.upstream.updates import ACKNOWLEDGED, SUBSCRIPTION_KEY, TASK, UPDATED

LIST_CHANGED: Final = frozenset(f"notifications/{what}/list_changed" for what in ("tools", "prompts", "resources"))


@dataclass(slots=True)
class Notices:
    """The running requests of one connection that may be told something, and who hears of the rest.

    ``current`` gives the exchange that the message being read came with, where the transport knows.
    """

    current: Callable[[], Exchange | None]
    on_list_changed: Callable[[str], None]
    on_updated: Callable[[str], None]
    links: Links
    _by_token: dict[str, Exchange] = field(default_factory=dict[str, Exchange])
    _by_subscription: dict[str, Exchange] = field(default_factory=dict[str, Exchange])

    @contextmanager
    def heard_by(self, exchange: Exchange, token: str | None, subscription: str | None) -> Generator[None]:
        """While the context is open, a progress token and the id of a listening request lead to an exchange."""
        if token is not None:
            self._by_token[token] = exchange
        if subscription is not None:
            self._by_subscription[subscription] = exchange
        try:
            yield
        finally:
            self._by_token.pop(token or "", None)
            self._by_subscription.pop(subscription or "", None)

    def deliver(self, method: str, params: Mapping[str, Any] | None) -> bool:
        """Give a notification to the request that it belongs to, in wire order; drop what belongs to none."""
        found = dict(params or {})
        if method in LIST_CHANGED:
            self.on_list_changed(method)
        elif method == "notifications/progress":
            exchange = self._by_token.get(text(found.pop("progressToken", None)) or "")
            if exchange is not None:
                exchange.notice(method, found)
        elif method in (ACKNOWLEDGED, UPDATED, TASK):
            self._updated(method, found)
        elif method == COMPLETED:
            self.links.completed(found)
        elif method == "notifications/message":
            exchange = self.current()
            if exchange is not None and wanted_log(exchange.log_level, found):
                exchange.notice(method, found)
        return True

    def _updated(self, method: str, params: dict[str, Any]) -> None:
        """A modern server says for which stream it is, an older one whose resource it is."""
        number = text((members(params.get("_meta")) or {}).get(SUBSCRIPTION_KEY))
        exchange = self._by_subscription.get(number or "")
        uri = text(params.get("uri"))
        if exchange is not None:
            exchange.notice(method, params)
        elif method == UPDATED and uri is not None:
            self.on_updated(uri)
