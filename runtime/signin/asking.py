"""How callers learn that they have to sign in to a server: by a link, in the way that their client understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import anyio

from meshplan.runtime.asks import answerable
from meshplan.runtime.call import SIGN_IN, Call
from meshplan.runtime.errors import INTERNAL_ERROR, RpcError, elicitation_required, sign_in_required
from meshplan.runtime.record import new_id
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.signin.sign_ins import PATH, SignIns

WAIT_SECONDS: Final = 20.0
"""How long a retry waits for the caller to finish in the browser, before the client is asked again."""
_LOOK_SECONDS: Final = 0.25
_MAY_ASK: Final = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods of 2026-07-28 whose results may ask for input."""


async def ask(
    sign_ins: SignIns, call: Call, server: str, seconds: float, scopes: tuple[str, ...] = ()
) -> dict[str, Any] | None:
    """A result that asks the client to open a link, or ``None`` where its user has signed in meanwhile.

    ``scopes`` are what the server wants and the caller has not agreed to so far, where that is what is missing. Raises ``RpcError`` for clients that are told by an error, and for users who said no.
    """
    answer = call.sign_in_answer
    if answer is not None and await _answered(sign_ins, call, server, answer, seconds, scopes):
        return None
    try:
        url = await _link(sign_ins, call.caller.owner, server, scopes)
    except SecretError as error:
        raise RpcError(INTERNAL_ERROR, "no link to sign in with can be made", {"reason": "sign_in"}) from error
    more = " once more: it wants more than you have agreed to" if scopes else ""
    message = f"Sign in to `{server}`{more}, so that the mesh can call it for you."
    question = {"mode": "url", "url": url, "message": message}
    if url is None or not answerable(call.client_capabilities, "elicitation/create", question):
        raise sign_in_required(server, url)
    if call.legacy:
        raise elicitation_required(message, {**question, "elicitationId": _awaited(sign_ins, call, server)})
    if call.method not in _MAY_ASK:
        raise sign_in_required(server, url)
    asked = {"method": "elicitation/create", "params": question}
    return {"resultType": "input_required", "inputRequests": {SIGN_IN: asked}}


async def _answered(
    sign_ins: SignIns, call: Call, server: str, answer: Mapping[str, Any], seconds: float, scopes: tuple[str, ...]
) -> bool:
    """Whether the user who agreed to open the link has signed in; waits a little. Raises ``RpcError`` for a no."""
    if answer.get("action") != "accept":
        raise sign_in_required(server, None, declined=True)
    wanted = sign_ins.wanted(server)
    with anyio.move_on_after(min(seconds, WAIT_SECONDS)):
        while wanted is not None:
            if await sign_ins.has(wanted.holder(call.caller.owner), scopes):
                return True
            await anyio.sleep(_LOOK_SECONDS)
    return False


def _awaited(sign_ins: SignIns, call: Call, server: str) -> str:
    """An id for the link, by which a client whose revision has that hears that its user has signed in."""
    number, wanted = new_id(), sign_ins.wanted(server)
    if call.whose is not None and wanted is not None:
        sign_ins.awaited.expect(sign_ins.vault(), wanted.holder(call.caller.owner), call.whose, number)
    return number


async def _link(sign_ins: SignIns, owner: tuple[str, str], server: str, scopes: tuple[str, ...]) -> str | None:
    """A link that only says, to us, for whom it is: whoever opens it has to prove to be that caller."""
    if sign_ins.base is None or not sign_ins.provable(owner):
        return None
    ticket = await sign_ins.tickets().make("link", {"o": list(owner), "s": server, "m": list(scopes)})
    return f"{sign_ins.base}{PATH}{ticket}"
