"""The `mcpServers` family: Claude Desktop, Claude Code and Cursor, and whoever copied their format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, Reasons, quoted
from meshplan.compiler.importers.model import Draft, Format, Import, Log, Plain
from meshplan.compiler.importers.references import Dialect

_HTTP: Final = frozenset(("http", "streamable-http", "streamablehttp", "streamable_http", "streamable"))
_CLIENT: Final = "is a setting of the client"
_TOOLS: Final = "chooses tools for this client; name them in `virtual.main.include` instead"

REASONS: Final[Reasons] = {
    "envFile": ("warning", "names a file that the importer does not read; declare each of its variables under `env`"),
    "oauth": ("warning", "sets up a sign-in by the client; see `auth: {oauth: …}` and `auth: {exchange: …}`"),
    "auth": ("warning", "sets up a sign-in by the client; see `auth: {oauth: …}` and `auth: {exchange: …}`"),
    "authProviderType": ("warning", "sets up a sign-in by the client; see `auth: {oauth: …}`"),
    "headersHelper": ("warning", "runs a command for headers; see `auth: {bearer: {exec: …}}`"),
    "alwaysAllow": ("info", _CLIENT),
    "autoApprove": ("info", _CLIENT),
    "alwaysLoad": ("info", _CLIENT),
    "trust": ("info", _CLIENT),
    "gallery": ("info", _CLIENT),
    "version": ("info", _CLIENT),
    "icon": ("info", _CLIENT),
    "name": ("info", "is a title for people"),
    "description": ("info", "is a text for people"),
    "tools": ("warning", _TOOLS),
    "allowedTools": ("warning", _TOOLS),
    "disabledTools": ("warning", _TOOLS),
    "includeTools": ("warning", _TOOLS),
    "excludeTools": ("warning", _TOOLS),
}


def transport(text: str) -> Literal["", "stdio", "http", "sse"] | None:
    """Return the transport that a `type` names, or None for one that MCP does not have."""
    lowered = text.lower()
    if lowered in ("", "stdio", "sse"):
        return "stdio" if lowered == "stdio" else "sse" if lowered == "sse" else ""
    return "http" if lowered in _HTTP else None


def switched_off(fields: Fields, name: str, log: Log) -> bool:
    """Tell whether an entry is disabled, with a note."""
    off = fields.flag("disabled", default=False) or not fields.flag("enabled", default=True)
    if off:
        log.add("info", None, fields.where, f"{quoted(name)} was left out: it is disabled in the file")
    return off


def entry(name: str, fields: Fields, dialect: Dialect, log: Log, *, milliseconds: bool) -> Draft | None:
    """Return the draft of one entry, or None where it is disabled or of a transport that MCP does not have."""
    if switched_off(fields, name, log):
        return None
    said = fields.text("type") or fields.text("transport")
    kind = transport(said)
    if kind is None:
        log.add(
            "warning", None, fields.where, f"{quoted(name)} was left out: no transport {quoted(said)} exists in MCP"
        )
        return None
    draft = Draft(name, fields.where, kind=kind)
    draft.argv = [dialect.parse(text) for text in [*fields.texts("command"), *fields.texts("args")]]
    draft.env = {key: dialect.parse(text) for key, text in fields.table("env").items()}
    draft.cwd = dialect.parse(fields.text("cwd"))
    if "httpUrl" in fields:
        draft.kind = "http"
    draft.url = dialect.parse(fields.text("url") or fields.text("httpUrl") or fields.text("serverUrl"))
    draft.headers = {key: dialect.parse(text) for key, text in fields.table("headers").items()}
    draft.timeout = fields.duration("timeout", milliseconds=milliseconds)
    fields.leftover(REASONS)
    return draft


def section(root: Fields, key: str, dialect: Dialect, log: Log, *, milliseconds: bool = True) -> list[Draft]:
    """Return the drafts of one mapping of names to entries."""
    drafts: list[Draft] = []
    for name, value in root.mapping(key).items():
        where = f"{root.path(key)}.{name}"
        if not isinstance(value, dict):
            log.add("warning", None, where, f"{quoted(name)} was left out: a mapping is expected there")
            continue
        draft = entry(name, Fields(value, where, name, log), dialect, log, milliseconds=milliseconds)
        if draft is not None:
            drafts.append(draft)
    return drafts


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    root = Fields(data, "", None, log)
    drafts = section(root, "mcpServers", Dialect(), log)
    for path, project in root.mapping("projects").items():
        held = project.get("mcpServers") if isinstance(project, dict) else None
        if held:
            text = f"the servers of the project {quoted(path)} were left out"
            log.add("warning", None, f"projects.{path}", text, "import a file that holds only those")
    root.unrelated()
    return build(drafts, log)


def _entries(data: Mapping[str, Plain]) -> list[Mapping[str, Plain]]:
    servers = data.get("mcpServers")
    return [value for value in servers.values() if isinstance(value, dict)] if isinstance(servers, dict) else []


def _is_cursor(data: Mapping[str, Plain]) -> bool:
    return any({"envFile", "auth"} & set(item) or "${env:" in str(item) for item in _entries(data))


def _is_desktop(data: Mapping[str, Plain]) -> bool:
    if {"globalShortcut", "preferences", "scale"} & set(data):
        return True
    entries = _entries(data)
    return bool(entries) and not any({"url", "type"} & set(item) or "${" in str(item) for item in entries)


CLAUDE_DESKTOP: Final = Format(
    "claude-desktop", "Claude Desktop", "jsonc", ("claude_desktop_config.json",), _is_desktop, _read
)
CLAUDE_CODE: Final = Format(
    "claude-code", "Claude Code", "jsonc", (".mcp.json", ".claude.json"), lambda data: "mcpServers" in data, _read
)
CURSOR: Final = Format("cursor", "Cursor", "jsonc", (".cursor/mcp.json",), _is_cursor, _read)
