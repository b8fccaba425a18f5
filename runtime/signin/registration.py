"""How the mesh becomes a client where nobody declared one: a document at its own URL, or dynamic registration (RFC 7591)."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from urllib.parse import urlsplit

import anyio
import httpx2
import msgspec

from meshplan.runtime.identity.fetch import SECONDS, FetchError, check_url, read_json, why
from meshplan.runtime.upstream.oauth import Method, Registered
from meshplan.schemas import jsontext

if TYPE_CHECKING:
    from meshplan.runtime.identity.authority import Authority
    from meshplan.runtime.signin.vault import Vault

_log = logging.getLogger(__name__)

_METHODS: Final[tuple[Method, ...]] = ("client_secret_basic", "client_secret_post", "none")
"""In the order of our choice: the mesh can keep a secret."""
_VISIBLE: Final = re.compile(r"[\x20-\x7e]{1,2048}\Z")
"""What a client's name and secret may hold (RFC 6749, A.1 and A.2), and how much of it we keep."""
_EARLY: Final = 60
"""Seconds before the end of a secret from which it is not begun with any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the mesh registers, for which server, and what browsers come back to; a file of the vault."""

    purpose: ClassVar[str] = "registration"

    server: str
    issuer: str
    redirect: str

    @property
    def name(self) -> str:
        """The name of the file."""
        return hashlib.sha256(self.binding.encode()).hexdigest()

    @property
    def binding(self) -> str:
        """See ``vault.Slot``."""
        return jsontext.canonical(["registration", self.server, self.issuer, self.redirect])


@dataclass(frozen=True, slots=True)
class Card:
    """What an authorization server is told of the mesh: ``mesh`` is its name, ``scopes`` are the declared ones."""

    mesh: str
    redirect: str
    scopes: tuple[str, ...]

    def metadata(self, method: Method) -> dict[str, Any]:
        """The client's metadata (RFC 7591 2; OpenID Connect Registration 2 for ``application_type``)."""
        return {
            "client_name": f"{self.mesh} (Meshplan)",
            "redirect_uris": [self.redirect],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
            "application_type": "web" if urlsplit(self.redirect).scheme == "https" else "native",
            **({"scope": " ".join(self.scopes)} if self.scopes else {}),
        }

    def document(self, url: str) -> dict[str, Any]:
        """The Client ID Metadata Document at a URL of ours: a public client, which proves itself by its redirect address."""
        return {"client_id": url, **self.metadata("none")}


async def registered(
    vault: Vault, place: Place, http: httpx2.AsyncClient, found: Authority, card: Card, now: Callable[[], float]
) -> Registered:
    """The registration at a place, made where there is none that is still good: once, whoever asks at the same time.

    Raises ``FetchError`` and ``SecretError``.
    """
    async with vault.locked(place):
        kept = await known(vault, place)
        if kept is not None and (kept.until is None or kept.until > now() + _EARLY):
            return kept
        made = await _register(http, found, card)
        await vault.keep(place, asdict(made))
        _log.info("the mesh registered itself at `%s` for server `%s`", place.issuer, place.server)
        return made


async def known(vault: Vault, place: Place) -> Registered | None:
    """The registration that is kept; raises ``SecretError``."""
    found = await vault.load(place)
    return None if found is None else Registered(**found)


async def forget(vault: Vault, place: Place, client_id: str) -> None:
    """Let go of a registration that the authorization server does not know any more, unless there is a newer one."""
    async with vault.locked(place):
        kept = await known(vault, place)
        if kept is not None and kept.client_id == client_id:
            vault.forget(place)


async def _register(http: httpx2.AsyncClient, found: Authority, card: Card) -> Registered:
    if found.registration_endpoint is None:
        raise FetchError("it lets no client register itself (no `registration_endpoint`)")
    method = _method(found.methods)
    content, headers = msgspec.json.encode(card.metadata(method)), {"content-type": "application/json"}
    try:
        with anyio.fail_after(SECONDS):
            url = check_url(found.registration_endpoint)
            async with http.stream("POST", url, content=content, headers=headers) as response:
                if response.status_code == 201:
                    response.status_code = 200
                answer = await read_json(response)
    except (httpx2.RequestError, TimeoutError) as error:
        raise FetchError(f"no answer to our registration: {why(error)}") from None
    except FetchError as error:
        raise FetchError(f"it refused our registration ({error})") from None
    return _believed(answer, method, card.redirect)


def _method(supported: frozenset[str]) -> Method:
    """The way of our choice; without a word, RFC 8414 2 says `client_secret_basic`."""
    for method in _METHODS:
        if not supported or method in supported:
            return method
    raise FetchError("it takes no way for a client to prove itself that we know")


def _believed(answer: dict[str, Any], wanted: Method, redirect: str) -> Registered:
    """What a registration's answer is good for (RFC 7591 3.2.1); raises ``FetchError``."""
    client_id, secret, until = (
        answer.get("client_id"),
        answer.get("client_secret"),
        answer.get("client_secret_expires_at"),
    )
    method = answer.get("token_endpoint_auth_method", wanted)
    redirects = answer.get("redirect_uris")
    if not isinstance(client_id, str) or not _VISIBLE.match(client_id):
        raise FetchError("it registered us under no usable `client_id`")
    if method not in _METHODS:
        raise FetchError("it registered us with a way to prove ourselves that we do not know")
    if isinstance(redirects, list) and redirects and redirect not in cast("list[Any]", redirects):
        raise FetchError("it registered us with other redirect addresses than ours")
    if method == "none":
        return Registered(client_id)
    if not isinstance(secret, str) or not _VISIBLE.match(secret):
        raise FetchError("it registered us without a usable `client_secret`")
    ends = float(until) if isinstance(until, int) and 0 < until < 2**53 else None
    return Registered(client_id, secret, method, ends)
