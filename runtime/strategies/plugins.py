"""Strategies of installed packages: found by name and version, and kept from harming anybody when they fail."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from meshplan.runtime.call import Result
from meshplan.runtime.errors import INTERNAL_ERROR, RpcError, unknown
from meshplan.runtime.shapes import members
from meshplan.runtime.strategies.port import Inner, Make, Strategy, StrategyError, Surface
from meshplan.schemas.plan import Plugin

GROUP: Final = "meshplan.strategies"
"""The entry point group: the name is the strategy's, the object a ``port.Make``."""

_LISTS: Final = 256
_log = logging.getLogger(__name__)


def load(plugin: Plugin, surface: Surface) -> Strategy:
    """The strategy of the installed package with this very version; raises ``StrategyError``."""
    point = _point(plugin)
    settings = cast("dict[str, Any]", json.loads(plugin.settings))
    try:
        make = cast("Make", point.load())
        return _Guarded(plugin.name, make(surface, settings), surface)
    except StrategyError as error:
        raise StrategyError(f"the strategy `{plugin.name}` refuses `{surface.endpoint}`: {error}") from None
    except Exception as error:  # what foreign code fails with is not known, and no plan may be lost by it
        raise StrategyError(
            f"the strategy `{plugin.name}` cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _point(plugin: Plugin) -> EntryPoint:
    found = {
        (point.dist.name, point.dist.version): point for point in _installed(plugin.name) if point.dist is not None
    }
    if not found:
        raise StrategyError(f"no package is installed that brings the strategy `{plugin.name}`")
    if len(found) > 1:
        brought = ", ".join(f"{name} {version}" for name, version in sorted(found))
        raise StrategyError(f"several packages bring the strategy `{plugin.name}`: {brought}")
    ((name, version), point), *_ = found.items()
    if version != plugin.version:
        raise StrategyError(
            f"the plan wants version {plugin.version} of the strategy `{plugin.name}`, and {name} {version} is installed"
        )
    return point


def _installed(name: str) -> Sequence[EntryPoint]:
    return tuple(entry_points(group=GROUP, name=name))


class _Guarded:
    """A foreign strategy: what it lists and answers is checked, and whatever it raises is an answer, too."""

    def __init__(self, name: str, inner: Strategy, surface: Surface) -> None:
        self._name, self._strategy = name, inner
        self._capabilities = {tool.name: tool.capability for tool in surface.tools}
        self.names, self.direct = frozenset(inner.names), frozenset(inner.direct)
        self.instructions = inner.instructions
        if unknown := self.direct - self._capabilities.keys():
            raise StrategyError(f"it lists `{min(unknown)}`, which is not offered")
        self._checked = lru_cache(_LISTS)(self._check)

    def listed(self, visible: frozenset[str]) -> Sequence[bytes]:
        """See ``port.Strategy``; nothing where it fails, or lists what the caller may not see."""
        return tuple(self._checked(visible).values())

    def _check(self, visible: frozenset[str]) -> dict[Any, bytes]:
        try:
            return self._lists(visible)
        except StrategyError as error:
            _log.warning("the strategy `%s` cannot list its tools: %s", self._name, error)
            return {}

    def _lists(self, visible: frozenset[str]) -> dict[Any, bytes]:
        """What it lists, by name."""
        try:
            listed = self._strategy.listed(visible)
            found = {(members(json.loads(definition)) or {}).get("name"): definition for definition in listed}
        except Exception as error:
            raise StrategyError(f"{type(error).__name__}: {error}") from error
        for name in found:
            if name not in self.names and not (name in self.direct and self._capabilities[str(name)] in visible):
                raise StrategyError(f"it lists `{name}`, which is not its own, or not for this caller")
        return found

    async def call(self, name: str, arguments: Mapping[str, Any], inner: Inner) -> Result:
        """See ``port.Strategy``; what is not listed for this caller does not exist."""
        if name not in self._checked(inner.visible):
            raise unknown("tool", name, "not_listed")
        try:
            result = await self._strategy.call(name, arguments, inner)
            if not isinstance(result, bytes):
                json.dumps(result, allow_nan=False)
        except RpcError:
            raise
        except Exception as error:
            _log.exception("the strategy `%s` failed", self._name)
            message = f"the strategy `{self._name}` failed"
            raise RpcError(INTERNAL_ERROR, message, {"reason": "strategy_failed"}) from error
        return result
