"""Tasks that a client of 2026-07-28 follows on one listening request (the tasks extension, Task Status Notifications)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec.structs import replace

from meshplan.runtime.active import Watcher
from meshplan.runtime.call import Call
from meshplan.runtime.errors import RpcError
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.jsonrpc import notification_text
from meshplan.runtime.front.subscriptions import MAX_SUBSCRIPTIONS, Subscription, Subscriptions
from meshplan.runtime.shapes import items, members
from meshplan.runtime.targets import Held
from meshplan.runtime.tasks import RELAY, check_declared
from meshplan.runtime.upstream.port import FollowedTask

NOTIFICATION = "notifications/tasks"


def wanted_tasks(desk: Desk, call: Call, wanted: Mapping[str, Any]) -> list[str]:
    """The ids that a client wants to follow; raises ``RpcError`` where it does not declare the extension that it uses.

    An endpoint that does not have the extension knows no such wish.
    """
    relays = desk.index(call.endpoint).relays.values()
    if "taskIds" not in wanted or not any(RELAY in found for found in relays):
        return []
    check_declared(call.client_capabilities)
    named = [task for task in items(wanted["taskIds"]) if isinstance(task, str)]
    return list(dict.fromkeys(named[:MAX_SUBSCRIPTIONS]))


@dataclass(frozen=True, slots=True)
class Following:
    """Follows tasks for ``call``, which is the listening request; ``meta`` marks what is said of them."""

    desk: Desk
    watcher: Watcher
    subscriptions: Subscriptions
    call: Call
    meta: Mapping[str, Any]

    async def follow(self, tasks: list[str]) -> list[str]:
        """Follow each task, decided and recorded each; returns those that are followed."""
        done: list[str] = []
        for task in tasks:
            with suppress(RpcError):
                await self._one(task)
                done.append(task)
        return done

    async def _one(self, task: str) -> None:
        call = replace(self.call, params={"taskId": task}, hold=partial(self._hold, task))
        await self.desk.invoker.invoke(call)

    async def _hold(self, task: str, held: Held) -> None:
        call = replace(self.call, params={"taskId": task})
        followed = FollowedTask(str(held.target.params["taskId"]), held.client, call.caller.behalf)

        def on_task(said: dict[str, Any]) -> None:
            self.watcher.say(task, partial(self._text, call, held, said))

        async def again() -> None:
            with suppress(RpcError):
                await self._one(task)

        def permitted() -> bool:
            return self.desk.invoker.told(call, held, {}) is not None

        enter = partial(held.upstream.follow, followed, on_task)
        wanted = Subscription(("task", task), held.target.server, enter, again, permitted)
        await self.subscriptions.hold(wanted, held.target.timeout)

    def _text(self, call: Call, held: Held, said: Mapping[str, Any]) -> bytes | None:
        """The notification, decided again when its turn has come."""
        told = self.desk.invoker.told(call, held, said)
        if told is None:
            return None
        meta = {**(members(told.get("_meta")) or {}), **self.meta}
        return notification_text(NOTIFICATION, {**told, "_meta": meta})
