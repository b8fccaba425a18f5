"""From a draft to a server entry: every value literal or a reference, nothing dropped without a note."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from meshplan.compiler import secrets
from meshplan.compiler.importers import command, remote
from meshplan.compiler.importers.fields import quoted
from meshplan.compiler.importers.model import Draft, Import, ImportedServer, Log, Plain, Ref, Template, literal, settled
from meshplan.compiler.importers.names import Names
from meshplan.compiler.importers.pins import unpinned
from meshplan.compiler.importers.references import FOLDER_TAKEN, NAME, derived, holds_folder

_ENV_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_HEADER_KEY: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~\-]+")
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9._\-]*[a-z0-9])?\.?|[0-9a-f:.]+(?:%[a-z0-9]+)?")
_BEARER: Final = re.compile(r"(?i)bearer[ ]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def build(drafts: Iterable[Draft], log: Log) -> Import:
    """Return the servers of some drafts, each under a name that mesh.yaml accepts."""
    names = Names()
    servers: list[ImportedServer] = []
    for draft in drafts:
        name = names.claim(draft.original, draft.where, log)
        log.rename(draft.original, name, draft.where)
        entry = finish(draft, name, log)
        if entry is None:
            names.release(name)
        else:
            servers.append(ImportedServer(name, entry))
    return log.done(servers)


def finish(draft: Draft, server: str, log: Log) -> dict[str, Plain] | None:
    """Return one entry, or None, with a note that says why, where mesh.yaml cannot express it."""
    if draft.argv:
        command.unwrap(draft, server, log)
        remote.unbridge(draft, server, log)
    if draft.argv and draft.url:
        return _left_out(draft, server, draft.where, "it has both a command and a URL", log)
    if draft.argv:
        return _stdio(draft, server, log)
    if draft.url:
        return _remote(draft, server, log)
    return _left_out(draft, server, draft.where, "it has neither a command nor a URL", log)


def _left_out(draft: Draft, server: str, where: str, why: str, log: Log, help: str = "") -> None:
    log.add("warning", server, where, f"{quoted(draft.original)} was left out: {why}", help)


def _stdio(draft: Draft, server: str, log: Log) -> dict[str, Plain] | None:
    loose = unpinned(command.shown(draft.argv))
    if loose:
        text = f"{quoted(loose[0])} is not pinned: what runs can change without a review"
        log.add("warning", server, f"{draft.where}.args", text, loose[1])
    if command.program_is_secret(draft):
        why = "its command line looks like it holds a secret"
        return _left_out(draft, server, f"{draft.where}.command", why, log, "split it into `command` and `args`")
    command.container_environment(draft, server, log)
    command.lift(draft, server, log)
    argv = command.hand_over(draft, server, log)
    if argv is None:
        return None
    if not argv[0] or any("\0" in item for item in argv):
        return _left_out(draft, server, draft.where, "no program can be started with this argv", log)
    entry: dict[str, Plain] = {"stdio": [*argv]}
    if env := _environment(draft, server, log):
        entry["env"] = env
    if cwd := _folder(draft, server, log):
        entry["cwd"] = cwd
    for key in draft.headers:
        text = f"the header {quoted(key)} was left out: a stdio server has none"
        log.add("warning", server, f"{draft.where}.headers.{key}", text)
    return _with_timeout(entry, draft)


def _with_timeout(entry: dict[str, Plain], draft: Draft) -> dict[str, Plain]:
    if draft.timeout:
        entry["timeout"] = draft.timeout
    return entry


def _folder(draft: Draft, server: str, log: Log) -> str:
    text = settled(draft.cwd)
    if text is None or secrets.value_is_secret(text):
        log.add("question", server, f"{draft.where}.cwd", "the folder was left out: the client filled it in")
        return ""
    if holds_folder(draft.cwd):
        log.add("question", server, f"{draft.where}.cwd", f"`cwd` {FOLDER_TAKEN}")
    return text


def _environment(draft: Draft, server: str, log: Log) -> dict[str, Plain]:
    found: dict[str, Plain] = {}
    for key, value in draft.env.items():
        where = f"{draft.where}.env.{key}"
        if not _ENV_KEY.fullmatch(key) or secrets.value_is_secret(key):
            log.add("warning", server, where, f"{quoted(key)} was left out: it is no name for a variable")
            continue
        found[key] = _value(key, value, derived(server, key), where, server, log)
    return found


def _value(key: str, value: Template, own: str, where: str, server: str, log: Log) -> Plain:
    """Return one literal, or one reference `{env: NAME}`."""
    text = literal(value)
    if text is not None and not secrets.is_secret(key, text):
        return text
    if text is not None:
        message = f"the value of {quoted(key)} looks like a secret and was not copied"
        log.add("warning", server, where, message, f"set `{own}` where the mesh runs")
        return {"env": own}
    only = value[0] if len(value) == 1 else None
    default = settled(value)
    lone_secret = isinstance(only, Ref) and only.secret
    if default is not None and not lone_secret and not secrets.is_secret(key, default):
        if holds_folder(value):
            log.add("question", server, where, f"{quoted(key)} {FOLDER_TAKEN}")
        else:
            message = f"{quoted(key)} has a default, which was taken"
            log.add("question", server, where, message, f"write `{{env: {own}}}` to read a variable instead")
        return default
    return _referenced(key, value, own, where, server, log)


def _referenced(key: str, value: Template, own: str, where: str, server: str, log: Log) -> Plain:
    only = value[0] if len(value) == 1 else None
    if isinstance(only, Ref) and NAME.fullmatch(only.name):
        if only.asked:
            log.add(
                "info",
                server,
                where,
                f"the client asks people for {quoted(key)}",
                f"set `{only.name}` where the mesh runs",
            )
        elif only.default:
            log.add("warning", server, where, f"the default of {quoted(key)} looks like a secret and was not copied")
        return {"env": only.name}
    text = f"{quoted(key)} was put together from several parts, which mesh.yaml cannot say"
    log.add("question", server, where, text, f"set `{own}` to the whole value")
    return {"env": own}


def _remote(draft: Draft, server: str, log: Log) -> dict[str, Plain] | None:
    url = _url(draft, server, log)
    if url is None:
        return None
    _say_transport(draft, url, server, log)
    entry: dict[str, Plain] = {"http": url}
    if draft.kind == "openapi":
        description = literal(draft.openapi)
        if not description or secrets.value_is_secret(description):
            return _left_out(draft, server, draft.where, "no file holds its OpenAPI description", log)
        entry = {"openapi": description, "url": url}
    _credentials(draft, entry, server, log)
    for key in draft.env:
        text = f"{quoted(key)} was left out: an HTTP server has no environment here"
        log.add("warning", server, f"{draft.where}.env.{key}", text)
    if draft.cwd:
        log.add("info", server, f"{draft.where}.cwd", "`cwd` was left out: an HTTP server has none")
    return _with_timeout(entry, draft)


def _url(draft: Draft, server: str, log: Log) -> str | None:
    where = f"{draft.where}.url"
    text = settled(draft.url)
    if text is None:
        why = "its URL holds a variable, and a URL is literal in mesh.yaml"
        return _left_out(draft, server, where, why, log, "write the URL out; an environment can patch it")
    try:
        parts = urlsplit(text)
        problem = secrets.of_url(text)
        user, host = bool(parts.username or parts.password), parts.hostname
        port = parts.port
    except ValueError:
        problem, user, host, parts, port = "", False, None, urlsplit(""), None
    if (
        host is None
        or not _HOST.fullmatch(host)
        or port == 0
        or parts.scheme not in ("http", "https")
        or re.search(r"[\s\x00-\x20\x7f]", text)
    ):
        return _left_out(draft, server, where, "its URL is no http or https URL", log)
    if problem:
        help = "ask the provider for a header; if it is no secret, write the entry by hand"
        return _left_out(draft, server, where, f"its URL looks like it carries a secret in {problem}", log, help)
    if literal(draft.url) is None:
        log.add(
            "question",
            server,
            where,
            "the URL holds a variable, whose default was taken",
            "an environment can patch it",
        )
    if parts.fragment:
        parts = parts._replace(fragment="")
        text = urlunsplit(parts)
        log.add("info", server, where, "the fragment of the URL was left out: it is never sent")
    if user:
        bare = f"[{host}]" if ":" in host else host
        text = urlunsplit(parts._replace(netloc=bare if port is None else f"{bare}:{port}"))
        own = derived(server, "Authorization")
        draft.headers.setdefault("Authorization", (Ref(own, secret=True),))
        message = "the user name and password were taken out of the URL"
        help = f"set `{own}` to `Basic ` and the base64 of `user:password`"
        log.add("question", server, where, message, help)
    return text


def _say_transport(draft: Draft, url: str, server: str, log: Log) -> None:
    if draft.kind == "sse":
        text = "the HTTP+SSE transport is deprecated and mesh speaks streamable HTTP; it was imported as `http`"
        log.add("question", server, draft.where, text, "ask the provider for its streamable HTTP URL, often `/mcp`")
    elif draft.kind == "http" and url.endswith("/sse"):
        text = "the URL ends in `sse`, which hints at the deprecated HTTP+SSE transport; it was imported as `http`"
        log.add("question", server, draft.where, text, "ask the provider for its streamable HTTP URL, often `/mcp`")
    elif not draft.kind:
        hint = "; its path ends in `sse`, which hints at the deprecated transport" if url.endswith("/sse") else ""
        text = f"the file gives a URL without a type, so `http` (streamable HTTP) is a guess{hint}"
        log.add("question", server, draft.where, text, "check that the server answers there")


def _credentials(draft: Draft, entry: dict[str, Plain], server: str, log: Log) -> None:
    headers: dict[str, Plain] = {}
    bearer_where = f"{draft.where}.auth"
    for key, value in draft.headers.items():
        where = f"{draft.where}.headers.{key}"
        held = "".join(part for part in value if isinstance(part, str))
        if not _HEADER_KEY.fullmatch(key) or _CONTROL.search(held) or secrets.value_is_secret(key):
            log.add("warning", server, where, f"the header {quoted(key)} was left out: HTTP does not allow it")
        elif key.lower() == "authorization" and not draft.bearer and (token := _bearer(value)):
            draft.bearer, bearer_where = token, where
        else:
            headers[key] = _value(key, value, derived(server, key), where, server, log)
    if headers:
        entry["headers"] = headers
    if draft.bearer_file and not secrets.value_is_secret(draft.bearer_file):
        entry["auth"] = {"bearer": {"file": draft.bearer_file}}
    elif draft.bearer:
        entry["auth"] = {"bearer": _token(draft.bearer, bearer_where, server, log)}


def _token(value: Template, where: str, server: str, log: Log) -> Plain:
    """Return a reference, whatever the token looks like."""
    own = derived(server, "token")
    if literal(value) is not None:
        log.add("warning", server, where, "the bearer token was not copied", f"set `{own}` where the mesh runs")
        return {"env": own}
    secret = tuple(part if isinstance(part, str) else replace(part, secret=True) for part in value)
    return _referenced("the bearer token", secret, own, where, server, log)


def _bearer(value: Template) -> Template:
    """Return what follows `Bearer `, or nothing where the value is something else."""
    first = value[0] if value else ""
    match = _BEARER.match(first) if isinstance(first, str) else None
    if match is None or not isinstance(first, str):
        return ()
    rest = first[match.end() :]
    return (rest, *value[1:]) if rest else value[1:]
