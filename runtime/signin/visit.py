"""One request of a browser, and the answer to it: what is read of it, and what every answer has."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from meshplan.runtime.front.asgi import Send, respond
from meshplan.runtime.identity.door import Door
from meshplan.runtime.principal import Approach
from meshplan.runtime.signin.html import HEADERS, refused
from meshplan.runtime.snapshot import Snapshot

_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_MAX_FIELDS: Final = 20
COOKIE_SECONDS: Final = 3600
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"


class PageError(Exception):
    """A request that leads nowhere; ``why`` is for the record, the text for the user."""

    def __init__(self, status: int, why: str, text: str) -> None:
        super().__init__(text)
        self.status, self.why = status, f"sign_in_{why}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A page, or where to go instead; ``cookie`` is a name and its value, empty to take it away.

    What is no page (``kind`` is its content type) is the same for everybody, and may be kept for a while.
    """

    status: int
    page: bytes = b""
    location: str | None = None
    cookie: tuple[str, str] | None = None
    kind: str = HTML


@dataclass(frozen=True, slots=True)
class Visit:
    """What a browser sent. ``base`` is our own URL, ``path`` what follows ``/connect/``."""

    base: str
    method: str
    path: str
    query: bytes
    seen: Approach
    door: Door
    snapshot: Snapshot
    body: bytes = b""
    cookies: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def secure(self) -> bool:
        """Whether browsers reach us over TLS."""
        return self.base.startswith("https://")

    def cookie(self, name: str) -> str | None:
        """One of our cookies."""
        return self.cookies.get(self.cookie_name(name))

    def cookie_name(self, name: str) -> str:
        """With the prefix by which browsers take it from this very host alone (RFC 6265bis 4.1.3.2), where there is TLS."""
        return f"__Host-mesh-{name}" if self.secure else f"mesh-{name}"

    @property
    def browser(self) -> str | None:
        """The secret that we gave this browser, to which tickets are bound."""
        found = self.cookie("browser") or ""
        return found if _BROWSER.match(found) else None

    def fields(self, text: bytes) -> dict[str, str]:
        """A query or a form; raises ``PageError`` for a name that comes twice."""
        try:
            pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
        except ValueError:
            raise PageError(400, "unreadable", "The address cannot be read.") from None
        if len(dict(pairs)) != len(pairs):
            raise PageError(400, "unreadable", "The address says something twice.")
        return dict(pairs)


def new_browser() -> str:
    """A secret for a browser."""
    return secrets.token_urlsafe(32)


def read_cookies(header: str) -> dict[str, str]:
    """Cookies by name (RFC 6265 4.2.1); one that comes twice was planted by somebody, and is nobody's."""
    found: dict[str, str] = {}
    twice: set[str] = set()
    for part in header.split(";"):
        name, _, value = part.strip(" ").partition("=")
        if name in found:
            twice.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in twice}


async def reply(send: Send, visit: Visit, answer: Answer) -> None:
    """Send an answer."""
    headers = dict(HEADERS) | ({} if answer.kind == HTML else {"cache-control": "public, max-age=300"})
    if answer.location is not None:
        headers["location"] = answer.location
    if answer.cookie is not None:
        name, value = answer.cookie
        age = COOKIE_SECONDS if value else 0
        tail = "; Secure" if visit.secure else ""
        headers["set-cookie"] = (
            f"{visit.cookie_name(name)}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{tail}"
        )
    await respond(send, answer.status, answer.page, answer.kind, headers)


async def reply_error(send: Send, visit: Visit, error: PageError) -> None:
    """Say why it does not go on."""
    await reply(send, visit, Answer(error.status, refused(str(error))))
