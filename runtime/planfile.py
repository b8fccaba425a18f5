"""The only reader of plans: from a file, or from a directory store; whatever it returns has been verified."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from meshplan.runtime.support import unsupported
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import Bundle, PlanRefusedError, unpack, verify
from meshplan.schemas.store import Pointer, object_path, pointer_path, read_pointer

MAX_BYTES = 128 * 1024 * 1024
"""No plan, definition or source map is larger; a larger file is refused unread."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a channel points at, and the verified plan behind it."""

    pointer: Pointer
    bundle: Bundle


def from_file(path: Path) -> Bundle:
    """Read and verify a plan file; raises ``PlanRefusedError``."""
    return _supported(unpack(_read(path, "the plan file")))


def pointer_text(store: Path, channel: str) -> bytes | None:
    """The channel's pointer as it lies there, or ``None`` where nothing was published yet."""
    path = store / pointer_path(channel)
    return _read(path, "the channel's pointer") if path.exists() else None


def from_store(store: Path, channel: str, text: bytes) -> Published:
    """Load and verify what a pointer (its text) points at; raises ``PlanRefusedError``."""
    pointer = read_pointer(text)
    if pointer.channel != channel:
        raise PlanRefusedError("pointer", f"the pointer is of channel `{pointer.channel}`, not `{channel}`")
    source_map = _source_map(_object(store, pointer.source_map), pointer.source_map)
    bundle = verify(pointer.plan, _object(store, pointer.plan), lambda digest: _object(store, digest), source_map)
    return Published(pointer, _supported(bundle))


def _object(store: Path, digest: str) -> str:
    try:
        return _read(store / object_path(digest), f"object `{digest}`").decode("utf-8")
    except UnicodeDecodeError:
        raise PlanRefusedError("digest", f"object `{digest}` is not text") from None


def _source_map(text: str, digest: str) -> dict[str, Any]:
    if jsontext.digest(text) != digest:
        raise PlanRefusedError("digest", f"the source map's bytes do not match `{digest}`")
    found = jsontext.parse(text)
    if not isinstance(found, dict):
        raise PlanRefusedError("malformed", "the source map is not an object")
    return cast("dict[str, Any]", found)


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise PlanRefusedError("missing", f"{what} is missing") from None
    except OSError as error:
        raise PlanRefusedError("unreadable", f"{what} cannot be read: {error.strerror}") from None
    if len(found) > MAX_BYTES:
        raise PlanRefusedError("too_large", f"{what} is larger than {MAX_BYTES} bytes")
    return found


def _supported(bundle: Bundle) -> Bundle:
    """Refuse what this runtime would not enforce, and definitions and texts that it could not serve."""
    part = unsupported(bundle.plan)
    if part is not None:
        raise PlanRefusedError("unsupported", f"this runtime does not enforce {part}")
    for digest, text in bundle.definitions.items():
        if not isinstance(_json(text, f"definition `{digest}`"), dict):
            raise PlanRefusedError("malformed", f"definition `{digest}` is not an object")
    for endpoint in bundle.plan.endpoints.values():
        for offer in endpoint.offers:
            for name, text in offer.set.items():
                _json(text, f"the value set for argument `{name}` of `{offer.capability}`")
    return bundle


def _json(text: str, what: str) -> Any:
    try:
        return jsontext.quick(text.encode())
    except (jsontext.JsonTextError, UnicodeEncodeError) as error:
        raise PlanRefusedError("malformed", f"{what} is not JSON: {error}") from None
