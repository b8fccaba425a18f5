"""One request on its way in: what the fronts hand to ``invoke``, whatever transport and era it came by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from meshplan.runtime.asks import Ask
from meshplan.runtime.correspondents import Whose
from meshplan.runtime.principal import Caller
from meshplan.runtime.protocol import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)
from meshplan.runtime.record import ordered_id
from meshplan.runtime.shapes import members
from meshplan.runtime.upstream.port import OnNotify
from meshplan.schemas.carriage import TASKS

if TYPE_CHECKING:
    from meshplan.runtime.targets import Held

Era = Literal["modern", "legacy"]

Via = Literal["direct", "strategy"]
"""How a call arrived: from a client, or from a strategy that answers a client's call."""

Result = dict[str, Any] | bytes
"""What answers a request: a result object, or one that is serialised already."""

Hold = Callable[["Held"], Awaitable[None]]
"""Takes what an allowed subscription is for."""

OnLimits = Callable[[Mapping[str, str]], None]
"""Gets headers that say what is left of the caller's budgets."""

_MESH_KEYS = frozenset(
    {
        PROTOCOL_VERSION_META_KEY,
        CLIENT_CAPABILITIES_META_KEY,
        CLIENT_INFO_META_KEY,
        LOG_LEVEL_META_KEY,
        "progressToken",
    }
)
"""Members of ``_meta`` that speak to us and not to the upstream."""

FIRST_WITH_LINKS = "2025-11-25"
"""The first revision that has links for the user, and the only one that tells when the user is done."""

SIGN_IN = "meshplan.sign_in"
"""Our own question among those that a client is asked: whether its user opens a link."""
_ANSWERS = "inputResponses"

_NOT_RELAYED = ("task",)
"""Members of params that ask for what no endpoint declares: they are left out, as servers ignore them."""


class Call(Struct):
    """One JSON-RPC request of an authenticated caller.

    ``param_headers`` are the ``Mcp-Param-*`` headers as they came (HTTP of 2026-07-28 only). ``on_notify`` gets the
    notifications that belong to this request. ``session`` is the caller's session with us, and ``ask`` asks the client
    in it; clients without sessions are asked by a result. ``id`` is shared by the rounds of one call, and ``parent`` is
    the attempt (its decision) that made this call to answer its own. ``request_id`` and ``version`` are what the client's
    message says of itself (JSON-RPC, MCP). ``on_limits`` gets HTTP headers.
    """

    endpoint: str
    caller: Caller
    era: Era
    method: str
    params: Mapping[str, Any]
    client_capabilities: Mapping[str, Any] = {}
    client_info: Mapping[str, Any] | None = None
    log_level: str | None = None
    wants_progress: bool = False
    on_notify: OnNotify | None = None
    param_headers: Mapping[str, str] | None = None
    session: str | None = None
    ask: Ask | None = None
    hold: Hold | None = None
    id: str = field(default_factory=ordered_id)
    via: Via = "direct"
    parent: str | None = None
    request_id: str | int | None = None
    version: str | None = None
    on_limits: OnLimits | None = None

    @property
    def whose(self) -> Whose | None:
        """The client, where it has a session and its revision tells of links that a user is done with."""
        if self.session is None or self.version is None or self.version < FIRST_WITH_LINKS:
            return None
        return (*self.caller.owner, self.endpoint, self.session)

    @property
    def legacy(self) -> bool:
        """Whether the caller speaks a revision with sessions."""
        return self.era == "legacy"

    def forwarded(self) -> dict[str, Any]:
        """The params for the upstream: everything that the caller sent, less what was meant for us."""
        kept = dict(self.params)
        for name in _NOT_RELAYED:
            kept.pop(name, None)
        meta = members(kept.pop("_meta", None))
        if meta and (inner := {name: value for name, value in meta.items() if name not in _MESH_KEYS}):
            kept["_meta"] = inner
        if self.sign_in_answer is not None:
            others = {name: value for name, value in kept.pop(_ANSWERS).items() if name != SIGN_IN}
            kept |= {_ANSWERS: others} if others else {}
        return kept

    @property
    def sign_in_answer(self) -> dict[str, Any] | None:
        """What the client said to our own question, if it was asked."""
        answers = members(self.params.get(_ANSWERS))
        return None if answers is None else members(answers.get(SIGN_IN))

    def declared(self, *, tasks: bool = False) -> dict[str, Any]:
        """The client's capabilities; ``tasks`` says whether those of the tasks extension are relayed to this server."""
        kept = {name: value for name, value in self.client_capabilities.items() if name != "tasks"}
        extensions = members(kept.get("extensions"))
        if extensions is not None and not tasks:
            kept["extensions"] = {name: value for name, value in extensions.items() if name != TASKS}
        return kept
