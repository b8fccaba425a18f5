"""The pages on which callers sign in to servers, over HTTP; everything that is refused there is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from meshplan.runtime.front.asgi import BodyError, Receive, Scope, Send, read_body
from meshplan.runtime.front.desk import Desk
from meshplan.runtime.identity.door import Door
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.principal import Approach
from meshplan.runtime.signin.front import MAX_FORM, Front
from meshplan.runtime.signin.sign_ins import PATH, SignIns
from meshplan.runtime.signin.visit import PageError, Visit, read_cookies, reply, reply_error
from meshplan.runtime.snapshot import Snapshot

CONNECTING = "connect"
"""What stands for a method where a browser's request is recorded."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Serves what is below ``/connect/``."""

    desk: Desk
    sign_ins: SignIns
    verifier: Verifier

    async def serve(
        self, scope: Scope, seen: Approach, door: Door, snapshot: Snapshot, receive: Receive, send: Send
    ) -> None:
        """Answer one request of a browser."""
        method, query = str(scope["method"]), bytes(scope.get("query_string", b""))
        visit = Visit(
            base=self.sign_ins.base or "",
            method=method,
            path=str(scope["path"]).removeprefix(PATH),
            query=query,
            seen=seen,
            door=door,
            snapshot=snapshot,
            body=await self._form(seen, receive) if method == "POST" else b"",
            cookies=read_cookies(seen.headers.get("cookie", "")),
        )
        front = Front(self.sign_ins, self.verifier, lambda: self.desk.active.now)
        try:
            answer = await front.answer(visit)
        except PageError as error:
            self.desk.invoker.turn_away("", error.why, method=CONNECTING)
            await reply_error(send, visit, error)
        else:
            await reply(send, visit, answer)

    async def _form(self, seen: Approach, receive: Receive) -> bytes:
        try:
            return await read_body(receive, seen.headers.get("content-length"), MAX_FORM)
        except BodyError:
            return b""
