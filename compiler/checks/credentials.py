"""Secrets that are written out where a reference belongs: shapes that are certain, and values that look like one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from meshplan.compiler.diagnostics import Diagnostic, Path
from meshplan.compiler.draft import Draft
from meshplan.compiler.marks import locate
from meshplan.compiler.newlines import normalised
from meshplan.compiler.rules import report
from meshplan.compiler.secrets import name_is_secret
from meshplan.compiler.syntax.servers import HttpServer, OpenApiServer, StdioServer
from meshplan.compiler.within import within
from meshplan.schemas.credentials import CERTAIN, SHAPES

_KINDS: Final = tuple(SHAPES)
_USERINFO: Final = re.compile(r"[a-z][a-z0-9+.\-]*://[^\s/@:?#]*:(?P<password>[^\s/@?#]+)@(?P<host>[^\s/:?#]*)")
_LOCAL: Final = frozenset(("localhost", "127.0.0.1", "[::1]", "host.docker.internal", "db", "postgres", "redis"))
_BLANK: Final = re.compile(r"(?i)\$|<|\{|example|changeme|placeholder|your[-_]|x{6}|\.\.\.|redacted|dummy|\*{3}")
_PLAIN: Final = re.compile(r"(?i)[./~].*|[a-z]+://.*|[a-z]+|[0-9]{1,6}|.{0,5}")
"""A path, a URL, a word, a small number: a value that says nothing by itself, whatever its name."""
_FLAG: Final = re.compile(r"--?(?P<name>[A-Za-z][A-Za-z0-9_\-]*)(?:=(?P<value>.*))?", re.DOTALL)
_PUBLIC: Final = re.compile(
    r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|\b(?:sha(?:1|256|384|512)[:\-])[A-Za-z0-9+/=]{20,}|\b[0-9a-f]{32,}\b"
)
_RUN: Final = re.compile(r"[A-Za-z0-9_+=\-]{32,}")
_WORDS: Final = re.compile(r"(?:[A-Za-z]?[a-z]{0,17}|[A-Z]{1,12}|v?[0-9]{1,8}|[a-z]{1,12}[0-9]{1,3})")
_RANDOM_BITS: Final = 4.0
_REPEATED_BITS: Final = 2.5


@dataclass(frozen=True, slots=True)
class Suspect:
    """A stretch of a value; `certain` where its shape is that of one kind of credential."""

    start: int
    end: int
    what: str
    certain: bool


def shaped(text: str) -> Iterator[Suspect]:
    """Every credential that a text holds by its shape; of a private key its first line."""
    for match in CERTAIN.finditer(text):
        if not _BLANK.search(match[0]) and ("-----" in match[0] or _bits(match[0][4:]) > _REPEATED_BITS):
            kind = next(at for at, held in enumerate(match.groups()) if held is not None)
            yield Suspect(match.start(), match.end(), _KINDS[kind], certain=True)


def in_text(text: str) -> Suspect | None:
    """The first credential that a text holds by its shape, or what is too random to be anything else."""
    if (first := next(shaped(text), None)) is not None:
        return replace(first, end=len(text)) if "-----" in text[first.start : first.end] else first
    for match in _USERINFO.finditer(text):
        if not _BLANK.search(match["password"]):
            local = match["host"].lower() in _LOCAL
            return Suspect(*match.span("password"), "a password in a URL", certain=not local)
    hidden = _PUBLIC.sub(lambda match: " " * len(match[0]), text)
    for match in _RUN.finditer(hidden):
        if _is_random(match[0]) and not _BLANK.search(match[0]):
            return Suspect(*match.span(), "a random text", certain=False)
    return None


def in_named(name: str, text: str) -> Suspect | None:
    """The credential in a value with a name: by its shape, or because of how it is called."""
    found = in_text(text)
    if found is not None or not name_is_secret(name, text) or _PLAIN.fullmatch(text) or _BLANK.search(text):
        return found
    scheme = re.match(r"(?i)(?:bearer|basic|token|apikey)\s+", text)
    return Suspect(0 if scheme is None else scheme.end(), len(text), f"the value of `{name[:60]}`", certain=False)


def in_url(url: str) -> Suspect | None:
    """The credential in a URL: by its shape, or a parameter of its query that is called so."""
    found = in_text(url)
    if found is not None:
        return found
    for name, value in parse_qsl(urlsplit(url).query):
        at = url.find(value)
        if at >= 0 and (held := in_named(name, value)) is not None:
            return Suspect(at + held.start, at + held.end, held.what, held.certain)
    return None


def in_arguments(argv: list[str]) -> Iterator[tuple[int, Suspect]]:
    """The credentials in a command line, each with the word that holds it."""
    before = ""
    for index, word in enumerate(argv):
        flag = _FLAG.fullmatch(word)
        found = in_url(word) if "://" in word else in_text(word)
        if found is None and flag is not None and flag["value"]:
            held = in_named(flag["name"], flag["value"])
            at = flag.start("value")
            found = None if held is None else Suspect(at + held.start, at + held.end, held.what, held.certain)
        elif found is None and flag is None and before:
            found = in_named(before, word)
        if found is not None:
            yield index, found
        before = flag["name"] if flag is not None and flag["value"] is None else ""


def written_out(draft: Draft) -> list[Diagnostic]:
    """One finding a value of a server that holds a secret; the value itself is in no message."""
    return [
        _finding(draft, path, text, suspect, advice)
        for name, server in (draft.mesh.servers.items() if draft.mesh is not None else ())
        for path, text, suspect, advice in _suspects(("servers", name), server)
    ]


def _suspects(path: Path, server: object) -> Iterator[tuple[Path, str, Suspect, str]]:
    urls: list[tuple[Path, str]] = []
    if isinstance(server, HttpServer):
        urls += [((*path, "http"), server.http)]
        urls += [((*path, "replicas", index), url) for index, url in enumerate(server.replicas)]
    if isinstance(server, OpenApiServer):
        urls += [((*path, "url"), server.url)]
    for place, url in urls:
        if (suspect := in_url(url)) is not None:
            yield place, url, suspect, "give it with `auth`, or as a header: `headers: {NAME: {env: NAME}}`"
    if isinstance(server, HttpServer | OpenApiServer):
        for name, text in server.headers.items():
            if isinstance(text, str) and (suspect := in_named(name, text)) is not None:
                bearer = name.lower() == "authorization" and text[:7].lower() == "bearer "
                form = "auth: {bearer: {env: NAME}}" if bearer else f"{name[:60]}: {{env: NAME}}"
                yield (*path, "headers", name), text, suspect, f"write `{form}`, with a variable of the runtime"
    if isinstance(server, StdioServer):
        for name, text in server.env.items():
            if isinstance(text, str) and (suspect := in_named(name, text)) is not None:
                form = f"write `{name[:60]}: {{env: {name[:60]}}}`, with a variable of the runtime"
                yield (*path, "env", name), text, suspect, form
        for index, suspect in in_arguments(server.stdio):
            form = "give it under `env`, as `NAME: {env: NAME}`, and let the server read it there"
            yield (*path, "stdio", index), server.stdio[index], suspect, form


def _finding(draft: Draft, path: Path, text: str, suspect: Suspect, advice: str) -> Diagnostic:
    if draft.root is None:
        raise ValueError("checks run after source")
    at = locate(draft.root, path)
    span = within(at, normalised(draft.texts.get(at.file, "")), text, suspect.start, suspect.end)
    if suspect.certain:
        return report("credential-in-file", span, f"{suspect.what} is written out here", help=advice)
    return report("possible-secret", span, f"{suspect.what} looks like a secret that is written out", help=advice)


def _is_random(run: str) -> bool:
    kinds = (any(map(str.isdigit, run)), any(map(str.isupper, run)), any(map(str.islower, run)))
    segments = [segment for segment in re.split(r"[_+=\-]", run) if segment]
    return all(kinds) and not all(map(_WORDS.fullmatch, segments)) and _bits(run) >= _RANDOM_BITS


def _bits(text: str) -> float:
    """Shannon's entropy in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) if text else 0.0
