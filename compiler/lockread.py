"""From the text of a lock file to what it records; every definition is held against its digest, every time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import jiter

from meshplan.compiler.lockfile import LOCK_FORMAT, SECTIONS, Locked, LockError, Package, ServerLock, lock_path, locked
from meshplan.compiler.reader import Reader
from meshplan.schemas import jsontext
from meshplan.schemas.capability import IDENTIFYING_FIELD, KINDS, CapabilityKey

_DEFINITIONS_BEGIN = 3
"""So many levels of the file are above a definition."""

Record = Callable[[dict[str, Any]], Locked]


def read_lock(reader: Reader, server: str, environment: str | None = None) -> ServerLock | None:
    """The lock of a server, its environment's own before the common one; ``None`` where there is none.

    Raises ``LockError`` where it cannot be believed.
    """
    own = reader.read(lock_path(server, environment)) if environment else None
    text = own if own is not None else reader.read(lock_path(server))
    return None if text is None else believed(server, text)


@lru_cache(maxsize=512)
def believed(server: str, text: str) -> ServerLock:
    """Read and verify one lock; a text that was verified once is the same lock again, as long as the process lives.

    Raises ``LockError``.
    """
    return as_written(server, text) or as_edited(server, text)


def as_written(server: str, text: str) -> ServerLock | None:
    """A lock as `mesh lock` writes it; ``None`` where it may be anything else, which ``as_edited`` then judges.

    Fractions, deep nesting and all that is wrong are left to the other.
    """
    try:
        found = jiter.from_json(
            text.encode(),
            allow_inf_nan=False,
            cache_mode="keys",
            catch_duplicate_keys=True,
            float_mode="lossless-float",
        )
        head = jsontext.whole({name: part for name, part in found.items() if name not in SECTIONS.values()})
        jsontext.refuse_depth(head.decode())
        return _lock(server, found, _whole)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _whole(entry: dict[str, Any]) -> Locked:
    definition, recorded = entry["definition"], entry["digest"]
    raw = jsontext.whole(definition)
    if jsontext.digest(raw) != recorded or len(entry) > 2:
        raise LockError("is not as it was written")
    text = raw.decode()
    jsontext.refuse_depth(text, below=_DEFINITIONS_BEGIN)
    return Locked(recorded, text, definition)


def as_edited(server: str, text: str) -> ServerLock:
    """A lock in any layout, number lexemes kept; raises ``LockError`` that says what is wrong with it."""
    try:
        found = cast("dict[str, Any]", jsontext.parse(text, exact=True))
        return _lock(server, found, _canonical)
    except jsontext.JsonTextError as error:
        raise LockError(f"it is not JSON: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise LockError(f"it lacks or misshapes {error}") from None


def _canonical(entry: dict[str, Any]) -> Locked:
    recorded = locked(entry["definition"])
    if recorded.digest != entry["digest"]:
        raise LockError("was edited: it does not match its digest")
    return recorded


def _lock(server: str, found: dict[str, Any], record: Record) -> ServerLock:
    if found["format"] != LOCK_FORMAT:
        raise LockError(f"its format is not `{LOCK_FORMAT}`")
    return ServerLock(
        server=server,
        transport=found["transport"],
        protocol_version=found["protocol_version"],
        server_info=found["server_info"],
        capabilities=found["capabilities"],
        instructions=found["instructions"],
        definitions=_definitions(server, found, record),
        package=_package(found["package"]) if "package" in found else None,
    )


def _definitions(server: str, found: dict[str, Any], record: Record) -> dict[CapabilityKey, Locked]:
    definitions: dict[CapabilityKey, Locked] = {}
    for kind in KINDS:
        field = IDENTIFYING_FIELD[kind]
        for name, entry in cast("dict[str, dict[str, Any]]", found[SECTIONS[kind]]).items():
            try:
                recorded = record(entry)
            except LockError as error:
                raise LockError(f"the definition of {kind} `{name}` {error}") from None
            if recorded.definition.get(field) != name:
                raise LockError(f"the definition of {kind} `{name}` names something else")
            definitions[CapabilityKey(server, kind, name)] = recorded
    return definitions


def _package(found: dict[str, Any]) -> Package:
    wanted = {"ecosystem", "name", "version", "integrity"}
    if not wanted <= found.keys() <= {*wanted, "file"} or not all(isinstance(value, str) for value in found.values()):
        raise LockError("it lacks or misshapes `package`")
    if found["ecosystem"] not in ("npm", "pypi"):
        raise LockError("its package is of no known ecosystem")
    return Package(**found)
