"""`runtime:` as written: where the runtime listens and the bounds it keeps."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from meshplan.compiler.syntax.access import SubjectRef
from meshplan.compiler.syntax.servers import Url
from meshplan.compiler.syntax.words import Duration, FieldPath, Maybe, Name, Secret, Size, Text, Written, bad_value

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})\Z")


def _listen(value: Any) -> Any:
    if isinstance(value, str):
        found = _ADDRESS.match(value)
        if not found or int(found[2]) > 65535:
            raise bad_value(f"`{value[:80]}` is not an address", "write host and port, such as `127.0.0.1:8700`")
    return value


Listen = Annotated[str, BeforeValidator(_listen)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


_RANGE = re.compile(r"[0-9a-fA-F.:]+(/[0-9]{1,3})?\Z")


def _network(value: Any) -> Any:
    if isinstance(value, str):
        try:
            usable = bool(_RANGE.match(value) and ip_network(value, strict=False))
        except ValueError:
            usable = False
        if not usable:
            raise bad_value(f"`{value[:80]}` is not a network", "write an address or a range, such as `10.0.0.0/8`")
    return value


Network = Annotated[str, BeforeValidator(_network)]


class Concurrency(Written):
    """Calls that may run at once."""

    per_principal: Count = 64
    per_upstream: Count = 256


class Limits(Written):
    """Bounds on what one caller can cost."""

    body: Size = 4 * 1024 * 1024
    depth: Annotated[int, Field(ge=4, le=128)] = 64
    headers: Size = 32 * 1024
    idle_streams: Count = 1000
    stream: Duration = 300_000
    concurrency: Concurrency = Concurrency.model_construct()


class Redis(Written):
    """Counters that several runtimes share; `fail` says what happens while they cannot be reached."""

    redis: Secret
    fail: Literal["closed", "local"] = "closed"


def _window(value: int) -> int:
    if not 20 <= value <= 10_000:
        raise bad_value("the window of a ledger is from `20ms` to `10s`", "leave it out for `100ms`")
    return value


Window = Annotated[Duration, AfterValidator(_window)]


class Ledger(Written):
    """Where every attempt is recorded, how surely, and for how long; `arguments` lists what is kept of them."""

    path: Text = "./ledger"
    durability: Literal["default", "strict"] = "default"
    window: Window = 100
    overflow: Literal["block", "refuse"] = "block"
    retention: Maybe[Duration] = None
    arguments: list[FieldPath] = []
    results: list[FieldPath] = []


class SignIns(Written):
    """Where the tokens of callers who signed in to a server are kept, sealed with `seal_keys`."""

    path: Text = "./sign-ins"


class Operator(SubjectRef):
    """Who may look at a running mesh from elsewhere: at everything, or at what happens at some endpoints."""

    endpoints: list[Name] = []


class Runtime(Written):
    """Settings of the serving process; everything here is compiled into the plan."""

    listen: Listen = "127.0.0.1:8700"
    public_url: Maybe[Url] = None
    admin_listen: Maybe[Listen] = None
    admin_url: Maybe[Url] = None
    operators: list[Operator] = []
    allowed_origins: list[Url] = []
    trusted_proxies: list[Network] = []
    private_networks: list[Network] = []
    seal_keys: list[Secret] = []
    counters: Maybe[Redis] = None
    ledger: Maybe[Ledger] = None
    sign_ins: Maybe[SignIns] = None
    limits: Limits = Limits.model_construct()
