"""Which kind of name stands at a path: what completion lists, hover explains and a definition is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from meshplan.compiler.diagnostics import Part, Path
from meshplan.compiler.language_server.analysis import Analysis
from meshplan.schemas.capability import KINDS, CapabilityKey, Kind
from meshplan.schemas.decide import glob_match

Role: TypeAlias = Literal["key", "value"]
Entry: TypeAlias = Literal[
    "server", "role", "endpoint", "binding", "workflow", "contract", "issuer", "user", "team", "agent", "application"
]

SECTIONS: Final[dict[Entry, tuple[str, ...]]] = {
    "server": ("servers",),
    "role": ("roles",),
    "endpoint": ("virtual",),
    "binding": ("bindings",),
    "workflow": ("workflows",),
    "contract": ("contracts",),
    "issuer": ("identity", "issuers"),
    "team": ("identity", "teams"),
    "agent": ("identity", "agents"),
    "application": ("identity", "applications"),
}
"""Where entries of each kind are declared."""

_ENTRY_KEYS: Final[dict[str, Entry]] = {
    **{str(kind): kind for kind in SECTIONS},
    "user": "user",
    "provider": "server",
    "extends": "role",
    "teams": "team",
    "named": "user",
}
_LISTS: Final[dict[str, tuple[Kind, ...]]] = {
    "tools": ("tool",),
    "prompts": ("prompt",),
    "resources": ("resource",),
    "templates": ("template",),
    "except": KINDS,
}


@dataclass(frozen=True, slots=True)
class EntryName:
    """The name of something that a section of the mesh declares."""

    kind: Entry


@dataclass(frozen=True, slots=True)
class CapabilityName:
    """The upstream name of a capability of one of some servers; ``qualified`` as `SERVER.TOOL`."""

    kinds: tuple[Kind, ...]
    servers: tuple[str, ...]
    qualified: bool = False


@dataclass(frozen=True, slots=True)
class OfferedName:
    """The name that an endpoint gives to a tool, before it is overridden."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class ArgumentName:
    """An argument of a tool."""

    tool: CapabilityKey | None


Name: TypeAlias = EntryName | CapabilityName | OfferedName | ArgumentName


def name_at(path: Path, role: Role, data: Any, known: Analysis) -> Name | None:
    """What a key of the mapping at ``path``, or the value at ``path``, names; ``data`` is the document around it."""
    if role == "key":
        return _key_name(path, data, known)
    return _value_name(path, data, known)


def _key_name(path: Path, data: Any, known: Analysis) -> Name | None:
    for kind, section in SECTIONS.items():
        if path == section:
            return EntryName(kind)
    match path:
        case ("virtual", str(endpoint), "tools"):
            return OfferedName(endpoint)
        case ("virtual", str(endpoint), "tools", str(tool), "set"):
            return ArgumentName(offered(data, known, endpoint).get(tool))
        case ("bindings", str(), "map", str(), "in"):
            return ArgumentName(_capability(_get(data, path[:2], "provider"), _get(data, path[:-1], "tool")))
        case ("workflows", str(), "steps", int(), "with"):
            server, _, tool = str(_get(data, path[:-1], "call")).partition(".")
            return ArgumentName(_capability(server, tool))
        case ("prices",):
            return CapabilityName(("tool",), tuple(known.locks), qualified=True)
        case _:
            return None


def _value_name(path: Path, data: Any, known: Analysis) -> Name | None:
    match path:
        case ("servers", str(server), "effects" | "tags", str(), int()):
            return CapabilityName(("tool",), (server,))
        case ("servers", str(server), "retry", "idempotent", int()):
            return CapabilityName(("tool",), (server,))
        case ("servers", str(server), "resources", int()):
            return CapabilityName(("resource",), (server,))
        case ("virtual", str(endpoint), "tools", str(tool), "hide", int()):
            return ArgumentName(offered(data, known, endpoint).get(tool))
        case ("virtual", str(endpoint), "strategy", "search", "pinned", int()):
            return OfferedName(endpoint)
        case ("bindings", str(), "map", str(), "tool"):
            provider = _get(data, path[:2], "provider")
            return CapabilityName(("tool",), (provider,) if isinstance(provider, str) else ())
        case ("workflows", str(), "steps", int(), "call"):
            return CapabilityName(("tool",), tuple(known.locks), qualified=True)
        case _:
            return _anywhere(path, data, known)


def _anywhere(path: Path, data: Any, known: Analysis) -> Name | None:
    """What a key means wherever it stands: a rule in a role, in an invariant, in a budget."""
    base = path[:-1] if path and isinstance(path[-1], int) else path
    if not base or not isinstance(base[-1], str) or base[0] in ("parameters", "environments", "runtime"):
        return None
    key = base[-1]
    if key in _LISTS and base[0] != "servers" and len(base) < len(path):
        server = _get(data, base[:-1], "server")
        listed = cast("list[Any]", server) if isinstance(server, list) else [server]
        named = tuple(name for name in listed if isinstance(name, str))
        return CapabilityName(_LISTS[key], named or (() if base[0] == "virtual" else tuple(known.locks)))
    if base[0] in ("servers", "contracts") or (base[0] == "workflows" and key != "workflow"):
        return None
    return EntryName(_ENTRY_KEYS[key]) if key in _ENTRY_KEYS else None


def _capability(server: Any, tool: Any) -> CapabilityKey | None:
    return CapabilityKey(server, "tool", tool) if isinstance(server, str) and isinstance(tool, str) else None


def entries(known: Analysis, kind: Entry) -> list[str]:
    """The names that are declared."""
    if kind == "user":
        users = known.section("identity", "users")
        named: Any = users.get("named") if users is not None else None
        return [str(name) for name in cast("list[Any]", named)] if isinstance(named, list) else []
    section = known.section(*SECTIONS[kind])
    return list(section) if section is not None else []


def capabilities(known: Analysis, name: CapabilityName) -> Iterator[CapabilityKey]:
    """The locked capabilities that the name may be of."""
    for server in name.servers:
        lock = known.locks.get(server)
        yield from (key for key in sorted(lock.definitions) if key.kind in name.kinds) if lock is not None else ()


def offered(data: Any, known: Analysis, endpoint: str) -> dict[str, CapabilityKey]:
    """The tools of an endpoint by the name that its includes give them."""
    tools: dict[str, CapabilityKey] = {}
    include = _get(data, ("virtual", endpoint), "include")
    for entry in cast("list[Any]", include) if isinstance(include, list) else []:
        lock = known.locks.get(str(_get(entry, (), "server")))
        prefix = _get(entry, (), "prefix")
        listed = [CapabilityKey(lock.server, "tool", name) for name in lock.names("tool")] if lock is not None else []
        for tool in select(known, listed, _get(entry, (), "tools")):
            tools.setdefault((prefix if isinstance(prefix, str) else "") + tool.name, tool)
    return tools


def select(known: Analysis, among: list[CapabilityKey], selector: Any) -> list[CapabilityKey]:
    """Those that a selector of tools or of names chooses."""
    if isinstance(selector, list):
        globs = [str(glob) for glob in cast("list[Any]", selector)]
        return [key for key in among if any(glob_match(glob, key.name) for glob in globs)]
    effect = _get(selector, (), "effect")
    wanted = cast("list[Any]", effect) if isinstance(effect, list) else [effect]
    if effect is None:
        return among if selector == "all" else []
    return [key for key in among if key in known.capabilities and known.capabilities[key].effect in wanted]


def arguments(known: Analysis, tool: CapabilityKey | None) -> dict[str, Any]:
    """The arguments of a tool by name, each with its schema as the server has it."""
    lock = known.locks.get(tool.server) if tool is not None else None
    found = lock.definitions.get(tool) if lock is not None and tool is not None else None
    properties = _get(found.definition if found is not None else None, ("inputSchema",), "properties")
    return cast("dict[str, Any]", properties) if isinstance(properties, dict) else {}


def _get(data: Any, path: tuple[Part, ...], key: str) -> Any:
    return at(data, (*path, key))


def at(data: Any, path: tuple[Part, ...]) -> Any:
    """What stands at a path of plain data, or `None`."""
    for part in path:
        if isinstance(data, dict) and isinstance(part, str):
            data = cast("dict[Any, Any]", data).get(part)
        elif isinstance(data, list) and isinstance(part, int):
            items = cast("list[Any]", data)
            data = items[part] if part < len(items) else None
        else:
            return None
    return data
