"""`runtime:` as written: where the runtime listens and the bounds it keeps."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from meshplan.compiler.syntax.servers import Url
from meshplan.compiler.syntax.words import Size, Written, bad_value

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})\Z")


def _listen(value: Any) -> Any:
    if isinstance(value, str):
        found = _ADDRESS.match(value)
        if not found or int(found[2]) > 65535:
            raise bad_value(f"`{value[:80]}` is not an address", "write host and port, such as `127.0.0.1:8700`")
    return value


Listen = Annotated[str, BeforeValidator(_listen)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Concurrency(Written):
    """Calls that may run at once."""

    per_principal: Count = 64


class Limits(Written):
    """Bounds on what one caller can cost."""

    body: Size = 4 * 1024 * 1024
    concurrency: Concurrency = Concurrency()


class Runtime(Written):
    """Settings of the serving process; everything here is compiled into the plan."""

    listen: Listen = "127.0.0.1:8700"
    public_url: Url | None = None
    allowed_origins: list[Url] = []
    limits: Limits = Limits()
