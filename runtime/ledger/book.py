"""The ledger of this process: opened for the plan that is served, and written as that plan says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import anyio

from meshplan.runtime.active import Active
from meshplan.runtime.call import Call
from meshplan.runtime.errors import LEDGER_FULL, ledger_full
from meshplan.runtime.ledger.file import LedgerError
from meshplan.runtime.ledger.notes import Inputs, answered, intent_of, outcome_of, size_of
from meshplan.runtime.ledger.writer import Writer
from meshplan.runtime.record import Attempt, Say
from meshplan.runtime.targets import Target, Trace
from meshplan.schemas.bundle import PlanRefusedError
from meshplan.schemas.ledger.book import UnreadableError, open_chains
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.inputs import fields
from meshplan.schemas.ledger.spent import Sums, by_chain
from meshplan.schemas.plan import Ledger as Settings
from meshplan.schemas.plan import Plan

PATIENCE: Final[Mapping[str, float]] = {"block": 30.0, "refuse": 1.0}
"""Seconds that a call waits for the disk before it is refused, by what the plan says of overflow."""


class Pen(Protocol):
    """Writes entries, in this process or in another."""

    failing: str | None

    @property
    def chain(self) -> str:
        """The writer's name, of the chain that entries go to; empty where another process has it."""
        ...

    @property
    def waiting(self) -> int:
        """See ``Writer``."""
        ...

    @property
    def behind(self) -> float:
        """See ``Writer``."""
        ...

    @property
    def full(self) -> bool:
        """See ``Writer``."""
        ...

    def put(self, entry: Entry) -> None:
        """See ``Writer``."""
        ...

    async def written(self, entry: Entry | None = None, *, hurry: bool = True) -> None:
        """See ``Writer``."""
        ...

    def unrecorded(self, outcome: str) -> None:
        """See ``Writer``."""
        ...

    @property
    def late(self) -> bool:
        """See ``Writer``."""
        ...

    def follow(self, settings: Settings) -> None:
        """See ``Writer``."""
        ...

    def close(self) -> None:
        """See ``Writer``."""
        ...


class Book:
    """Writes to the newest plan's ledger, if it has one; what is under way ends in the ledger where it began."""

    def __init__(
        self,
        root: Path,
        active: Active,
        say: Say,
        open_writer: Callable[[Path, Say], Pen] = Writer,
        on_spent: Callable[[str, Mapping[str, Sums]], None] | None = None,
    ) -> None:
        """``on_spent`` hears, when the ledger is opened, which chain is ours, and what each of them says was spent."""
        self._root, self._active, self._say, self._open = root, active, say, open_writer
        self._on_spent = on_spent
        self._writer: Pen | None = None
        self._path: Path | None = None
        self._inputs: Inputs | None = None

    @property
    def failing(self) -> str | None:
        """Why entries cannot be written right now."""
        return None if self._writer is None else self._writer.failing

    def gauges(self) -> dict[str, Callable[[], int]]:
        """How the writer is doing, as numbers to be asked for."""
        return {
            "ledger_waiting": lambda: 0 if self._writer is None else self._writer.waiting,
            "ledger_failing": lambda: int(self.failing is not None),
        }

    def report(self) -> dict[str, Any] | None:
        """How the writer is doing, for operators; ``behind`` is in seconds."""
        pen = self._writer
        if pen is None:
            return None
        behind = round(pen.behind, 3)
        return {"failing": pen.failing, "waiting": pen.waiting, "behind": behind, "late": pen.late, "full": pen.full}

    def folder(self) -> Path | None:
        """Where the ledger is, once there is one."""
        return self._path

    @property
    def pen(self) -> Pen | None:
        """What writes the ledger, once there is one."""
        return self._writer

    def prepare(self, plan: Plan) -> None:
        """Before a plan is served: open its ledger; raises ``PlanRefusedError`` where that cannot be."""
        settings = plan.runtime.ledger
        if settings is None:
            return
        path = (self._root / settings.path).resolve()
        if self._path is not None and path != self._path:
            raise PlanRefusedError("ledger", "another ledger takes effect when the runtime is started again")
        if self._writer is None:
            try:
                self._writer, self._path = self._open(path, self._say), path
                self._tell_spent(path, self._writer.chain)
            except (LedgerError, UnreadableError) as error:
                raise PlanRefusedError("ledger", str(error)) from None
        self._writer.follow(settings)

    def _tell_spent(self, path: Path, chain: str) -> None:
        if self._on_spent is not None:
            with open_chains(path) as chains:
                self._on_spent(chain, by_chain(chains, self._active.now))

    def close(self) -> None:
        """Write what waits."""
        if self._writer is not None:
            self._writer.close()

    def _settings(self) -> tuple[Pen, Settings] | None:
        snapshot = self._active.snapshot
        settings = snapshot.plan.runtime.ledger if snapshot is not None else None
        return None if settings is None or self._writer is None else (self._writer, settings)

    def admit(self) -> Awaitable[None] | None:
        """See ``port.Ledger``."""
        writer = self._writer
        if writer is None or not writer.full:
            return None
        found = self._settings()
        if found is None:
            return None
        overflow = found[1].overflow
        return _refused() if overflow == "refuse" else _until(writer.written(), PATIENCE[overflow])

    def intent(
        self, now: Callable[[], str], plan: str, call: Call, trace: Trace, target: Target
    ) -> Awaitable[None] | None:
        """See ``port.Ledger``."""
        found = self._settings()
        if found is None:
            return None
        writer, settings = found
        trace.sent_bytes = size_of(target.params)
        entry = intent_of(now(), plan, call, trace, self._read(call, trace))
        if settings.arguments:
            entry.arguments = fields(target.params.get("arguments"), settings.arguments)
        if writer.late or settings.durability == "strict" or (trace.bill is not None and trace.bill.capped):
            return _until(writer.written(entry), PATIENCE[settings.overflow])
        writer.put(entry)
        return None

    def outcome(self, attempt: Attempt, call: Call | None = None, trace: Trace | None = None) -> None:
        """See ``port.Ledger``."""
        writer = self._writer
        began = trace is not None and trace.sent_bytes is not None
        if writer is None or (not began and self._settings() is None):
            return
        if not began and writer.full and (call is None or attempt.reason == LEDGER_FULL):
            writer.unrecorded(attempt.outcome)
            return
        inputs = self._read(call, trace) if call is not None and trace is not None and not began else None
        entry = outcome_of(attempt, call, trace, inputs)
        if trace is not None and trace.result is not None:
            settings = self._settings()
            if settings is not None and settings[1].results:
                entry.results = fields(answered(trace.result), settings[1].results)
        writer.put(entry)

    def _read(self, call: Call, trace: Trace) -> str | None:
        snapshot = self._active.snapshot
        if trace.arguments is None or snapshot is None:
            return None
        if self._inputs is None or self._inputs.snapshot is not snapshot:
            self._inputs = Inputs(snapshot)
        return self._inputs.of(call.endpoint, trace)


async def _until(written: Awaitable[None], seconds: float) -> None:
    try:
        with anyio.fail_after(seconds):
            await written
    except TimeoutError:
        raise ledger_full() from None


async def _refused() -> None:
    await asyncio.sleep(0)
    raise ledger_full()
