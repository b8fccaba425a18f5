"""Everything behind ``admin_listen``, from the first plan on that has such a listener."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio

from meshplan.runtime.active import Active
from meshplan.runtime.admin.console.console import Console
from meshplan.runtime.admin.console.summary import Ledgers
from meshplan.runtime.admin.front import AdminFront
from meshplan.runtime.admin.gate import Gate
from meshplan.runtime.admin.port import AdminPort
from meshplan.runtime.budget.gauges import Gauges
from meshplan.runtime.identity.verifier import Verifier
from meshplan.runtime.signin.sign_ins import SignIns
from meshplan.runtime.status import Reports
from meshplan.runtime.telemetry.gathered import Gathered


async def administer(
    port: AdminPort,
    active: Active,
    reports: Reports,
    gathered: Gathered,
    ledger: Callable[[], Path | None],
    verifier: Verifier,
    sign_ins: SignIns,
    budgets: Gauges,
) -> None:
    """Serve the pages, and keep ready what they show, until cancelled; ``ledger`` says where the ledger is."""
    listener = await port.opened(active)
    console = Console(active, reports, gathered, Ledgers(ledger))
    gate = Gate(active, port, verifier, sign_ins)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gathered.run)
        tasks.start_soon(console.run)
        await port.serve(AdminFront(active, reports, port, gathered, console, gate, budgets.look), listener)
