"""Calls that take several requests: what a server asks in between, sealed into ``requestState``, opened on the retry."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
from msgspec.structs import replace

from meshplan.runtime import passed
from meshplan.runtime.asks import answerable, links_in, question_params, relayed_capabilities
from meshplan.runtime.call import Call
from meshplan.runtime.errors import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, URL_ELICITATION_REQUIRED, RpcError
from meshplan.runtime.parked import ParkedError, Questions, Waiting
from meshplan.runtime.record import new_id
from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.shapes import members, text
from meshplan.runtime.snapshot import View
from meshplan.runtime.targets import Target, Trace
from meshplan.runtime.upstream.port import Client, OnAsk, OnNotify, Upstream, UpstreamRefusal, UpstreamRequest
from meshplan.runtime.used import Once, Used
from meshplan.schemas import jsontext

MAX_AGE: Final = 3600.0
"""Seconds for which the state of a modern server is taken back."""

_PURPOSE: Final = "requestState"
_ANSWERS, _STATE = "inputResponses", "requestState"
_NOT_BOUND: Final = frozenset({"_meta", _ANSWERS, _STATE})

Again = Callable[[Call], Target | None]
"""Decides a call on the newest plan; raises ``RpcError``."""


@dataclass(frozen=True, slots=True)
class _State:
    """What a ``requestState`` of ours says: ``parked`` is a parked call and its round, else ``upstream`` the server's."""

    call: str
    nonce: str
    expires: float
    parked: tuple[str, str] | None
    upstream: str | None


class Rounds:
    """Sends requests that may need more than one round; ``used`` holds which states were."""

    def __init__(
        self,
        again: Again,
        sealer: Sealer,
        lot: Waiting | None = None,
        now: Callable[[], float] = time.time,
        used: Once | None = None,
    ) -> None:
        self._again, self._sealer, self._lot, self._now = again, sealer, lot, now
        self._used = used or Used(now)

    async def send(
        self, view: View, call: Call, target: Target, trace: Trace, request: UpstreamRequest, upstream: Upstream
    ) -> dict[str, Any] | bytes:
        """The server's result, or one that asks the client for input; raises ``UpstreamFailure`` and ``RpcError``."""
        try:
            return await self._sent(view, call, target, trace, request, upstream)
        except UpstreamRefusal as refusal:
            if refusal.code != URL_ELICITATION_REQUIRED or not (links := _links(call, refusal)):
                raise
        # A retry is the same call anew: the server learns by other ways that the user was there.
        state = await self._sealed(view, call, target, trace)
        return {"resultType": "input_required", "inputRequests": links, _STATE: state}

    async def _sent(
        self, view: View, call: Call, target: Target, trace: Trace, request: UpstreamRequest, upstream: Upstream
    ) -> dict[str, Any] | bytes:
        per_client = view.snapshot.plan.servers[target.server].sessions == "per_client"
        if not per_client and _STATE not in call.params:
            result = await upstream.forward(request)
            if isinstance(result, bytes):
                if not passed.asks(result):
                    return result
                result = passed.read(result)
            if result.get("resultType") != "input_required":
                return result
            return await self._wrapped(view, call, target, trace, result)
        if _STATE in call.params:
            state = await self._opened(view, call, target, trace)
            trace.call = state.call
            if state.parked is not None:
                return await self._resume(view, call, target, trace, state.parked)
            if state.upstream is not None:
                request = replace(request, params={**request.params, _STATE: state.upstream})
            else:
                plain = {name: value for name, value in request.params.items() if name not in (_ANSWERS, _STATE)}
                request = replace(request, params=plain)
        result = await (self._ask_through(call, target, request, upstream) if per_client else upstream.request(request))
        if isinstance(result, Questions):
            return await self._asked(view, call, target, trace, result)
        if result.get("resultType") == "input_required":
            return await self._wrapped(view, call, target, trace, result)
        return result

    async def _ask_through(
        self, call: Call, target: Target, request: UpstreamRequest, upstream: Upstream
    ) -> dict[str, Any] | Questions:
        """Send with somebody to ask: at once where the caller has a session, else by parking the call."""
        declared = relayed_capabilities(call.client_capabilities)
        request = replace(request, client=_client(call, declared))
        if call.ask is not None:
            return await self._ask_at_once(call, target, request, upstream)
        if call.legacy or not declared or self._lot is None:
            return await upstream.request(request)

        async def send(on_ask: OnAsk, on_notify: OnNotify) -> dict[str, Any]:
            async def asked(method: str, params: dict[str, Any]) -> dict[str, Any]:
                _refuse_unanswerable(call, method, params)
                return await on_ask(method, question_params(params, legacy=False))

            return await upstream.request(replace(request, on_ask=asked, on_notify=on_notify))

        return await self._lot.begin(call.caller.owner, send, request.on_notify)

    async def _ask_at_once(
        self, call: Call, target: Target, request: UpstreamRequest, upstream: Upstream
    ) -> dict[str, Any]:
        refused: list[RpcError] = []

        async def asked(method: str, params: dict[str, Any]) -> dict[str, Any]:
            _refuse_unanswerable(call, method, params)
            try:
                self.check_again(call, target)
            except RpcError as error:
                refused.append(error)
                scope.cancel()
                raise UpstreamRefusal(INTERNAL_ERROR, "the call was ended") from None
            try:
                return await call.ask(method, question_params(params, legacy=True)) if call.ask else {}
            except RpcError as error:
                raise UpstreamRefusal(error.code, error.message, error.data) from None

        with anyio.CancelScope() as scope:
            return await upstream.request(replace(request, on_ask=asked))
        raise refused[0]

    def check_again(self, call: Call, target: Target) -> None:
        """The newest plan still lets the call go where it goes; raises ``RpcError`` otherwise."""
        fresh = self._again(call)
        if fresh is None or (fresh.server, _digest(fresh)) != (target.server, _digest(target)):
            raise _refused("the call leads somewhere else by now")

    async def _resume(
        self, view: View, call: Call, target: Target, trace: Trace, parked: tuple[str, str]
    ) -> dict[str, Any]:
        if self._lot is None:
            raise _gone()
        answers = members(call.params.get(_ANSWERS)) or {}
        try:
            result = await self._lot.resume(parked, call.caller.owner, answers, call.on_notify)
        except ParkedError:
            raise _gone() from None
        return await self._asked(view, call, target, trace, result) if isinstance(result, Questions) else result

    async def _asked(
        self, view: View, call: Call, target: Target, trace: Trace, questions: Questions
    ) -> dict[str, Any]:
        state = await self._sealed(view, call, target, trace, parked=[questions.parked, questions.round])
        return {"resultType": "input_required", "inputRequests": dict(questions.asked), _STATE: state}

    async def _wrapped(
        self, view: View, call: Call, target: Target, trace: Trace, result: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A modern server's own round: its state leaves only in our seal."""
        if _STATE not in result:
            return dict(result)
        return {**result, _STATE: await self._sealed(view, call, target, trace, upstream=text(result[_STATE]))}

    async def _sealed(self, view: View, call: Call, target: Target, trace: Trace, **what: Any) -> str:
        payload = {"c": trace.call or call.id, "n": new_id(), "e": int(self._now() + MAX_AGE), **what}
        keys = view.snapshot.plan.runtime.seal_keys
        try:
            return await self._sealer.seal(keys, _PURPOSE, payload, _binding(call, target, trace))
        except SecretError as error:
            raise RpcError(INTERNAL_ERROR, "the state of the call cannot be sealed") from error

    async def _opened(self, view: View, call: Call, target: Target, trace: Trace) -> _State:
        """What the caller's state says; raises ``RpcError`` for one that is not of this very call, or was used."""
        sent = call.params[_STATE]
        keys = view.snapshot.plan.runtime.seal_keys
        try:
            found = await self._sealer.open(keys, _PURPOSE, text(sent) or "", _binding(call, target, trace))
        except (BrokenSealError, SecretError):
            raise _refused("the request state is not one of this call") from None
        parked = found.get("parked")
        state = _State(found["c"], found["n"], found["e"], tuple(parked) if parked else None, found.get("upstream"))
        if state.expires < self._now():
            raise _refused("the request state has expired")
        # Each state is good for one retry; what is parked knows its round itself.
        if state.parked is None and not await self._used.take(state.nonce, state.expires):
            raise _refused("the request state was used before")
        return state


def client_name(endpoint: str, session: str) -> str:
    """What tells a client with a session from the other clients of its principal."""
    return f"{endpoint} {session}"


def client_of(call: Call) -> Client:
    """Whose session a call belongs to, at a server that has one a client."""
    return _client(call, relayed_capabilities(call.client_capabilities))


def _client(call: Call, declared: Mapping[str, Any]) -> Client:
    capabilities = jsontext.canonical(declared)
    if call.session is not None:
        return Client(call.caller.owner, client_name(call.endpoint, call.session), capabilities)
    name = jsontext.canonical([call.endpoint, call.client_info])
    return Client(call.caller.owner, name, capabilities, alone=bool(declared))


def _refuse_unanswerable(call: Call, method: str, params: Mapping[str, Any]) -> None:
    if not answerable(call.client_capabilities, method, params):
        raise UpstreamRefusal(METHOD_NOT_FOUND, "this client declares no capability for that request")


def _links(call: Call, refusal: UpstreamRefusal) -> dict[str, dict[str, Any]]:
    """What a client of 2026-07-28 is asked in place of an error that its revision has not got."""
    found = {} if call.legacy else links_in(refusal.data)
    can = all(answerable(call.client_capabilities, one["method"], one["params"]) for one in found.values())
    return found if can else {}


def _digest(target: Target) -> str:
    return jsontext.digest(jsontext.canonical({k: v for k, v in target.params.items() if k not in _NOT_BOUND}))


def _binding(call: Call, target: Target, trace: Trace) -> str:
    """Who may come back with a state, and for what: the same call, by the same principal, at the same endpoint."""
    owner = list(call.caller.owner)
    return jsontext.canonical([*owner, call.endpoint, call.method, target.server, trace.capability, _digest(target)])


def _refused(message: str) -> RpcError:
    return RpcError(INVALID_PARAMS, message, {"reason": "request_state"})


def _gone() -> RpcError:
    return RpcError(INVALID_PARAMS, "the call does not wait any more", {"reason": "request_state_gone"})
