"""The layout of a directory store: immutable objects by digest, and one pointer a channel that says which is current."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from meshplan.schemas import jsontext
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.plan import Digest, Frozen

DEFAULT_CHANNEL = "main"
CHANNEL = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")


class Pointer(Frozen):
    """What a channel points at; ``seq`` only grows, ``previous`` is the plan that was current before."""

    v: Literal[1]
    channel: str
    seq: Annotated[int, Field(ge=1)]
    plan: Digest
    source_map: Digest
    previous: Digest | None


def object_path(digest: str) -> str:
    """Where an object lies, relative to the store: ``objects/sha256/ab/abcd….json``."""
    algorithm, _, value = digest.partition(":")
    return f"objects/{algorithm}/{value[:2]}/{value}.json"


def pointer_path(channel: str) -> str:
    """The one mutable file of a channel."""
    return f"channels/{_checked(channel)}.json"


def log_path(channel: str) -> str:
    """The channel's append-only history, one JSON record a line."""
    return f"channels/{_checked(channel)}.log.jsonl"


def _checked(channel: str) -> str:
    if not CHANNEL.match(channel):
        raise ValueError(f"`{channel[:80]}` is not a channel name: lower-case letters, digits, `.`, `_` and `-`")
    return channel


def read_pointer(text: str | bytes) -> Pointer:
    """Read a pointer; raises ``PlanRefusedError``."""
    try:
        return Pointer.model_validate(jsontext.parse(text))
    except (jsontext.JsonTextError, ValidationError) as error:
        raise PlanRefusedError("pointer", f"the channel's pointer is damaged: {str(error).splitlines()[0]}") from None
