"""gridctl's stack.yaml: `mcp-servers:` by image, command, URL or OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, Reasons, quoted
from meshplan.compiler.importers.mcpservers import transport
from meshplan.compiler.importers.model import Draft, Format, Import, Log, Plain, Template, words
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importers.references import Dialect, named

_STACK: Final = "is run by gridctl; start it yourself and give mesh its URL"
_REASONS: Final[Reasons] = {
    "tools": ("warning", "chooses tools; name them in `virtual.main.include` instead"),
    "pin_schemas": ("info", "is what `mesh lock` always does"),
    "output_format": ("info", "reshapes results, which mesh does not"),
    "telemetry": ("info", "is a setting of gridctl"),
    "protocol_generation": ("info", "is found out by mesh for each server"),
    "ready_timeout": ("info", "is a setting of gridctl"),
    "ping_timeout": ("info", "is a setting of gridctl"),
    "network": ("warning", "is a network of gridctl's containers"),
    "build_args": ("warning", "is for building an image"),
    "replicas": ("warning", "starts several processes; mesh has `replicas` for URLs"),
    "replica_policy": ("warning", "starts several processes; mesh has `replicas` for URLs"),
    "autoscale": ("warning", "starts several processes; mesh has `replicas` for URLs"),
}
_GOVERNANCE: Final[Reasons] = {
    "clients": ("warning", "limits who sees which tools; write roles and grants for it"),
    "groups": ("warning", "bundles tools under endpoints; write a virtual MCP for each group"),
    "limits": ("warning", "limits how often tools are called; write budgets for it"),
    "gateway": ("warning", "configures the gateway; see `runtime` and `identity`"),
    "resources": ("warning", _STACK),
    "extends": ("warning", "names a parent file; import that one too"),
    "secrets": ("warning", "names sets of variables that gridctl injects; declare each variable under `env`"),
    "link": ("info", "configures clients; see `mesh client`"),
}
_DIALECT: Final = Dialect(dollar=True)


def _draft(name: str, fields: Fields, log: Log) -> Draft | None:
    where = fields.where
    if refusal := _refusal(fields):
        log.add("warning", None, where, f"{quoted(name)} was left out: it {refusal}")
        return None
    draft = Draft(name, where)
    command = [_DIALECT.parse(text) for text in fields.texts("command")]
    draft.env = {key: _DIALECT.parse(text) for key, text in fields.table("env").items()}
    image, kind = fields.text("image"), fields.text("transport")
    if "openapi" in fields:
        _openapi(draft, fields, log)
    elif "url" in fields:
        draft.kind = transport(kind or "http") or ""
        draft.url = _DIALECT.parse(fields.text("url"))
        _authentication(draft, fields, log)
    elif image:
        draft.kind = "stdio"
        variables: list[Template] = [word for key in draft.env for word in (words("-e"), words(key))]
        options = [words(text) for text in ("docker", "run", "-i", "--rm")]
        draft.argv = [*options, *variables, _DIALECT.parse(image), *command]
    else:
        draft.kind = "stdio"
        draft.argv = command
    fields.leftover(_REASONS)
    return draft


def _refusal(fields: Fields) -> str:
    if "ssh" in fields:
        return "runs over SSH, which needs an argv of your own such as `stdio: [ssh, host, program]`"
    if "source" in fields:
        return "is built from source by gridctl; build the image and name it"
    if "image" in fields and "url" not in fields and fields.text("transport") != "stdio":
        return f"is a container that serves HTTP and {_STACK}"
    return ""


def _openapi(draft: Draft, fields: Fields, log: Log) -> None:
    inner = Fields(fields.mapping("openapi"), fields.path("openapi"), fields.server, log)
    spec, base = inner.text("spec"), inner.text("baseUrl")
    draft.kind = "openapi"
    if not base and "://" in spec:
        base = "/".join(spec.split("/")[:3])
        text = "the file does not say where the API is, so the host of its description is a guess"
        log.add("question", fields.server, fields.path("openapi"), text, "see `servers` in the description")
    draft.url = _DIALECT.parse(base)
    if "://" in spec:
        text = "the OpenAPI description came from a URL; mesh reads a reviewed file"
        log.add("question", fields.server, inner.path("spec"), text, "download it to the path that `openapi` names")
        spec = f"./{slug(draft.original)}.openapi.json"
    draft.openapi = words(spec)
    auth = Fields(inner.mapping("auth"), inner.path("auth"), fields.server, log)
    kind = auth.text("type")
    if kind == "bearer":
        draft.bearer = _held_by(auth.text("tokenEnv"))
    elif kind == "header":
        draft.headers[auth.text("header") or "Authorization"] = _held_by(auth.text("valueEnv"))
    auth.leftover({})
    why = "chooses operations; name the tools in `virtual.main.include` instead"
    inner.leftover({"operations": ("warning", why)})


def _held_by(name: str) -> Template:
    return (named(name),)


def _authentication(draft: Draft, fields: Fields, log: Log) -> None:
    auth = Fields(fields.mapping("auth"), fields.path("auth"), fields.server, log)
    kind = auth.text("type")
    if kind == "bearer":
        draft.bearer = _DIALECT.parse(auth.text("token"))
    elif kind == "header":
        draft.headers[auth.text("header") or "Authorization"] = _DIALECT.parse(auth.text("value"))
    elif kind:
        text = "the sign-in with OAuth was left out"
        log.add("warning", fields.server, fields.path("auth"), text, "see `auth: {oauth: …}`")
    why = "is part of a sign-in with OAuth; see `auth: {oauth: …}`"
    auth.leftover(dict.fromkeys(("scopes", "client_id", "client_secret"), ("warning", why)))


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    root = Fields(data, "", None, log)
    drafts: list[Draft] = []
    for where, item in root.entries("mcp-servers"):
        named = item.get("name")
        name = named if isinstance(named, str) and named else "server"
        fields = Fields(item, where, name, log)
        fields.take("name")
        draft = _draft(name, fields, log)
        if draft is not None:
            drafts.append(draft)
    for key, (level, why) in _GOVERNANCE.items():
        if root.take(key) is not None:
            log.add(level, None, key, f"`{key}` was left out: it {why}")
    root.unrelated()
    return build(drafts, log)


GRIDCTL: Final = Format("gridctl", "gridctl", "yaml", ("stack.yaml",), lambda data: "mcp-servers" in data, _read)
