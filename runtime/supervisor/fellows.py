"""The other workers: a request whose session is elsewhere is answered there, and a parked call goes on where it waits."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.lowlevel

from meshplan.runtime.errors import INVALID_REQUEST, RpcError, unauthenticated
from meshplan.runtime.front import jsonrpc, legacy_http
from meshplan.runtime.front.asgi import respond, until_disconnect
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.front.sessions import Passed, Sessions
from meshplan.runtime.parked import Lot, ParkedError, Questions, Send
from meshplan.runtime.principal import Caller
from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.supervisor import carried
from meshplan.runtime.supervisor.peer import Incoming, LinkLostError, Peer, RefusalError, linked
from meshplan.runtime.supervisor.setup import Setup
from meshplan.runtime.supervisor.wire import Wire, connected, encode
from meshplan.runtime.upstream.port import OnNotify, UpstreamFailure, UpstreamUnavailable

_PURPOSE: Final = "caller"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fellows:
    """See ``sessions.Locator`` and ``parked.Waiting``: reaches the other workers by their sockets.

    Who calls crosses as a credential that has been verified, sealed with the key of this run of the runtime; what it
    may do is judged anew over there.
    """

    setup: Setup
    name: str
    sealer: Sealer
    lot: Lot

    async def forward(self, worker: str, passed: Passed) -> bool:
        """See ``sessions.Locator``."""
        credential = carried.credential_out(passed.caller.credential)
        visit = {
            "visit": passed.endpoint,
            "caller": await self.sealer.seal((), _PURPOSE, credential, f"{worker} {passed.endpoint}"),
            "method": passed.method,
            "headers": dict(passed.headers),
            "body": passed.body.decode("latin-1"),
        }
        try:
            async with connected(self.setup.worker(worker)) as wire:
                await wire.send(encode(visit))
                return await _relay(wire, passed)
        except OSError:
            return False

    async def begin(self, owner: tuple[str, str], send: Send, on_notify: OnNotify | None) -> dict[str, Any] | Questions:
        """See ``parked.Waiting``."""
        return self._named(await self.lot.begin(owner, send, on_notify))

    async def resume(
        self,
        questions: tuple[str, str],
        owner: tuple[str, str],
        responses: Mapping[str, Any],
        on_notify: OnNotify | None,
    ) -> dict[str, Any] | Questions:
        """See ``parked.Waiting``."""
        worker, _, number = questions[0].partition(".")
        if worker == self.name:
            return self._named(await self.lot.resume((number, questions[1]), owner, responses, on_notify))
        arguments = {"call": number, "round": questions[1], "owner": list(owner), "responses": dict(responses)}
        found = await self._resumed(worker, arguments, on_notify)
        if isinstance(found, Exception):
            raise found
        return found

    async def _resumed(
        self, worker: str, arguments: dict[str, Any], on_notify: OnNotify | None
    ) -> dict[str, Any] | Questions | Exception:
        async def on_note(note: Any) -> None:
            if on_notify is not None:
                await on_notify(note[0], note[1])

        try:
            async with linked(self.setup.worker(worker)) as peer:
                peer.put({"peer": self.name})
                try:
                    found = await peer.call("resume", arguments, on_note=on_note)
                except RefusalError as refusal:
                    return _failure(refusal.value)
                except LinkLostError:
                    return UpstreamUnavailable("the worker that had the call has gone", sent=True)
        except OSError:
            return ParkedError()
        return Questions(*found["questions"]) if "questions" in found else found["result"]

    def _named(self, turn: dict[str, Any] | Questions) -> dict[str, Any] | Questions:
        if isinstance(turn, Questions):
            return Questions(f"{self.name}.{turn.parked}", turn.round, turn.asked)
        return turn


async def _relay(wire: Wire, passed: Passed) -> bool:
    """Pass the answer on as it comes; False where the worker went before it began."""
    began = False
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await until_disconnect(passed.receive)
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        while (frame := await wire.receive()) is not None:
            began = True
            if "status" in frame:
                headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in frame["headers"]]
                await passed.send({"type": "http.response.start", "status": frame["status"], "headers": headers})
                continue
            body, more = frame["body"].encode("latin-1"), bool(frame["more"])
            await passed.send({"type": "http.response.body", "body": body, "more_body": more})
            if not more:
                break
        tasks.cancel_scope.cancel()
        return began
    return True


def _failure(value: dict[str, Any]) -> Exception:
    if "gone" in value:
        return ParkedError()
    if "rpc" in value:
        code, message, data = value["rpc"]
        return RpcError(code, message, data)
    return carried.failure_in(value)


@dataclass(frozen=True, slots=True)
class Door:
    """Lets the other workers in."""

    name: str
    desk: Desk
    sessions: Sessions
    sealer: Sealer
    lot: Lot

    async def welcome(self, wire: Wire) -> None:
        """Serve one connection."""
        try:
            first = await wire.receive()
            if first is not None and "visit" in first:
                await self._visit(wire, first)
            elif first is not None:
                await Peer(wire, self._answer).run()
        except (ExceptionGroup, OSError, RuntimeError, ValueError):
            _log.exception("a request of another worker broke")

    async def _visit(self, wire: Wire, sent: dict[str, Any]) -> None:
        """Answer one HTTP request as if it had come here; that it breaks off ends only the waiting."""
        gone = anyio.Event()

        async def watch() -> None:
            while await wire.receive() is not None:
                pass
            gone.set()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            try:
                await wire.send(encode(_shown(message)))
            except OSError:
                gone.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            caller = await self._caller(sent)
            if isinstance(caller, RpcError):
                status = 401 if caller.code != INVALID_REQUEST else 404
                await respond(send, status, jsonrpc.error_text(None, caller))
            else:
                method, body = sent["method"], sent["body"].encode("latin-1")
                visit = legacy_http.Visit(
                    self.desk, self.sessions, sent["visit"], caller, sent["headers"], receive, send, method, body
                )
                await legacy_http.METHODS[method](visit)
            tasks.cancel_scope.cancel()

    async def _caller(self, sent: dict[str, Any]) -> Caller | RpcError:
        """Whom the sealed credential stands for in the newest plan, or why it stands for nobody."""
        snapshot = self.desk.active.snapshot
        if snapshot is None or sent["visit"] not in snapshot.endpoints:
            return RpcError(INVALID_REQUEST, "there is no such endpoint")
        try:
            sealed = await self.sealer.open((), _PURPOSE, sent["caller"], f"{self.name} {sent['visit']}")
        except BrokenSealError:
            return unauthenticated()
        credential = carried.credential_in(sealed)
        principal = snapshot.keyring.principal(credential, self.desk.active.now)
        return unauthenticated() if principal is None else Caller(credential, principal)

    async def _answer(self, name: str, arguments: Any, incoming: Incoming) -> Any:
        """Let a parked call go on; the worker that asks has decided it anew."""

        async def on_notify(method: str, params: dict[str, Any]) -> None:
            incoming.note([method, params])
            await anyio.lowlevel.checkpoint()

        if name != "resume":
            raise RefusalError({"reason": f"nobody answers `{name}` here"})
        owner: tuple[str, str] = tuple(arguments["owner"])
        number, responses = (arguments["call"], arguments["round"]), arguments["responses"]
        try:
            turn = await self.lot.resume(number, owner, responses, on_notify)
        except ParkedError:
            raise RefusalError({"gone": True}) from None
        except RpcError as error:
            raise RefusalError({"rpc": [error.code, error.message, error.data]}) from None
        except UpstreamFailure as failure:
            raise RefusalError(carried.failure_out(failure)) from None
        if isinstance(turn, Questions):
            return {"questions": [f"{self.name}.{turn.parked}", turn.round, dict(turn.asked)]}
        return {"result": turn}


def _shown(message: MutableMapping[str, Any]) -> dict[str, Any]:
    """An event of ASGI as a frame."""
    if message["type"] == "http.response.start":
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in message["headers"]]
        return {"status": message["status"], "headers": headers}
    return {"body": message.get("body", b"").decode("latin-1"), "more": message.get("more_body", False)}
