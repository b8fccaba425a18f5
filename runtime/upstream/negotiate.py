"""Finds out which era a server speaks: a modern probe, then the handshake of 2025, on raw messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from meshplan.runtime import protocol
from meshplan.runtime.upstream.envelope import CLIENT_INFO, Negotiated, wire_params
from meshplan.runtime.upstream.failures import ProtocolMismatch, SessionLost, SlowToConnect, Unavailable
from meshplan.runtime.upstream.port import UpstreamRefusal, UpstreamRequest

PROBE_SECONDS = 5.0
"""A server of 2025 may never answer a request that it does not know; a modern one that starts slowly is asked again."""

_FINAL_STATUS = frozenset({401, 403, 429})
"""HTTP refusals that the handshake would meet as well."""


class Line(Protocol):
    """What negotiation needs of an open connection."""

    async def ask(self, method: str, params: dict[str, Any], version: str, seconds: float | None) -> dict[str, Any]:
        """Send one request; raises ``UpstreamRefusal``, ``Unavailable``, and ``SlowToConnect`` after ``seconds``."""
        ...

    async def tell(self, method: str, version: str) -> None:
        """Send one notification."""
        ...

    def status(self) -> int | None:
        """The HTTP status of the last answer, where there was one."""
        ...


async def negotiate(line: Line, capabilities: Mapping[str, Any]) -> Negotiated:
    """Agree with the server on an era and a version; raises ``Unavailable``.

    ``capabilities`` are declared to an older server; a modern one is told with each request.
    """
    version = protocol.MODERN_PROTOCOL_VERSIONS[-1]
    for last in (False, True):
        try:
            found = await _probe(line, version)
        except UpstreamRefusal as refusal:
            found, named = None, _named_versions(refusal)
            mutual = [v for v in protocol.MODERN_PROTOCOL_VERSIONS if v in named]
            if mutual and not last:
                version = mutual[-1]
                continue
            if named and not named & {*protocol.HANDSHAKE_PROTOCOL_VERSIONS}:
                raise ProtocolMismatch("speaks only protocol versions that we do not know") from None
        modern = _modern(found) if found is not None else None
        if modern is not None:
            return modern
        try:
            return await _handshake(line, capabilities)
        except UpstreamRefusal as refusal:
            # A probe that was answered too late for us has settled the era: the server then names its versions.
            mutual = [v for v in protocol.MODERN_PROTOCOL_VERSIONS if v in _named_versions(refusal)]
            if last or not mutual:
                raise ProtocolMismatch(f"refused the handshake with JSON-RPC error {refusal.code}") from None
            version = mutual[-1]
    raise ProtocolMismatch("refused the protocol versions that it names itself")


async def _probe(line: Line, version: str) -> dict[str, Any] | None:
    """The answer to ``server/discover``, or ``None`` where there is none but a handshake may still succeed."""
    params = wire_params(UpstreamRequest("server/discover", {}, 0), version, None)
    try:
        return await line.ask("server/discover", params, version, PROBE_SECONDS)
    except SlowToConnect:
        return None
    except SessionLost:
        raise
    except Unavailable:
        status = line.status()
        if status is None or status < 400 or status in _FINAL_STATUS:
            raise
        return None


def _modern(found: dict[str, Any]) -> Negotiated | None:
    """What a modern server said; ``None`` for one that answers the probe only to name versions with sessions."""
    versions = found.get("supportedVersions")
    mutual = [v for v in protocol.MODERN_PROTOCOL_VERSIONS if isinstance(versions, list) and v in versions]
    if not mutual:
        return None
    meta = _object(found.get("_meta")) or {}
    return Negotiated(
        mutual[-1],
        _object(meta.get(protocol.SERVER_INFO_META_KEY)),
        _object(found.get("capabilities")) or {},
        _text(found.get("instructions")),
    )


async def _handshake(line: Line, capabilities: Mapping[str, Any]) -> Negotiated:
    version: Any = protocol.HANDSHAKE_PROTOCOL_VERSIONS[-1]
    params = {"protocolVersion": version, "capabilities": dict(capabilities), "clientInfo": CLIENT_INFO}
    found = await line.ask("initialize", params, version, None)
    version = found.get("protocolVersion")
    if version not in protocol.HANDSHAKE_PROTOCOL_VERSIONS:
        raise ProtocolMismatch("answered the handshake with a protocol version that we do not know")
    await line.tell("notifications/initialized", version)
    return Negotiated(
        version,
        _object(found.get("serverInfo")),
        _object(found.get("capabilities")) or {},
        _text(found.get("instructions")),
    )


def _named_versions(refusal: UpstreamRefusal) -> set[str]:
    """The versions in the ``data.supported`` of error -32022; empty for any other error."""
    data = _object(refusal.data) if refusal.code == protocol.UNSUPPORTED_PROTOCOL_VERSION else None
    named = (data or {}).get("supported")
    return {v for v in cast("list[Any]", named) if isinstance(v, str)} if isinstance(named, list) else set()


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
