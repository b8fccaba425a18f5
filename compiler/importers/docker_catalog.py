"""Docker's MCP catalog: `registry:` of images with secrets, environment and `{{…}}` templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from meshplan.compiler.importers.build import build
from meshplan.compiler.importers.fields import Fields, Reasons, quoted, scalar
from meshplan.compiler.importers.mcpservers import switched_off, transport
from meshplan.compiler.importers.model import Draft, Format, Import, Log, Plain, Ref, Template, words
from meshplan.compiler.importers.names import slug
from meshplan.compiler.importers.references import Dialect, derived, named, variable
from meshplan.compiler.secrets import name_is_secret

_TEXT: Final = "is a text for people"
_DOCKER: Final = "is for Docker's gateway"
_REASONS: Final[Reasons] = {
    **dict.fromkeys(("title", "description", "icon", "readme", "about"), ("info", _TEXT)),
    **dict.fromkeys(("source", "upstream", "metadata", "meta", "dateAdded", "ref"), ("info", _TEXT)),
    **dict.fromkeys(("toolsUrl", "prompts", "resources", "longLived", "dynamic"), ("info", _DOCKER)),
    "tools": ("info", "repeats what the server itself lists; `mesh lock` records that"),
    "allowHosts": (
        "warning",
        "limits where the container may connect, which `docker run` cannot; use a network policy",
    ),
    "oauth": ("warning", "sets up a sign-in by Docker Desktop; see `auth: {oauth: …}`"),
    "policy": ("warning", _DOCKER),
}


def _properties(prefix: str, value: Plain, server: str, found: dict[str, Ref]) -> None:
    """Record each configurable property as a variable, with its default where that is one value."""
    properties = value.get("properties") if isinstance(value, dict) else None
    for name, schema in properties.items() if isinstance(properties, dict) else ():
        path = f"{prefix}.{name}"
        default = scalar(schema.get("default")) if isinstance(schema, dict) else None
        found[path] = Ref(variable(path), default, secret=name_is_secret(name), asked=True)
        _properties(path, schema, server, found)


def _configured(name: str, config: Plain) -> dict[str, Ref]:
    """Return the references that templates of this entry may hold."""
    found: dict[str, Ref] = {}
    for item in config if isinstance(config, list) else [config]:
        if isinstance(item, dict):
            _properties(scalar(item.get("name")) or name, item, name, found)
            _properties(scalar(item.get("name")) or name, item.get("parameters"), name, found)
    return found


def _secrets(fields: Fields, name: str, log: Log) -> dict[str, Template]:
    """Return the variables that hold the catalog's secrets."""
    found: dict[str, Template] = {}
    for where, item in fields.entries("secrets"):
        secret = Fields(item, where, name, log)
        key = secret.text("env")
        for known in ("name", "example", "description", "required"):
            secret.take(known)
        secret.leftover({})
        if named(key).name:
            found[key] = (Ref(derived(slug(name), key), secret=True, asked=True),)
        else:
            log.add("warning", name, where, "a secret was left out: its `env` is no name for a variable")
    return found


def _environment(fields: Fields, dialect: Dialect, log: Log) -> dict[str, Template]:
    found: dict[str, Template] = {}
    for where, item in fields.entries("env"):
        inner = Fields(item, where, fields.server, log)
        key, value = inner.text("name"), inner.text("value")
        for known in ("example", "description"):
            inner.take(known)
        inner.leftover({})
        if key:
            found[key] = dialect.parse(value)
    return found


def _usable(fields: Fields, key: str, dialect: Dialect, log: Log) -> list[Template]:
    """Return the texts whose templates stand for one value; a list of values cannot be one argument."""
    found: list[Template] = []
    for text in fields.texts(key):
        template = dialect.parse(text)
        if any(isinstance(part, Ref) and not part.name for part in template):
            message = f"an item of {quoted(key)} was left out: Docker fills it with a list that the user picks"
            log.add("question", fields.server, fields.path(key), message, "add the arguments to `stdio` by hand")
        else:
            found.append(template)
    return found


def _container(name: str, fields: Fields, config: Plain, dialect: Dialect, log: Log) -> Draft:
    draft = Draft(name, fields.where, kind="stdio")
    draft.env = {**_secrets(fields, name, log), **_environment(fields, dialect, log)}
    inner = Fields(config if isinstance(config, dict) else {}, fields.path("config"), name, log)
    draft.env.update({**_secrets(inner, name, log), **_environment(inner, dialect, log)})
    options: list[Template] = [words(text) for text in ("docker", "run", "-i", "--rm", "--init")]
    for key in draft.env:
        options += [words("-e"), words(key)]
    run = Fields(fields.mapping("run"), fields.path("run"), name, log)
    for source in (fields, run):
        for volume in _usable(source, "volumes", dialect, log):
            options += [words("-v"), volume]
        if user := source.text("user"):
            options += [words("-u"), dialect.parse(user)]
        if source.flag("disableNetwork", default=False):
            options += [words("--network"), words("none")]
    command = [*_usable(fields, "command", dialect, log), *_usable(run, "command", dialect, log)]
    run.leftover(_REASONS)
    draft.argv = [*options, words(fields.text("image")), *command]
    return draft


def _remote(name: str, fields: Fields, dialect: Dialect, log: Log) -> Draft:
    remote = Fields(fields.mapping("remote"), fields.path("remote"), name, log)
    old = fields.text("sseEndpoint")
    kind = transport(remote.text("transport_type")) or ("sse" if old else "")
    draft = Draft(name, fields.where, kind=kind)
    draft.url = dialect.parse(remote.text("url") or old)
    held = _secrets(fields, name, log)
    for key, text in remote.table("headers").items():
        parts = [held.get(part.name, (part,)) if isinstance(part, Ref) else (part,) for part in dialect.parse(text)]
        draft.headers[key] = tuple(part for group in parts for part in group)
    remote.leftover(_REASONS)
    return draft


def _entry(name: str, value: dict[str, Plain], where: str, log: Log) -> Draft | None:
    fields = Fields(value, where, name, log)
    if switched_off(fields, name, log):
        return None
    kind = fields.text("type") or "server"
    fields.take("name")
    config = fields.take("config")
    dialect = Dialect(mustache=_configured(name, config))
    if kind == "poci":
        text = f"{quoted(name)} was left out: it starts a container for each call and speaks no MCP"
        log.add("warning", None, where, text)
        return None
    is_remote = kind == "remote" or "remote" in fields or "sseEndpoint" in fields
    if not is_remote and not fields.text("image"):
        log.add("warning", None, where, f"{quoted(name)} was left out: it has no image")
        return None
    draft = _remote(name, fields, dialect, log) if is_remote else _container(name, fields, config, dialect, log)
    fields.leftover(_REASONS)
    return draft


def _read(data: Mapping[str, Plain], log: Log) -> Import:
    drafts: list[Draft | None] = []
    if "registry" in data:
        root = Fields(data, "", None, log)
        for name, value in root.mapping("registry").items():
            if isinstance(value, dict):
                drafts.append(_entry(name, value, f"registry.{name}", log))
            else:
                text = f"{quoted(name)} was left out: a mapping is expected there"
                log.add("warning", None, f"registry.{name}", text)
        root.unrelated()
    else:
        name = scalar(data.get("name")) or "server"
        drafts.append(_entry(name, dict(data), slug(name), log))
    return build([draft for draft in drafts if draft is not None], log)


def _claims(data: Mapping[str, Plain]) -> bool:
    if isinstance(data.get("registry"), dict):
        return True
    return data.get("type") in ("server", "remote", "poci") and bool({"image", "remote", "tools"} & set(data))


DOCKER_CATALOG: Final = Format(
    "docker-catalog", "Docker MCP catalog", "yaml", ("docker-mcp.yaml", "server.yaml"), _claims, _read
)
