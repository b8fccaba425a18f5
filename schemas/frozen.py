"""The base of every part of the plan."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Frozen(BaseModel):
    """Strict, immutable, and closed to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
