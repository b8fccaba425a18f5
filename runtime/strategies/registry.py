"""The strategies that this runtime has: its own, and those of installed packages."""

from __future__ import annotations

from meshplan.runtime.strategies import plugins
from meshplan.runtime.strategies.code.strategy import CodeStrategy
from meshplan.runtime.strategies.port import Strategy, StrategyError, Surface
from meshplan.runtime.strategies.search.strategy import SearchStrategy
from meshplan.schemas import plan


def name_of(strategy: plan.Strategy) -> str:
    """What a strategy is called in records: its kind, or its own name where a package brings it."""
    return strategy.name if isinstance(strategy, plan.Plugin) else strategy.kind


def make(strategy: plan.Strategy, surface: Surface) -> Strategy | None:
    """The strategy of one endpoint, ``None`` for passthrough; raises ``StrategyError``."""
    made = _made(strategy, surface)
    for tool in surface.tools:
        if made is not None and tool.name in made.names:
            raise StrategyError(f"`{surface.endpoint}` offers a tool `{tool.name}`, which its strategy brings itself")
    return made


def _made(strategy: plan.Strategy, surface: Surface) -> Strategy | None:
    match strategy:
        case plan.Passthrough():
            return None
        case plan.Search():
            return SearchStrategy(surface, strategy)
        case plan.Plugin():
            return plugins.load(strategy, surface)
        case plan.Code():
            return CodeStrategy(surface, strategy)
