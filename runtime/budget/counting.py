"""Where a plan wants spending to be counted: in the memory of this process, or in a Redis that several runtimes share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from meshplan.runtime.budget.embedded import Embedded
from meshplan.runtime.budget.port import Charge, Counters, CountersUnavailableError, Exceeded, Granted, Standing
from meshplan.runtime.secrets import SecretError, Secrets
from meshplan.schemas.budgets import Counter
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.ledger.spent import Sums, together
from meshplan.schemas.plan import Counters as Settings
from meshplan.schemas.plan import Plan

if TYPE_CHECKING:
    from meshplan.runtime.budget.redis.counters import RedisCounters
    from meshplan.runtime.budget.redis.link import Link
    from meshplan.runtime.budget.redis.watch import Watch


class Counting:
    """See ``port.Counters``; the first plan says where, and another place takes a new start."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self._secrets = Secrets(root)
        self._embedded = Embedded(now)
        self._settings: tuple[str, Settings] | None = None
        self._shared: RedisCounters | None = None
        self._watch: Watch | None = None
        self._chain, self._told = "-", dict[str, Sums]()
        self._prepared, self._chosen = False, anyio.Event()

    def seed(self, chain: str, told: Mapping[str, Sums]) -> None:
        """Take what each chain of the ledger has come to; this process goes on with ``chain``. From any thread."""
        self._chain, self._told = chain, dict(told)
        self._embedded.seed(together(told.values()))

    def prepare(self, plan: Plan) -> None:
        """Before a plan is served; raises ``PlanRefusedError``. From any thread."""
        wanted = plan.runtime.counters
        settings = None if wanted is None else (_name(plan), wanted)
        if self._prepared and settings != self._settings:
            raise PlanRefusedError("counters", "other counters take effect when the runtime is started again")
        self._prepared, self._settings = True, settings

    @property
    def _counters(self) -> Counters:
        if self._shared is None and self._settings is not None:
            from meshplan.runtime.budget.redis.counters import RedisCounters
            from meshplan.runtime.budget.redis.watch import Watch

            mesh, settings = self._settings
            alone = settings.fail == "local"
            self._shared = RedisCounters(self._connect, mesh, self._chain, self._told, alone=alone)
            self._watch = Watch(self._shared)
            self._chosen.set()
        return self._shared or self._embedded

    async def _connect(self) -> Link:
        from meshplan.runtime.budget.redis.link import Link

        if self._settings is None:
            raise CountersUnavailableError("there is no counters' server")
        try:
            return Link(await self._secrets.resolve(self._settings[1].redis))
        except SecretError as error:
            raise CountersUnavailableError(str(error)) from None

    async def run(self) -> None:
        """Keep in touch with the shared counters, if the plan has some, until cancelled."""
        if self._counters is self._embedded:
            await self._chosen.wait()
        if self._shared is not None and self._watch is not None:
            from meshplan.runtime.budget.redis.counters import open_counters

            async with open_counters(self._shared):
                await self._watch.run()

    async def reserve(self, decision: str, charges: Sequence[Charge]) -> Granted | Exceeded:
        """See ``port.Counters``."""
        counters = self._counters
        if counters is self._embedded:
            return self._embedded.reserve_now(decision, charges)
        found: Granted | Exceeded | None = None
        # A caller that leaves must not leave a doubt at the server.
        with anyio.CancelScope(shield=True):
            found = await counters.reserve(decision, charges)
        if found is None:
            raise CountersUnavailableError("there was no answer")
        return found

    async def settle(self, decision: str, charges: Sequence[Charge], granted: Granted, actual: Sequence[int]) -> None:
        """See ``port.Counters``."""
        await self._counters.settle(decision, charges, granted, actual)

    async def read(self, charges: Sequence[Charge]) -> tuple[Standing, ...]:
        """See ``port.Counters``."""
        return await self._counters.read(charges)

    def counting(self) -> Mapping[Counter, int]:
        """What counters have come to: those of this process, or of the shared place as it was looked at last."""
        return self._embedded.counting() if self._watch is None else self._watch.newest()

    def report(self) -> dict[str, Any]:
        """For ``/status``: where spending is counted, and whether it can be right now."""
        if self._settings is None:
            return {"kind": "embedded", "state": "ok"}
        shared = self._shared
        state, error = ("joining", None) if shared is None else (shared.state, shared.error)
        age = None if self._watch is None else self._watch.age
        return {"kind": "redis", "state": state, "error": error, "fail": self._settings[1].fail, "age": age}


def _name(plan: Plan) -> str:
    """Environments of one mesh count apart."""
    return plan.mesh if plan.environment is None else f"{plan.mesh}/{plan.environment}"
