"""One program in the sandbox's process: the interpreter stops at each of its calls, and goes on with what came of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import pydantic_monty as monty

from meshplan.runtime.strategies.code.host_wire import Kind, Order, Wire, end_text
from meshplan.runtime.strategies.code.outward import NotJsonError, bounded

MAX_ARGUMENTS: Final = 1024 * 1024
"""Bytes of JSON that one inner call may send."""
_KILLED_WITHIN: Final = 5.0
"""Seconds after which a process that waits to be killed leaves by itself."""
_SLEEP: Final = "system.async_sleep"


class Ended(Exception):
    """The program is over, whatever it would like to do next."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind: Kind = kind


class Run:
    """One program on its way: what it asks for, what it waits for."""

    def __init__(self, wire: Wire, order: Order) -> None:
        self._wire, self._order = wire, order
        self._asked: dict[int, str] = {}
        self._settled: dict[int, Any] = {}
        self._sleeping: dict[int, float] = {}
        self._calls = 0
        self.logs: list[str] = []
        self._logged = 0

    def log(self, _stream: str, text: str) -> None:
        """What the program prints; too much of it ends the process, as nothing less stops a loop at once."""
        room = self._order.logs - self._logged
        self._logged += len(text.encode())
        self.logs.append(text if self._logged <= self._order.logs else text.encode()[:room].decode(errors="ignore"))
        if self._logged > self._order.logs:
            self._wire.send(end_text(None, ("logs", f"it printed more than {self._order.logs} bytes", None), self.logs))
            time.sleep(_KILLED_WITHIN)
            os._exit(1)

    def drive(self, session: monty.MontySession) -> str:
        """Run it to its end; the JSON of its value."""
        snapshot = session.feed_start(self._order.code, print_callback=self.log)
        while not isinstance(snapshot, monty.MontyComplete):
            if isinstance(snapshot, monty.NameLookupSnapshot):
                snapshot = self._name(snapshot)
            elif isinstance(snapshot, monty.FunctionSnapshot):
                snapshot = self._function(snapshot)
            else:
                snapshot = snapshot.resume(self._wait(snapshot.pending_call_ids))
        value = snapshot.output
        if value is None:
            value = session.feed_run("result", external_lookup={"result": None})
        try:
            return bounded(value, self._order.output)
        except NotJsonError as error:
            raise Ended("output", f"its value cannot be returned: {error}") from None

    def _name(self, snapshot: monty.NameLookupSnapshot) -> monty.SyncSnapshot:
        if snapshot.object_id is None and snapshot.variable_name in self._order.names:
            return snapshot.resume(value=named(snapshot.variable_name))
        return snapshot.resume()

    def _function(self, snapshot: monty.FunctionSnapshot) -> monty.SyncSnapshot:
        if snapshot.is_os_function:
            if snapshot.function_name != _SLEEP:
                return snapshot.resume_not_handled()
            seconds = snapshot.args[0] if snapshot.args else 0.0
            self._sleeping[snapshot.call_id] = time.monotonic() + max(0.0, float(seconds))
            return snapshot.resume({"future": ...})
        self._calls += 1
        if self._calls > self._order.calls:
            raise Ended("calls", f"it made more than {self._order.calls} calls")
        try:
            sent = bounded([list(snapshot.args), snapshot.kwargs], MAX_ARGUMENTS)
        except NotJsonError as error:
            message = f"the arguments of `{snapshot.function_name}` cannot be sent: {error}"
            return snapshot.resume({"exc_type": "TypeError", "message": message})
        name = json.dumps(snapshot.function_name)
        self._asked[snapshot.call_id] = f'{{"say":"call","call":{snapshot.call_id},"name":{name},"sent":{sent}}}'
        return snapshot.resume({"future": ...})

    def _wait(self, pending: list[int]) -> dict[int, Any]:
        """Send what was asked for, and wait until one of these is there."""
        for text in self._asked.values():
            self._wire.send(text.encode())
        self._asked.clear()
        while True:
            now = time.monotonic()
            for call, due in list(self._sleeping.items()):
                if due <= now:
                    del self._sleeping[call]
                    self._settled[call] = {"return_value": None}
            found = {call: self._settled.pop(call) for call in pending if call in self._settled}
            if found:
                return found
            if now >= self._order.deadline:
                raise Ended("wall", f"it took longer than {self._order.wall:g} seconds")
            self._take(self._wire.receive(min([self._order.deadline, *self._sleeping.values()])))

    def _take(self, message: Mapping[str, Any] | None) -> None:
        if message is None:
            return
        if "stop" in message:
            raise Ended("stopped", message["stop"])
        if "error" in message:
            self._settled[message["settle"]] = {"exc_type": message["type"], "message": message["error"]}
        else:
            self._settled[message["settle"]] = {"return_value": message["value"]}


def named(name: str) -> Callable[[], None]:
    """What stands for a function of this name in a program."""

    def function() -> None: ...

    function.__name__ = name
    return function
