"""Input that a modern upstream asks for, got from a client of the handshake era: ask, retry, until it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from msgspec.structs import replace

from meshplan.runtime.asks import Ask
from meshplan.runtime.call import Call, Result
from meshplan.runtime.errors import INTERNAL_ERROR, RpcError, cannot_answer
from meshplan.runtime.record import new_id
from meshplan.runtime.shapes import members, text

MAX_ROUNDS = 10
MAX_QUESTIONS = 16
"""Questions in one round."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.25
_ANSWERS, _STATE = "inputResponses", "requestState"


async def complete(invoke: Callable[[Call], Awaitable[Result]], call: Call, ask: Ask) -> Result:
    """Answer a call, with as many rounds of questions as the upstream needs; each round is decided again.

    A server of the handshake era asks while its call runs: then ``ask`` is called from inside ``invoke``.
    """
    plain = call.params
    if _ANSWERS in plain or _STATE in plain:
        plain = {name: value for name, value in plain.items() if name not in (_ANSWERS, _STATE)}
        call = replace(call, params=plain)
    if call.ask is not ask:
        call = replace(call, ask=ask)
    result, pause = await invoke(call), _FIRST_PAUSE
    for _ in range(MAX_ROUNDS):
        if isinstance(result, bytes) or result.get("resultType") != "input_required":
            return result
        params = dict(plain)
        questions = members(result.get("inputRequests"))
        if questions:
            params[_ANSWERS] = await _answers(questions, ask)
        else:
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        if _STATE in result:
            params[_STATE] = result[_STATE]
        result = await invoke(replace(call, params=params))
    raise RpcError(INTERNAL_ERROR, f"the server asked for input more than {MAX_ROUNDS} times", {"reason": "rounds"})


def _numbered(params: dict[str, Any]) -> dict[str, Any]:
    """A question with what the client's revision wants in it: links have an id there, and none in 2026-07-28."""
    return {"elicitationId": new_id(), **params} if params.get("mode") == "url" else params


async def _answers(questions: dict[str, Any], ask: Ask) -> dict[str, Any]:
    """Ask all at once; the first refusal stops the others."""
    if len(questions) > MAX_QUESTIONS:
        raise RpcError(INTERNAL_ERROR, f"the server asked more than {MAX_QUESTIONS} questions at once")
    answers: dict[str, Any] = {}
    failures: list[RpcError] = []
    async with anyio.create_task_group() as group:

        async def one(key: str, question: Any) -> None:
            asked = members(question) or {}
            method = text(asked.get("method")) or ""
            try:
                answers[key] = await ask(method, _numbered(members(asked.get("params")) or {}))
            except RpcError as error:
                failures.append(error)
                group.cancel_scope.cancel()

        for key, question in questions.items():
            group.start_soon(one, key, question)
    if failures:
        raise failures[0]
    if len(answers) != len(questions):
        raise cannot_answer("input")
    return {key: answers[key] for key in questions}
