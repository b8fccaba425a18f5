"""What a strategy is: which tools the clients of one endpoint see, and what becomes of calls of its own tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from meshplan.runtime.call import Call, Result
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.capability import Effect


class StrategyError(PlanRefusedError):
    """A strategy cannot serve an endpoint, so the plan is refused; the text says why, for operators."""

    def __init__(self, message: str) -> None:
        super().__init__("strategy", message)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool that an endpoint offers: ``name`` and ``definition`` (JSON) as advertised, ``effect`` as reviewed."""

    capability: str
    server: str
    name: str
    definition: bytes
    effect: Effect


@dataclass(frozen=True, slots=True)
class Surface:
    """The tools that an endpoint of one plan offers, in its order; no caller may use more, most may use less."""

    endpoint: str
    tools: tuple[Tool, ...]


class Inner(Protocol):
    """What a strategy can do for one call of one of its own tools, in the name of that call's caller.

    Whatever it calls is decided, budgeted, sent and recorded like a direct call, on the newest plan, and ends with the
    call that it belongs to. What the caller may not use fails like what does not exist: ``RpcError`` with the reason
    ``not_available``.
    """

    @property
    def visible(self) -> frozenset[str]:
        """The ids of the capabilities that the caller may see; nothing else may show in an answer."""
        ...

    @property
    def request(self) -> Call:
        """The call itself, with its client's era and capabilities."""
        ...

    async def forward(self, name: str, arguments: Mapping[str, Any] | None) -> Result:
        """The call turns into this one: its result unchanged, with its progress, questions and rounds."""
        ...

    async def call(
        self, name: str, arguments: Mapping[str, Any] | None, *, resume: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call one of several tools; many may run at once, as many as the caller may have under way.

        Progress is told per finished call. What a server asks is asked in the client's session, where it has one;
        else the result has ``resultType`` ``input_required``, and ``resume`` takes ``inputResponses``, ``requestState``.
        """
        ...


class Strategy(Protocol):
    """How one endpoint of one plan exposes its tools; shared by all callers, holds nothing that must be closed."""

    @property
    def names(self) -> frozenset[str]:
        """The names of its own tools: those that it lists for anybody."""
        ...

    @property
    def direct(self) -> frozenset[str]:
        """The names of the offered tools that it lists, so that clients call them as they are."""
        ...

    @property
    def instructions(self) -> str | None:
        """What clients are told besides the endpoint's description, the same for everybody."""
        ...

    def listed(self, visible: frozenset[str]) -> Sequence[bytes]:
        """The definitions (JSON) that a caller sees who may see these capabilities; the same bytes for the same set."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any], inner: Inner) -> Result:
        """Answer a call of one of its own tools with a ``CallToolResult``; raises ``RpcError``."""
        ...


Make = Callable[[Surface, Mapping[str, Any]], Strategy]
"""Makes a strategy with the settings of the plan; what an entry point of `meshplan.strategies` names.

Raises ``StrategyError``.
"""
