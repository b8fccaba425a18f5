"""agentgateway's YAML: the MCP targets of its backends, wherever they stand; its policies are not translated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, Reasons, quoted
from meshplan.compiler.importers.model import Draft, Format, Import, Log, Plain, Template, words
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importers.references import Dialect

_POLICY: Final = "is a policy; write roles, grants and `runtime` settings for it"
_REASONS: Final[Reasons] = {
    "clear_env": ("info", "is what mesh always does: a child gets only what is declared"),
    "clearEnv": ("info", "is what mesh always does: a child gets only what is declared"),
}
_DIALECT: Final = Dialect(dollar=True)


def _targets(value: Plain, path: str, log: Log) -> Iterator[tuple[str, Plain]]:
    """Yield every MCP target, and note each policy that stands on the way to one."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _targets(item, f"{path}[{index}]", log)
        return
    for key, item in value.items() if isinstance(value, dict) else ():
        here = f"{path}.{key}" if path else key
        if key == "mcp" and isinstance(item, dict):
            yield from _listed(item, here, log)
        elif key in ("policies", "frontendPolicies"):
            _policies(item, here, log)
        elif key in ("binds", "listeners", "routes", "backends", "backend", "gateways"):
            yield from _targets(item, here, log)


def _listed(group: dict[str, Plain], path: str, log: Log) -> Iterator[tuple[str, Plain]]:
    targets = group.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else []):
        yield f"{path}.targets[{index}]", target
    _policies(group.get("policies"), f"{path}.policies", log)
    for key in group:
        if key not in ("targets", "policies", "name", "port"):
            log.add("warning", None, f"{path}.{key}", f"{quoted(key)} was left out: it has no counterpart in mesh.yaml")


def _policies(value: Plain, path: str, log: Log) -> None:
    for key in value if isinstance(value, dict) else ():
        log.add("warning", None, f"{path}.{key}", f"{quoted(key)} was left out: it {_POLICY}")


def _host(fields: Fields) -> Template:
    """Return the URL of a backend, which is one URL, or a host with a port and a path."""
    host, port, path = fields.text("host"), fields.text("port"), fields.text("path")
    if not port and not path:
        return _DIALECT.parse(host if "://" in host or not host else f"http://{host}")
    return _DIALECT.parse(f"http://{host}{':' if port else ''}{port}/{path.lstrip('/')}")


def _draft(name: str, where: str, target: Fields, log: Log) -> Draft | None:
    draft = Draft(name, where)
    for kind in ("stdio", "mcp", "sse", "openapi"):
        if kind not in target:
            continue
        inner = Fields(target.mapping(kind), target.path(kind), name, log)
        if kind == "stdio":
            draft.kind = "stdio"
            draft.argv = [_DIALECT.parse(text) for text in [*inner.texts("cmd"), *inner.texts("args")]]
            draft.env = {key: _DIALECT.parse(text) for key, text in inner.table("env").items()}
        else:
            draft.kind = "http" if kind == "mcp" else kind
            draft.url = _host(inner)
        if kind == "openapi" and not _schema(draft, inner, log):
            return None
        inner.leftover(_REASONS)
    _upstream_policies(draft, target, log)
    target.leftover({})
    return draft


def _schema(draft: Draft, inner: Fields, log: Log) -> bool:
    schema = inner.take("schema")
    file = schema.get("file") if isinstance(schema, dict) else None
    url = schema.get("url") if isinstance(schema, dict) else None
    if isinstance(file, str) and file:
        draft.openapi = words(file)
        return True
    if url:
        draft.openapi = words(f"./{slug(draft.original)}.openapi.json")
        text = "the OpenAPI description came from a URL; mesh reads a reviewed file"
        log.add("question", inner.server, inner.path("schema"), text, "download it to the path that `openapi` names")
        return True
    text = f"{quoted(draft.original)} was left out: its OpenAPI description is written inside the file"
    log.add("warning", None, inner.path("schema"), text, "save it as a file of its own")
    return False


def _upstream_policies(draft: Draft, target: Fields, log: Log) -> None:
    """Take what authenticates to the target; note the rest."""
    policies = Fields(target.mapping("policies"), target.path("policies"), target.server, log)
    auth = Fields(policies.mapping("backendAuth"), policies.path("backendAuth"), target.server, log)
    key = auth.take("key")
    if isinstance(key, str):
        draft.bearer = _DIALECT.parse(key)
    elif isinstance(key, dict) and isinstance(key.get("file"), str):
        draft.bearer, draft.bearer_file = words(str(key["file"])), str(key["file"])
    elif key is not None:
        log.add("warning", target.server, auth.path("key"), "`key` was left out: it is neither text nor a file")
    auth.leftover({"passthrough": ("warning", "hands on the caller's token; see `auth: {exchange: …}`")})
    modifier = policies.mapping("requestHeaderModifier")
    headers = Fields(modifier, policies.path("requestHeaderModifier"), target.server, log)
    for verb in ("set", "add"):
        draft.headers.update({name: _DIALECT.parse(text) for name, text in headers.table(verb).items()})
    headers.leftover({})
    policies.leftover({})


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    drafts: list[Draft] = []
    for where, target in _targets(dict(data), "", log):
        if not isinstance(target, dict):
            log.add("warning", None, where, "a target was left out: a mapping is expected there")
            continue
        name = target.get("name")
        name = name if isinstance(name, str) and name else "server"
        fields = Fields(target, where, name, log)
        fields.take("name")
        draft = _draft(name, where, fields, log)
        if draft is not None:
            drafts.append(draft)
    root = Fields(data, "", None, log)
    for key in ("binds", "mcp", "backends", "policies", "frontendPolicies", "gateways"):
        root.take(key)
    root.unrelated()
    return build(drafts, log)


def _claims(data: Mapping[str, Plain]) -> bool:
    inner = data.get("mcp")
    return isinstance(data.get("binds"), list) or (isinstance(inner, dict) and "targets" in inner)


AGENTGATEWAY: Final = Format("agentgateway", "agentgateway", "yaml", ("agentgateway.yaml",), _claims, _read)
