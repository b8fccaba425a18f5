"""Session ids: sealed, so that nobody can make one up, and any worker can read whose session it is and who keeps it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshplan.runtime.asks import relayed_capabilities
from meshplan.runtime.front.session import Session
from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.secrets import SecretError
from meshplan.runtime.shapes import members, text
from meshplan.schemas import jsontext
from meshplan.schemas.plan import Value

LIFETIME = 7 * 24 * 3600
"""Seconds after which a client has to open a new session, however busy the old one is."""
MAX_CAPABILITIES = 1024
"""Characters of JSON: a client that declares more is known in full to the owner of its session only."""
_PURPOSE = "session id"


@dataclass(frozen=True, slots=True)
class SessionToken:
    """What a session id says: the worker that has the session, its number there, and what ``initialize`` agreed on."""

    worker: str
    number: str
    expires: int
    version: str
    capabilities: Mapping[str, Any]


class Tokens:
    """Makes and reads session ids; a principal and an endpoint other than the session's can read nothing."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def make(self, keys: tuple[Value, ...], worker: str, session: Session) -> str:
        """The id of a session that this worker keeps; raises ``SecretError`` where a seal key has no value."""
        capabilities = relayed_capabilities(session.client_capabilities)
        payload = {
            "w": worker,
            "n": session.number,
            "x": int(time.time()) + LIFETIME,
            "v": session.version,
            "c": capabilities if len(jsontext.dump(capabilities)) <= MAX_CAPABILITIES else {},
        }
        return await self._sealer.seal(keys, _PURPOSE, payload, _binding(session.owner, session.endpoint))

    async def read(
        self, keys: tuple[Value, ...], sent: str, owner: tuple[str, str], endpoint: str
    ) -> SessionToken | None:
        """What an id says to this principal at this endpoint; ``None`` for one that is forged, foreign or expired."""
        try:
            found = await self._sealer.open(keys, _PURPOSE, sent, _binding(owner, endpoint))
        except (BrokenSealError, SecretError):
            return None
        worker, number, version = text(found.get("w")), text(found.get("n")), text(found.get("v"))
        expires = found.get("x")
        if worker is None or number is None or version is None or not isinstance(expires, int):
            return None
        if expires <= time.time():
            return None
        return SessionToken(worker, number, expires, version, members(found.get("c")) or {})


def _binding(owner: tuple[str, str], endpoint: str) -> str:
    return jsontext.dump([*owner, endpoint])
