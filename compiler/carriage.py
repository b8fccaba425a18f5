"""What the lock of a server tells of the features that not every client can get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from meshplan.compiler.expressions.problems import listed
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.syntax.servers import AnyServer, StdioServer
from meshplan.schemas.carriage import CARRIED, IMPOSSIBLE, TASKS, Gap, Over, era_of
from meshplan.schemas.surface import is_object

UNTOLD: Final = frozenset(
    {
        "batches",
        "elicitation-form",
        "elicitation-url",
        "elicitation-complete",
        "elicitation-required",
        "rounds",
        "ping",
        "task-updates",
        "withdrawal",
        "roots-changed",
        "progress-of-answers",
    }
)
"""Features that belong to clients, or that a server uses without declaring them: no lock tells of them."""


def gaps_of(server: AnyServer, lock: ServerLock) -> list[Gap]:
    """The gaps between this server, as it was locked, and any client."""
    return [gap for gap in IMPOSSIBLE if gap.concerns(era_of(lock.protocol_version), over(server))]


def over(server: AnyServer) -> Over:
    """The transport as far as gaps know it."""
    return "stdio" if isinstance(server, StdioServer) else "http"


def declared(feature: str, lock: ServerLock) -> str | None:
    """What a lock tells of a feature, as the subject of a sentence; ``None`` where the server has not got it."""
    capabilities = lock.capabilities
    extensions = _section(capabilities, "extensions")
    match feature:
        case "logging":
            return "log messages" if "logging" in capabilities else None
        case "tasks":
            return "tasks" if TASKS in extensions or "tasks" in capabilities else None
        case "extensions":
            others = [*(extensions.keys() - CARRIED), *_section(capabilities, "experimental")]
            return f"extensions {listed(others)}" if others else None
        case "structured-values":
            names = [key.name for key, locked in lock.definitions.items() if not is_object(locked.definition)]
            return f"structured results of {listed(names)}" if names else None
        case _:
            return None


def _section(capabilities: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = capabilities.get(name)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
