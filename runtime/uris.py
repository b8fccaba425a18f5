"""URIs in one spelling (RFC 3986 6.2.2), and the names under which live resources of a server are shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

MAX_URI = 8192

_HOSTS = frozenset({"http", "https", "ws", "wss", "ftp", "file"})
"""Schemes whose authority is a host name; elsewhere it is often an identifier whose case counts."""
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})?")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_SLASHES = re.compile(r"%(2F|5C|00)|%25(?=2[EeFf]|5[Cc]|00|25)", re.IGNORECASE)


class UriRefusedError(ValueError):
    """A URI that could mean something else to the server than it does to us."""


def normalise(uri: str) -> str:
    """The one spelling: scheme (and host, in schemes that have hosts) in lower case, escapes canonical, no dot segments.

    Raises ``UriRefusedError`` for text that is no absolute URI, for blanks, control characters and backslashes, for a
    broken percent sign or an encoded NUL, and where a ``..`` would remain hidden behind an encoded slash.
    """
    if len(uri) > MAX_URI or _UNSAFE.search(uri) or not _SCHEME.match(uri):
        raise UriRefusedError("not an absolute URI")
    scheme, _, rest = _PERCENT.sub(_canonical_escape, uri).partition(":")
    rest, mark, fragment = rest.partition("#")
    rest, asked, query = rest.partition("?")
    authority, path = "", rest
    if rest.startswith("//"):
        host, slash, tail = rest[2:].partition("/")
        authority, path = "//" + (_lower_host(host) if scheme.lower() in _HOSTS else host), slash + tail
    if path.startswith("/") or authority:
        path = _without_dots(path)
    _refuse_hidden_dots(path)
    return f"{scheme.lower()}:{authority}{path}{asked}{query}{mark}{fragment}"


def normalise_live(uri: str) -> str:
    """As ``normalise``, and stricter, because a glob is compared with it: no encoded slash, backslash or NUL at all."""
    found = normalise(uri)
    if _SLASHES.search(found):
        raise UriRefusedError("an encoded slash")
    return found


def _canonical_escape(found: re.Match[str]) -> str:
    digits = found[1]
    if digits is None:
        raise UriRefusedError("a broken percent sign")
    char = chr(int(digits, 16))
    if char == "\0":
        raise UriRefusedError("an encoded NUL")
    return char if char in _UNRESERVED else "%" + digits.upper()


def _lower_host(authority: str) -> str:
    user, at, host = authority.rpartition("@")
    return user + at + host.lower()


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4 for an absolute path."""
    kept: list[str] = []
    segments = path.split("/")
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
            if last:
                kept.append("")
        elif segment == ".":
            if last:
                kept.append("")
        else:
            kept.append(segment)
    return "/".join(kept)


def _refuse_hidden_dots(path: str) -> None:
    decoded = unquote(path).replace("\\", "/")
    if any(segment in (".", "..") for segment in decoded.split("/")):
        raise UriRefusedError("a hidden dot segment")


def live_scheme(server: str) -> str:
    """What stands before the scheme of a live resource of this server: ``my_files`` gives ``my.files+``."""
    return server.replace("_", ".") + "+"


def outward(server: str, uri: str) -> str:
    """The name under which an endpoint shows a live resource of a server."""
    return live_scheme(server) + uri
