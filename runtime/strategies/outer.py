"""Where ``tools/call`` meets an endpoint's strategy: its own tools, those that clients call as they are, and the others."""

from __future__ import annotations

from meshplan.runtime import passed
from meshplan.runtime.call import Call, Result
from meshplan.runtime.crowd import Crowd
from meshplan.runtime.errors import INVALID_PARAMS, Outcome, RpcError, unknown
from meshplan.runtime.journal import Journal
from meshplan.runtime.results import for_era
from meshplan.runtime.snapshot import View
from meshplan.runtime.strategies.inner import InnerCalls, Take
from meshplan.runtime.strategies.port import Strategy
from meshplan.runtime.targets import Target, Trace, arguments_of
from meshplan.schemas.capability import CapabilityKey


class Outer:
    """Answers calls of the strategies' own tools; each is an attempt of its own, and the parent of those that it makes."""

    def __init__(self, take: Take, journal: Journal, crowd: Crowd) -> None:
        self._take, self._journal, self._crowd = take, journal, crowd

    async def answer(self, view: View, call: Call, trace: Trace, strategy: Strategy) -> tuple[Result, Outcome] | None:
        """What a strategy says to ``tools/call``; ``None`` where it leads to the named tool itself, or to nothing."""
        name = call.params.get("name")
        if not isinstance(name, str) or name in strategy.direct:
            return None
        if name not in strategy.names:
            _refuse_unlisted(view, name, trace)
            return None
        trace.capability = CapabilityKey(f"strategy:{view.index.strategy_name}", "tool", name).id
        visible = view.snapshot.visible(view.index.name, view.principal, view.today)
        if not strategy.listed(visible):
            raise unknown("tool", name, "nothing_visible")
        arguments = arguments_of(call)

        async def begin() -> None:
            target = Target("", 0.0, dict(call.params))
            if (written := self._journal.intend(view.snapshot, call, trace, target)) is not None:
                await written

        limit = view.snapshot.plan.runtime.limits.concurrency_per_principal
        share = self._crowd.share(call.caller.owner, limit)
        inner = InnerCalls(call, trace, visible, take=self._take, share=share, begin=begin)
        result = await strategy.call(name, arguments, inner)
        if isinstance(result, bytes):
            return result, passed.outcome_of(result)
        return for_era(call.method, result, legacy=call.legacy), passed.outcome_of(result)


def _refuse_unlisted(view: View, name: str, trace: Trace) -> None:
    """Say to who may use a tool, and to nobody else, that this endpoint does not list it."""
    route = view.index.routes["tool"].get(name)
    if route is None:
        return
    verdict = view.judge(route.id)
    if verdict.allowed:
        trace.note(route.id, verdict)
        message = f"tool `{name}` is not listed here: it is called through the tools that are"
        raise RpcError(INVALID_PARAMS, message, {"reason": "not_listed"})
