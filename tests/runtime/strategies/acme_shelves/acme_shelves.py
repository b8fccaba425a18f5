"""One tool a server, a shelf: it lists what is on it, and calls what is named; as a third party would write it."""

import json

from meshplan.runtime.errors import RpcError
from meshplan.runtime.strategies.port import StrategyError

SCHEMA = {"type": "object", "properties": {"take": {"type": "string"}, "with": {"type": "object"}}}


class Shelves:
    def __init__(self, surface, prefix):
        self._tools = {tool.name: tool for tool in surface.tools}
        self._shelves = {f"{prefix}{server}": server for server in sorted({tool.server for tool in surface.tools})}
        self.names = frozenset(self._shelves)
        self.direct = frozenset()
        self.instructions = "Each tool is a shelf: take something from it."

    def _on(self, shelf, visible):
        server = self._shelves[shelf]
        return [name for name, tool in self._tools.items() if tool.server == server and tool.capability in visible]

    def listed(self, visible):
        shown = [
            {"name": shelf, "description": ", ".join(on), "inputSchema": SCHEMA}
            for shelf in self._shelves
            if (on := self._on(shelf, visible))
        ]
        return [json.dumps(one, sort_keys=True).encode() for one in shown]

    async def call(self, name, arguments, inner):
        if "take" not in arguments:
            on = self._on(name, inner.visible)
            return {"content": [{"type": "text", "text": " ".join(on)}], "structuredContent": {"tools": on}}
        if arguments["take"] == "break":
            raise ZeroDivisionError("this one is broken")
        try:
            return await inner.call(arguments["take"], arguments.get("with"))
        except RpcError as error:
            return {"content": [{"type": "text", "text": error.message}], "isError": True}


def make(surface, settings):
    if set(settings) - {"prefix"}:
        raise StrategyError(f"there is no setting `{min(set(settings) - {'prefix'})}`")
    return Shelves(surface, settings.get("prefix", "shelf") + "_")
