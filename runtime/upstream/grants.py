"""Access tokens from a declared authorization server (RFC 6749), got when they are needed and renewed before they end."""

from __future__ import annotations

import base64
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import anyio
import httpx2
from pydantic import BaseModel, Field, ValidationError

from meshplan.runtime.identity import authority
from meshplan.runtime.identity.fetch import SECONDS, FetchError, check_url, http_client, read_json, why
from meshplan.runtime.identity.resource import check_resource
from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.runtime.upstream.egress import Egress
from meshplan.runtime.upstream.oauth import MIN_AGE, AccessToken, Client, Method, RefusedGrantError
from meshplan.runtime.upstream.port import Behalf
from meshplan.schemas.plan import ExchangeAuth, OAuthAuth

EARLY: Final = 30.0
"""Seconds before its end from which a token is renewed; never more than half of its life."""
UNSTATED: Final = 300.0
"""Seconds that a token is used for whose end the server does not state."""

EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
SUBJECT_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,60}\Z")


class _Granted(BaseModel):
    """A successful answer (RFC 6749 5.1); anything but a bearer token is of no use."""

    access_token: str
    token_type: str = Field(pattern=r"(?i)\Abearer\z")
    expires_in: int | None = None
    refresh_token: str | None = None
    id_token: str | None = None


async def request_token(
    client: Client, secrets: Secrets, grant_type: str, parameters: Mapping[str, str], clock: Callable[[], float]
) -> AccessToken:
    """Ask the token endpoint (RFC 6749 3.2); raises ``SecretError``, which quotes the server's error code at most."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    sent = {"grant_type": grant_type, **parameters}
    secret = None if client.client_secret is None else await secrets.resolve(client.client_secret)
    try:
        async with http_client(client.egress) as http:
            place = await _place(http, client)
            if client.resource is not None and not sent.keys() & {"resource", "audience"}:
                sent["resource"] = place.resource
            if secret is not None and place.method == "client_secret_basic":
                headers["authorization"] = _basic(client.client_id or "", secret)
            else:
                sent |= {} if client.client_id is None else {"client_id": client.client_id}
                sent |= {} if secret is None else {"client_secret": secret}
            answer = await _post(http, place.url, urlencode(sent), headers)
    except FetchError as error:
        raise SecretError(f"the authorization server gave no token: {error}") from None
    except (httpx2.RequestError, TimeoutError) as error:
        raise SecretError(f"the authorization server cannot be reached: {why(error)}") from None
    return _read(answer, clock())


@dataclass(frozen=True, slots=True)
class _Place:
    url: str
    resource: str = ""
    method: Method = "client_secret_basic"


async def _place(http: httpx2.AsyncClient, client: Client) -> _Place:
    """Where a token is asked for, and for what; raises ``FetchError``."""
    if client.issuer is None:
        return _Place(client.token_url or "")
    name = ""
    if client.resource is not None:
        name = (await check_resource(http, client.resource, client.issuer, client.egress, client.told)).name
    found = await authority.find(http, client.issuer, client.egress)
    by_metadata = "client_secret_post" if found.posts_secret else "client_secret_basic"
    return _Place(found.token_endpoint, name, client.method or by_metadata)


async def _post(http: httpx2.AsyncClient, url: str, form: str, headers: dict[str, str]) -> dict[str, Any]:
    with anyio.fail_after(SECONDS):
        async with http.stream("POST", check_url(url), content=form, headers=headers) as response:
            if response.status_code in (400, 401):
                response.status_code = 200
            return await read_json(response)


def _read(answer: dict[str, Any], now: float) -> AccessToken:
    try:
        granted = _Granted.model_validate(answer)
    except ValidationError:
        code = answer.get("error")
        raise RefusedGrantError(code if isinstance(code, str) and _CODE.match(code) else None) from None
    value, seconds = granted.access_token, UNSTATED if granted.expires_in is None else float(granted.expires_in)
    if not value or not value.isascii() or not value.isprintable():
        raise SecretError("the authorization server gave a token that no header can carry")
    if seconds <= 0:
        raise SecretError("the authorization server gave a token that has ended")
    until = now + seconds - min(EARLY, seconds / 2)
    return AccessToken(value, until, granted.refresh_token, granted.id_token)


def _basic(user: str, password: str) -> str:
    """Basic credentials of a client, each half form-encoded first (RFC 6749 2.3.1)."""
    pair = f"{quote_plus(user)}:{quote_plus(password)}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def token_source(
    auth: OAuthAuth | ExchangeAuth, secrets: Secrets, behalf: Behalf | None, egress: Egress, server: str
) -> GrantedToken:
    """The tokens that the plan declares for a server (its URL): the mesh's own, or one made from the caller's."""
    issuer = auth.issuer if isinstance(auth, OAuthAuth) else None
    resource = server if issuer is not None else None
    client = Client(auth.token_url, auth.client_id, auth.client_secret, issuer, resource, egress)
    parameters = {"scope": " ".join(auth.scopes)} if auth.scopes else {}
    if auth.audience is not None:
        # An address is a resource (RFC 8707), any other name an audience (RFC 8693 2.1).
        parameters["resource" if "://" in auth.audience else "audience"] = auth.audience
    if isinstance(auth, OAuthAuth):
        return GrantedToken(client, secrets, "client_credentials", parameters)
    return GrantedToken(client, secrets, EXCHANGE, parameters, Subject(behalf))


@dataclass(frozen=True, slots=True)
class Subject:
    """The caller whose token is exchanged (RFC 8693 2.1)."""

    behalf: Behalf | None

    def token(self) -> str:
        """The caller's newest token; raises ``SecretError`` where it came with none."""
        if self.behalf is None or self.behalf.token is None:
            raise SecretError("it is called on behalf of callers with a token, and this caller has none to exchange")
        return self.behalf.token


class GrantedToken:
    """Tokens of one grant, kept until they end; one question at a time, and none right after one that failed."""

    def __init__(
        self,
        client: Client,
        secrets: Secrets,
        grant_type: str,
        parameters: Mapping[str, str],
        subject: Subject | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._secrets, self._clock = client, secrets, clock
        self._grant_type, self._parameters, self._subject = grant_type, parameters, subject
        self._token: AccessToken | None = None
        self._made_from: str | None = None
        self._asked = -math.inf
        self._failure: SecretError | None = None
        self._asking = anyio.Lock()

    async def resolve(self) -> str:
        """The token, renewed where it is about to end; raises ``SecretError``."""
        subject = self._subject.token() if self._subject is not None else None
        found = self._kept(subject)
        return found.value if found is not None else await self._ask(subject, None)

    async def refresh(self, rejected: str) -> str:
        """Another token than the one that the server rejected, unless that one was given a moment ago."""
        return await self._ask(self._subject.token() if self._subject is not None else None, rejected)

    def _kept(self, subject: str | None) -> AccessToken | None:
        """The token, if it lasts and was made from the very token that the caller has now."""
        good = self._token is not None and self._clock() < self._token.until and self._made_from == subject
        return self._token if good else None

    async def _ask(self, subject: str | None, rejected: str | None) -> str:
        async with self._asking:
            found, recent = self._kept(subject), self._clock() - self._asked < MIN_AGE
            if found is not None and (found.value != rejected or recent):
                return found.value
            if recent and self._failure is not None and self._made_from == subject:
                raise SecretError(str(self._failure))
            self._asked, self._made_from, self._token = self._clock(), subject, None
            about = {} if subject is None else {"subject_token": subject, "subject_token_type": SUBJECT_TYPE}
            try:
                self._token = await request_token(
                    self._client, self._secrets, self._grant_type, {**self._parameters, **about}, self._clock
                )
            except SecretError as error:
                self._failure = error
                raise
            self._failure = None
            return self._token.value
