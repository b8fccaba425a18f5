"""What a server says with a 401 or 403: the bearer challenge of ``WWW-Authenticate`` (RFC 6750 3, RFC 9728 5.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MAX_SCOPES: Final = 50
"""Of one caller at one server: what asks for more is not asked for it."""

_MAX_TEXT: Final = 8192
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}\Z")
_PARTS: Final = re.compile(
    r"(?P<name>[A-Za-z_][\w-]*)[ \t]*=[ \t]*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<plain>[^\s,\"]+))"
    r"|(?P<scheme>[A-Za-z][\w-]*)"
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """``error`` is a code of RFC 6750 3.1, ``scopes`` what the request needs, ``metadata`` where the server's own is."""

    error: str | None = None
    scopes: tuple[str, ...] = ()
    metadata: str | None = None

    @property
    def wants_more(self) -> bool:
        """Whether the token was good, and did not go far enough."""
        return self.error == "insufficient_scope" and bool(self.scopes)


def read_challenge(value: str) -> Challenge:
    """The first bearer challenge of a header; an empty one where there is none that can be read."""
    found: dict[str, str] = {}
    scheme = ""
    for part in _PARTS.finditer(value[:_MAX_TEXT]):
        if part["scheme"] is not None:
            if scheme == "bearer":
                break
            scheme = part["scheme"].lower()
        elif scheme == "bearer":
            text = part["plain"] if part["quoted"] is None else re.sub(r"\\(.)", r"\1", part["quoted"])
            found.setdefault(part["name"].lower(), text)
    return Challenge(found.get("error"), read_scopes(found.get("scope", "")), found.get("resource_metadata"))


def read_scopes(text: str) -> tuple[str, ...]:
    """Scopes in their order, each once (RFC 6749 3.3); none where one of them is no scope, or they are too many."""
    found = tuple(dict.fromkeys(text.split(" "))) if text else ()
    return found if len(found) <= MAX_SCOPES and all(_SCOPE.match(scope) for scope in found) else ()
