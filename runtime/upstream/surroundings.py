"""What all connections to servers share: where secrets come from, where names may lead, and who hears of what happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from meshplan.runtime.secrets import Secrets
from meshplan.runtime.upstream.breaker import OwnStanding, Standing
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.links import OnCompleted
from meshplan.schemas.plan import Transport

if TYPE_CHECKING:
    import httpx2

    from meshplan.runtime.signin.sign_ins import SignIns

OnSessionEnded = Callable[[Transport, str, float, str | None], None]
"""Gets where a session was, its protocol version, how many seconds it lasted, and the kind of error that ended it."""

StandingOf = Callable[[str, Transport], Standing]
"""What is known of a server (its name, and the address of one of its replicas)."""


def own_standing(_server: str, _transport: Transport) -> Standing:
    """What only this process knows."""
    return OwnStanding()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the servers of one pool share."""

    secrets: Secrets
    root: Path
    http_pool: Callable[[], httpx2.AsyncBaseTransport]
    on_list_changed: Callable[[str, str], None] | None = None
    on_connected: Callable[[str], None] | None = None
    egress: Egress = field(default_factory=Egress)
    sign_ins: SignIns | None = None
    on_completed: OnCompleted | None = None
    on_session_ended: OnSessionEnded | None = None
    standing: StandingOf = own_standing
