"""The tasks extension (io.modelcontextprotocol/tasks): a task is reached by who started it, at the server that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from meshplan.runtime.call import Call
from meshplan.runtime.errors import HEADER_MISMATCH, INTERNAL_ERROR, RpcError, invalid, method_not_found, unknown
from meshplan.runtime.protocol import MCP_NAME_HEADER, MISSING_REQUIRED_CLIENT_CAPABILITY, decode_header_value
from meshplan.runtime.results import outward_uris
from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.shapes import members, text
from meshplan.runtime.snapshot import View
from meshplan.runtime.targets import Target, Trace
from meshplan.schemas import jsontext
from meshplan.schemas.carriage import TASKS

METHODS: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
RELAY: Final = "tasks"
_PURPOSE: Final = "taskId"


class Tasks:
    """Task ids as callers see them: sealed, for one principal at one endpoint, so that nobody reaches another's task."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def target(self, view: View, call: Call, trace: Trace) -> Target:
        """Where an operation on a task leads; decided anew on the capability that started it. Raises ``RpcError``.

        Arguments are not at hand any more: a rule that reads them counts as it does for lists.
        """
        if call.legacy or not view.index.extensions:
            raise method_not_found(call.method)
        check_declared(call.client_capabilities)
        shown = text(call.params.get("taskId"))
        if shown is None:
            raise invalid("a task id is missing")
        if call.param_headers is not None and decode_header_value(call.param_headers.get(MCP_NAME_HEADER)) != shown:
            raise RpcError(HEADER_MISMATCH, f"header `{MCP_NAME_HEADER}` does not match the request's body")
        try:
            keys = view.snapshot.plan.runtime.seal_keys
            found = await self._sealer.open(keys, _PURPOSE, shown, _binding(view, call))
        except (BrokenSealError, SecretError):
            raise unknown("task", shown[:200], "no_such_task") from None
        server, capability = str(found["s"]), str(found["c"])
        judge_task(view, server, capability, trace, shown)
        return Target(server, view.index.timeouts[server], {**call.forwarded(), "taskId": found["t"]})

    async def outward(
        self, view: View, call: Call, target: Target, trace: Trace, result: dict[str, Any]
    ) -> dict[str, Any]:
        """A result under the caller's own task id; raises ``RpcError``."""
        if call.method in METHODS:
            return as_seen(view, call, target.server, result)
        upstream = text(result.get("taskId"))
        if upstream is None or trace.capability is None:
            return result
        payload = {"s": target.server, "t": upstream, "c": trace.capability}
        try:
            keys = view.snapshot.plan.runtime.seal_keys
            sealed = await self._sealer.seal(keys, _PURPOSE, payload, _binding(view, call))
        except SecretError as error:
            raise RpcError(INTERNAL_ERROR, "the task id cannot be sealed") from error
        return {**result, "taskId": sealed}


def judge_task(view: View, server: str, capability: str, trace: Trace, named: str = "") -> None:
    """Decide on what started a task; raises ``RpcError``, which calls the task what its caller does."""
    verdict = view.judge(capability)
    trace.note(capability, verdict)
    if not verdict.allowed:
        raise unknown("task", named[:200], verdict.code)
    if RELAY not in view.index.relays.get(server, ()):
        raise unknown("task", named[:200], "not_relayed")


def check_declared(capabilities: Mapping[str, Any]) -> None:
    """Only a client that declares the extension is told of tasks; raises ``RpcError``."""
    if TASKS not in (members(capabilities.get("extensions")) or {}):
        wanted: dict[str, Any] = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
        raise RpcError(MISSING_REQUIRED_CLIENT_CAPABILITY, f"the client does not declare `{TASKS}`", wanted)


def as_seen(view: View, call: Call, server: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """A task as its caller sees it, in a result or a notification: under its own id, with the endpoint's URIs."""
    found = dict(result)
    if "taskId" in found:
        found["taskId"] = call.params["taskId"]
    inner = members(found.get("result"))
    if inner is not None:
        found["result"] = outward_uris(view.index, server, "tools/call", inner)
    return found


def _binding(view: View, call: Call) -> str:
    return jsontext.canonical([*call.caller.owner, view.index.name])
