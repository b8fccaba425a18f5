"""The HTTP requests behind the locked tools of an API, as the plan carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from meshplan.compiler.lockfile import LockError, ServerLock
from meshplan.schemas.capability import OPERATION_META

if TYPE_CHECKING:
    from meshplan.schemas.transports import ApiOperation


def operations_of(lock: ServerLock) -> dict[str, ApiOperation]:
    """Each tool's request by tool name; raises ``LockError`` where a lock was edited and has none that can be sent."""
    from meshplan.schemas.transports import ApiOperation  # the plan's models cost what most meshes need not pay

    found: dict[str, ApiOperation] = {}
    for key, entry in sorted(lock.definitions.items()):
        if key.kind != "tool":
            continue
        meta: Any = entry.definition.get("_meta")
        written = cast("dict[str, Any]", meta).get(OPERATION_META) if isinstance(meta, dict) else None
        try:
            found[key.name] = ApiOperation.model_validate(written)
        except ValidationError:
            raise LockError(f"tool `{key.name}` does not say which request of the API it is") from None
    return found
