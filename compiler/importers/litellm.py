"""LiteLLM's proxy config: `mcp_servers:` and the aliases under `litellm_settings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, Reasons, quoted
from meshplan.compiler.importers.mcpservers import transport
from meshplan.compiler.importers.model import Draft, Format, Import, Log, Plain, words
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importers.references import Dialect

_ACCESS: Final = "limits access; write roles and grants for it"
_OAUTH: Final = "is part of a sign-in with OAuth; see `auth: {oauth: …}`"
_TOOLS: Final = "chooses tools; name them in `virtual.main.include` instead"
_LITELLM: Final = "is a setting of LiteLLM"
_REASONS: Final[Reasons] = {
    "description": ("info", "is a text for people"),
    "server_id": ("info", _LITELLM),
    "alias": ("info", "is another name; names of mesh.yaml are its keys"),
    "spec_version": ("info", "is found out by mesh for each server"),
    "protocol_version": ("info", "is found out by mesh for each server"),
    "mcp_info": ("info", _LITELLM),
    "mcp_server_cost_info": ("warning", "sets prices; see `prices` and `budgets`"),
    "extra_headers": ("warning", "hands on headers of the caller, which mesh never does"),
    "available_on_public_internet": ("warning", _ACCESS),
    "allow_all_keys": ("warning", _ACCESS),
    **dict.fromkeys(("access_groups", "mcp_access_groups", "allowed_params"), ("warning", _ACCESS)),
    **dict.fromkeys(("allowed_tools", "disallowed_tools"), ("warning", _TOOLS)),
    **dict.fromkeys(("client_id", "client_secret", "scopes", "token_url"), ("warning", _OAUTH)),
    **dict.fromkeys(("authorization_url", "registration_url"), ("warning", _OAUTH)),
}
_DIALECT: Final = Dialect(os_environ=True)
_SCHEMES: Final = {"basic": "Basic ", "token": "Token ", "authorization": ""}


def _draft(name: str, fields: Fields, log: Log) -> Draft | None:
    said = fields.text("transport")
    kind = transport(said)
    if kind is None:
        log.add(
            "warning", None, fields.where, f"{quoted(name)} was left out: no transport {quoted(said)} exists in MCP"
        )
        return None
    draft = Draft(name, fields.where, kind=kind)
    draft.argv = [_DIALECT.parse(text) for text in [*fields.texts("command"), *fields.texts("args")]]
    draft.env = {key: _DIALECT.parse(text) for key, text in fields.table("env").items()}
    draft.url = _DIALECT.parse(fields.text("url"))
    for key in ("headers", "static_headers"):
        draft.headers.update({name: _DIALECT.parse(text) for name, text in fields.table(key).items()})
    draft.timeout = fields.duration("timeout")
    if spec := fields.text("spec_path"):
        _openapi(draft, spec, fields, log)
    _authentication(draft, fields, log)
    fields.leftover(_REASONS)
    return draft


def _openapi(draft: Draft, spec: str, fields: Fields, log: Log) -> None:
    draft.kind, draft.openapi = "openapi", words(spec)
    if "://" in spec:
        draft.openapi = words(f"./{slug(draft.original)}.openapi.json")
        text = "the OpenAPI description came from a URL; mesh reads a reviewed file"
        log.add(
            "question", fields.server, fields.path("spec_path"), text, "download it to the path that `openapi` names"
        )


def _authentication(draft: Draft, fields: Fields, log: Log) -> None:
    kind = fields.text("auth_type")
    value = _DIALECT.parse(fields.text("auth_value") or fields.text("authentication_token"))
    if kind in ("", "none"):
        if value:
            text = "the credential was left out: `auth_type` does not say how it is sent"
            log.add("warning", fields.server, fields.path("auth_value"), text)
    elif kind == "bearer_token":
        draft.bearer = value
    elif kind == "api_key":
        draft.headers["X-API-Key"] = value
    elif kind in _SCHEMES:
        draft.headers["Authorization"] = (*words(_SCHEMES[kind]), *value)
    else:
        text = f"the sign-in {quoted(kind)} was left out"
        log.add(
            "warning", fields.server, fields.path("auth_type"), text, "see `auth: {oauth: …}` and `auth: {exchange: …}`"
        )


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    root = Fields(data, "", None, log)
    drafts: list[Draft] = []
    for name, value in root.mapping("mcp_servers").items():
        where = f"mcp_servers.{name}"
        if not isinstance(value, dict):
            log.add("warning", None, where, f"{quoted(name)} was left out: a mapping is expected there")
            continue
        draft = _draft(name, Fields(value, where, name, log), log)
        if draft is not None:
            drafts.append(draft)
    settings = data.get("litellm_settings")
    if isinstance(settings, dict) and settings.get("mcp_aliases"):
        text = "`mcp_aliases` was left out: names of mesh.yaml are its keys"
        log.add("warning", None, "litellm_settings.mcp_aliases", text)
    root.unrelated()
    return build(drafts, log)


def _claims(data: Mapping[str, Plain]) -> bool:
    return isinstance(data.get("mcp_servers"), dict) and not isinstance(data.get("registry"), dict)


LITELLM: Final = Format("litellm", "LiteLLM proxy", "yaml", ("litellm_config.yaml",), _claims, _read)
