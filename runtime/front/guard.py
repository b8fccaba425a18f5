"""What a request must look like before anybody reads its body: Host, Origin, media types, no ambiguous headers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from meshplan.runtime.errors import HEADER_MISMATCH, INVALID_REQUEST
from meshplan.runtime.front.asgi import EVENTS, JSON, Scope
from meshplan.runtime.principal import Approach, host_of, is_loopback
from meshplan.schemas.plan import Settings

_SINGLE = frozenset({"authorization", "host", "origin", "content-type", "content-length"})
_OWS = " \t"
_CACHED = 256


class HeadError(Exception):
    """A request refused for its head: HTTP status, JSON-RPC code, and what is wrong."""

    def __init__(self, status: int, message: str, code: int = INVALID_REQUEST, why: str = "unusable_head") -> None:
        super().__init__(message)
        self.status, self.code, self.why = status, code, why


@dataclass(frozen=True, slots=True)
class Binding:
    """Where this runtime listens."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def origin(self) -> str:
        """The base URL of the address."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


def read_headers(lines: Iterable[tuple[bytes, bytes]], single: Collection[str] = ()) -> dict[str, str]:
    """Headers by lower-case name, without surrounding blanks; raises ``HeadError`` for one that must not come twice.

    ``single`` are further such headers.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in lines:
        name, value = _name(raw_name), raw_value.decode("latin-1").strip(_OWS)
        if name not in found:
            found[name] = value
        elif name in _SINGLE or name in single or name.startswith("mcp-"):
            code = HEADER_MISMATCH if name.startswith("mcp-") else INVALID_REQUEST
            raise HeadError(400, f"header `{name[:100]}` came more than once", code, "repeated_header")
        else:
            found[name] = f"{found[name]}, {value}"
    return found


@lru_cache(_CACHED)
def _name(raw: bytes) -> str:
    return raw.decode("latin-1").lower()


def approach(scope: Scope, headers: dict[str, str]) -> Approach:
    """What the request shows of itself."""
    client = scope.get("client")
    return Approach(headers, client[0] if client else None)


def check_host(seen: Approach, scope: Scope, binding: Binding, settings: Settings | None) -> None:
    """Refuse names that are not ours: a foreign one means DNS rebinding. Raises ``HeadError``."""
    authority, server = seen.headers.get("host", ""), scope.get("server")
    public = settings.public_url if settings is not None else None
    if not _is_ours(authority, str(server[0]) if server else "", seen.peer or "", binding, public):
        if not authority:
            raise HeadError(400, "the Host header is missing", why="foreign_host")
        raise HeadError(421, "the Host header does not name this server", why="foreign_host")


@lru_cache(_CACHED)
def _is_ours(authority: str, server: str, peer: str, binding: Binding, public_url: str | None) -> bool:
    if public_url is not None:
        public = urlsplit(public_url)
        if authority.lower() in (public.netloc.lower(), (public.hostname or "").lower()):
            return True
    host = host_of(authority)
    local = is_loopback(host) and (binding.loopback or is_loopback(peer))
    return authority != "" and (local or host in (binding.host.lower(), server.lower()))


def check_origin(seen: Approach, settings: Settings | None) -> None:
    """A browser may only come from our own origin or from one that the plan allows. Raises ``HeadError``."""
    origin = seen.headers.get("origin")
    if origin is None:
        return
    parts = urlsplit(origin)
    same = parts.scheme in ("http", "https") and parts.netloc.lower() == seen.headers.get("host", "").lower()
    allowed = settings.allowed_origins if settings is not None else ()
    if not (same and host_of(parts.netloc)) and origin not in allowed:
        raise HeadError(403, "the Origin is not allowed", why="foreign_origin")


def check_post(headers: dict[str, str]) -> None:
    """A POST carries JSON and takes JSON and events (streamable HTTP, Sending Messages). Raises ``HeadError``."""
    if not _is_json(headers.get("content-type", "")):
        raise HeadError(415, f"the body is not `{JSON}`")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HeadError(415, "the body is encoded")
    if not (accepts(headers, JSON) and accepts(headers, EVENTS)):
        raise HeadError(406, f"the client does not accept both `{JSON}` and `{EVENTS}`")


@lru_cache(_CACHED)
def _is_json(kind: str) -> bool:
    return kind.partition(";")[0].strip(_OWS).lower() == JSON


def accepts(headers: dict[str, str], kind: str) -> bool:
    """Whether the Accept header (RFC 9110 12.5.1) takes a media type; no header takes all."""
    sent = headers.get("accept")
    return True if sent is None else _takes(sent, kind)


@lru_cache(_CACHED)
def _takes(sent: str, kind: str) -> bool:
    wanted = {kind, kind.partition("/")[0] + "/*", "*/*"}
    ranges = [part.partition(";") for part in sent.lower().split(",")]
    return any(name.strip(_OWS) in wanted and not _zero(rest) for name, _, rest in ranges)


def prefers(headers: dict[str, str], kind: str, other: str) -> bool:
    """Whether the Accept header names one media type before another; servers may break the tie by order."""
    names = [part.partition(";")[0].strip(_OWS) for part in headers.get("accept", "").lower().split(",")]
    return kind in names and other in names and names.index(kind) < names.index(other)


def _zero(parameters: str) -> bool:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip(_OWS).partition("=")
        if name == "q":
            return value.strip("0.") == "" and value != ""
    return False
