"""What is recorded of a plug-in's strategy: its version, and the JSON Schema of its settings, from the package's own files.

A package says it in a data file `NAME.strategy.json`: ``{"settings": SCHEMA}``. Its code is never imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from meshplan.compiler.lockfile import FOLDER, LockError
from meshplan.compiler.reader import Reader
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.syntax.virtual import Plugin
from meshplan.schemas import jsontext

if TYPE_CHECKING:
    from importlib.metadata import Distribution

FORMAT: Final = "mesh.dev/strategy-lock/v1"
GROUP: Final = "meshplan.strategies"
"""The entry point group, as docs/strategies.md promises it."""


@dataclass(frozen=True, slots=True)
class StrategyLock:
    """One strategy; ``settings`` is ``None`` where its package does not say what they may be."""

    strategy: str
    package: str
    version: str
    settings: Mapping[str, Any] | None


def strategy_lock_path(name: str) -> str:
    """Where a strategy is recorded; no environment is called like this folder."""
    return f"{FOLDER}/@strategies/{name}.json"


def plugin_names(mesh: Mesh) -> list[str]:
    """The strategies of packages that a mesh uses."""
    used = {virtual.strategy.plugin.name for virtual in mesh.virtual.values() if isinstance(virtual.strategy, Plugin)}
    return sorted(used)


def read_strategy_lock(reader: Reader, name: str) -> StrategyLock | None:
    """The record of a strategy, ``None`` where there is none; raises ``LockError``."""
    text = reader.read(strategy_lock_path(name))
    if text is None:
        return None
    found = _object(text, "it is not a JSON object")
    if found.get("format") != FORMAT or found.get("strategy") != name:
        raise LockError(f"it is not the record of `{name}`")
    package, version, settings = found.get("package"), found.get("version"), found.get("settings")
    if (
        not isinstance(package, str)
        or not isinstance(version, str)
        or not (settings is None or isinstance(settings, dict))
    ):
        raise LockError("a member is missing, or is of another type")
    return StrategyLock(name, package, version, cast("dict[str, Any] | None", settings))


def write_strategy_lock(lock: StrategyLock) -> str:
    """The text of a record: sorted, in ASCII."""
    members = {"format": FORMAT, "strategy": lock.strategy, "package": lock.package, "version": lock.version}
    return json.dumps({**members, "settings": lock.settings}, indent=2, sort_keys=True, ensure_ascii=True) + "\n"


def installed(name: str) -> StrategyLock:
    """What the packages of this interpreter say of a strategy; raises ``LockError`` where they do not, or do twice."""
    from importlib.metadata import entry_points

    found = {point.dist.name: point.dist for point in entry_points(group=GROUP, name=name) if point.dist is not None}
    if len(found) != 1:
        brought = (
            f"several packages bring it: {', '.join(sorted(found))}" if found else "no installed package brings it"
        )
        raise LockError(brought)
    [distribution] = found.values()
    return StrategyLock(name, distribution.name, distribution.version, _settings(distribution, name))


def _settings(distribution: Distribution, name: str) -> Mapping[str, Any] | None:
    for path in distribution.files or ():
        if path.name == f"{name}.strategy.json":
            found = _object(path.read_text(encoding="utf-8"), f"its `{path}` is not a JSON object").get("settings")
            if not isinstance(found, dict):
                raise LockError(f"its `{path}` has no object `settings`")
            return cast("dict[str, Any]", found)
    return None


def _object(text: str, otherwise: str) -> dict[str, Any]:
    try:
        found = jsontext.parse(text)
    except ValueError:
        raise LockError(otherwise) from None
    if not isinstance(found, dict):
        raise LockError(otherwise)
    return cast("dict[str, Any]", found)
