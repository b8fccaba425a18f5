"""Codex' config.toml: `[mcp_servers.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, Reasons, quoted
from meshplan.compiler.importers.mcpservers import switched_off
from meshplan.compiler.importers.model import Draft, Format, Import, Log, Plain, Ref
from meshplan.compiler.importers.references import Dialect, named

_TOOLS: Final = "chooses tools for this client; name them in `virtual.main.include` instead"
_CLIENT: Final = "is a setting of the client"
_REASONS: Final[Reasons] = {
    "enabled_tools": ("warning", _TOOLS),
    "disabled_tools": ("warning", _TOOLS),
    "headers": ("warning", "is a key that Codex ignores; it reads `http_headers`"),
    "startup_timeout_sec": ("info", _CLIENT),
    "startup_timeout_ms": ("info", _CLIENT),
    "required": ("info", _CLIENT),
    "supports_parallel_tool_calls": ("info", _CLIENT),
    "default_tools_approval_mode": ("info", _CLIENT),
    "tools": ("info", _CLIENT),
    "experimental_environment": ("info", _CLIENT),
    "name": ("info", "is a title for people"),
    "scopes": ("warning", "sets up a sign-in by the client; see `auth: {oauth: …}`"),
    "oauth": ("warning", "sets up a sign-in by the client; see `auth: {oauth: …}`"),
    "oauth_resource": ("warning", "sets up a sign-in by the client; see `auth: {oauth: …}`"),
}


def _entry(name: str, fields: Fields, log: Log) -> Draft | None:
    if switched_off(fields, name, log):
        return None
    dialect = Dialect()
    draft = Draft(name, fields.where, kind="http" if "url" in fields else "stdio")
    draft.argv = [dialect.parse(text) for text in [*fields.texts("command"), *fields.texts("args")]]
    draft.env = {key: dialect.parse(text) for key, text in fields.table("env").items()}
    _handed_on(draft, fields, log)
    draft.cwd = dialect.parse(fields.text("cwd"))
    draft.url = dialect.parse(fields.text("url"))
    draft.headers = {key: dialect.parse(text) for key, text in fields.table("http_headers").items()}
    for key, held in fields.table("env_http_headers").items():
        draft.headers[key] = (named(held),)
    token = fields.text("bearer_token_env_var")
    if token:
        draft.bearer = (named(token),)
    elif "bearer_token" in fields:
        draft.bearer = dialect.parse(fields.text("bearer_token"))
    draft.timeout = fields.duration("tool_timeout_sec")
    fields.leftover(_REASONS)
    return draft


def _handed_on(draft: Draft, fields: Fields, log: Log) -> None:
    """Take `env_vars`: names of variables that Codex hands on from its own environment."""
    value = fields.take("env_vars")
    for item in value if isinstance(value, list) else []:
        name = item.get("name") if isinstance(item, dict) else item
        if isinstance(name, str) and named(name).name:
            draft.env.setdefault(name, (Ref(name),))
        else:
            text = "an entry of `env_vars` was left out: it is no name for a variable"
            log.add("warning", fields.server, fields.path("env_vars"), text)


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    root = Fields(data, "", None, log)
    drafts: list[Draft] = []
    for name, value in root.mapping("mcp_servers").items():
        where = f"mcp_servers.{name}"
        if not isinstance(value, dict):
            log.add("warning", None, where, f"{quoted(name)} was left out: a table is expected there")
            continue
        draft = _entry(name, Fields(value, where, name, log), log)
        if draft is not None:
            drafts.append(draft)
    root.unrelated()
    return build(drafts, log)


CODEX: Final = Format("codex", "Codex", "toml", (".codex/config.toml",), lambda data: "mcp_servers" in data, _read)
