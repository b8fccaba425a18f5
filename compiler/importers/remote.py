"""The `mcp-remote` bridge, which stands before an HTTP server in files of clients that only start commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from meshplan.compiler.importers.command import shown
from meshplan.compiler.importers.fields import quoted
from meshplan.compiler.importers.model import Draft, Log, Ref, Template, words
from meshplan.compiler.importers.pins import package, program

_VALUED: Final = frozenset(
    re.findall(
        r"\S+",
        "--header --transport --host --resource --auth-timeout --static-oauth-client-metadata --static-oauth-client-info "
        "--ignore-tool --proxy",
    )
)


def unbridge(draft: Draft, server: str, log: Log) -> None:
    """Turn a command that runs mcp-remote into the HTTP server behind it."""
    texts = shown(draft.argv)
    start = _bridge(texts)
    if start is None:
        return
    url: Template = ()
    at = start
    transport = ""
    dropped: list[str] = []
    while at < len(draft.argv):
        flag = texts[at]
        value = draft.argv[at + 1] if flag in _VALUED and at + 1 < len(draft.argv) else ()
        if flag == "--header":
            _header(draft, value)
        elif flag == "--transport":
            transport = shown([value])[0]
        elif flag.startswith("-"):
            dropped.append(flag)
        elif not url:
            url = draft.argv[at]
        at += 2 if flag in _VALUED else 1
    if not url:
        return
    _become(draft, url, transport, server, log)
    for flag in dropped:
        text = f"the option {quoted(flag.partition('=')[0])} of `mcp-remote` was left out"
        log.add("warning", server, f"{draft.where}.args", text)


def _bridge(texts: Sequence[str]) -> int | None:
    """Return where the arguments of mcp-remote begin."""
    if program(texts) == "mcp-remote":
        return 1
    spec = package(texts)
    if spec is None or spec.partition("@")[0] != "mcp-remote" or spec not in texts:
        return None
    return texts.index(spec) + 1


def _become(draft: Draft, url: Template, transport: str, server: str, log: Log) -> None:
    draft.url, draft.argv = url, []
    draft.kind = "sse" if transport == "sse-only" else "http"
    text = "`mcp-remote` was dropped: mesh speaks HTTP itself"
    help = "if the bridge signed in with OAuth, declare `auth: {oauth: …}` or `auth: {exchange: …}`"
    log.add("question", server, f"{draft.where}.command", text, help)
    for key in draft.env:
        text = f"{quoted(key)} was left out: it was only for the bridge"
        log.add("info", server, f"{draft.where}.env.{key}", text)
    draft.env = {}
    draft.cwd = ()


def _header(draft: Draft, value: Template) -> None:
    """Take `Name: value`, with references to the bridge's own environment replaced by what it says."""
    parts: list[str | Ref] = []
    for part in value:
        known = draft.env.get(part.name) if isinstance(part, Ref) else None
        parts.extend(known if known is not None else (part,))
    name, _, first = (parts[0] if parts and isinstance(parts[0], str) else "").partition(":")
    if name.strip():
        draft.headers[name.strip()] = _joined((*words(first.lstrip()), *parts[1:]))


def _joined(parts: Template) -> Template:
    """Join neighbouring texts, so that a scheme and what follows it are one again."""
    result: list[str | Ref] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        else:
            result.append(part)
    return tuple(result)
