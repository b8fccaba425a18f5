"""Calls that a strategy makes for a call of one of its own tools: in the same name, on the same way in, under its id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from meshplan.runtime import passed
from meshplan.runtime.call import Call, Result
from meshplan.runtime.crowd import Share
from meshplan.runtime.front.rounds import complete
from meshplan.runtime.shapes import members
from meshplan.runtime.targets import Trace

Take = Callable[[Call, Trace], Awaitable[Result]]
"""The way in, with what the record will say; raises ``RpcError``."""

Begin = Callable[[], Awaitable[None]]
"""Writes down that the outer call leads to others, before the first does."""

_TASKS = "io.modelcontextprotocol/tasks"
_NAMED = 128
"""Characters of a tool's name in a progress message."""


class InnerCalls:
    """See ``port.Inner``."""

    def __init__(
        self, outer: Call, trace: Trace, visible: frozenset[str], *, take: Take, share: Share, begin: Begin
    ) -> None:
        self._outer, self._trace, self._visible = outer, trace, visible
        self._take, self._share, self._begin = take, share, begin
        self._begun, self._done = False, 0

    @property
    def visible(self) -> frozenset[str]:
        """See ``port.Inner``."""
        return self._visible

    @property
    def request(self) -> Call:
        """See ``port.Inner``."""
        return self._outer

    async def forward(self, name: str, arguments: Mapping[str, Any] | None) -> Result:
        """See ``port.Inner``."""
        kept = {member: value for member, value in self._outer.params.items() if member not in ("name", "arguments")}
        trace = Trace()
        result = await self._send(self._inner(kept, name, arguments), trace)
        self._trace.call = trace.call
        return result

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None, *, resume: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """See ``port.Inner``."""
        meta = self._outer.params.get("_meta")
        call = replace(
            self._inner({**(resume or {}), **({} if meta is None else {"_meta": meta})}, name, arguments),
            client_capabilities=_without_tasks(self._outer.client_capabilities),
            wants_progress=False,
            on_notify=self._told,
        )
        result = await (self._once(call) if call.ask is None else complete(self._once, call, call.ask))
        self._done += 1
        if self._outer.wants_progress and self._outer.on_notify is not None:
            told = {"progress": self._done, "message": name[:_NAMED]}
            await self._outer.on_notify("notifications/progress", told)
        return passed.read(result) if isinstance(result, bytes) else result

    def _inner(self, params: Mapping[str, Any], name: str, arguments: Mapping[str, Any] | None) -> Call:
        named = {**params, "name": name, **({} if arguments is None else {"arguments": arguments})}
        return replace(
            self._outer, params=named, via="strategy", parent=self._trace.decision, param_headers=None, hold=None
        )

    async def _once(self, call: Call) -> Result:
        return await self._send(call, Trace())

    async def _send(self, call: Call, trace: Trace) -> Result:
        if not self._begun:
            self._begun = True
            await self._begin()
        async with self._share.turn():
            return await self._take(call, trace)

    async def _told(self, method: str, params: dict[str, Any]) -> None:
        """Progress of one of several calls is none of the whole."""
        if method != "notifications/progress" and self._outer.on_notify is not None:
            await self._outer.on_notify(method, params)


def _without_tasks(capabilities: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call of several waits for its result: no server may answer it with a task."""
    extensions = members(capabilities.get("extensions"))
    if extensions is None or _TASKS not in extensions:
        return capabilities
    return {**capabilities, "extensions": {name: value for name, value in extensions.items() if name != _TASKS}}
