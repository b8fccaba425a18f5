"""Words of a command line to questions: who, what, and at which endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from meshplan.compiler.access.callers import Caller, read_caller, subjects_declared
from meshplan.compiler.access.naming import advertised, by_key, meant
from meshplan.compiler.access.why import Question
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.suggest import closest
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey


class AskingError(ValueError):
    """Words that mean nobody or nothing; the text says which, and what may be meant."""


def questions(
    compiled: Compiled,
    bundle: Bundle,
    who: str,
    what: str,
    endpoint: str | None,
    arguments: Mapping[str, Any] | None,
    today: date,
) -> list[Question]:
    """One question for each endpoint that offers it; raises ``AskingError``."""
    caller = _caller(compiled, bundle, who, today)
    return [Question(at, capability, caller, arguments) for at, capability in named(compiled, bundle, what, endpoint)]


def named(compiled: Compiled, bundle: Bundle, what: str, endpoint: str | None) -> Sequence[tuple[str, str]]:
    """The (endpoint, capability) pairs that a name means: where it is offered, else wherever it could be."""
    plan = bundle.plan
    if endpoint is not None and endpoint not in plan.endpoints:
        close = closest(endpoint, plan.endpoints)
        raise AskingError(f"there is no endpoint `{endpoint}`" + (f"; did you mean `{close}`?" if close else ""))
    asked = [endpoint] if endpoint is not None else list(plan.endpoints)
    shown = [(at, names[what]) for at in asked if what in (names := advertised(plan, at))]
    if shown:
        return shown
    locked = [key for lock in compiled.draft.locks.values() for key in lock.definitions]
    capability = by_key([*map(CapabilityKey.of, plan.capabilities), *locked], what)
    if capability is None:
        close = meant(plan, locked, endpoint, what)
        raise AskingError(
            f"nothing is called `{what}`"
            + (f"; did you mean `{close}`?" if close else "; name it as an endpoint advertises it, or as `server.name`")
        )
    offering = [at for at in asked if any(o.capability == capability for o in plan.endpoints[at].offers)]
    return [(at, capability) for at in offering or asked]


def _caller(compiled: Compiled, bundle: Bundle, who: str, today: date) -> Caller:
    if compiled.draft.mesh is None:
        raise AskingError("there is no mesh to ask")
    read = read_caller(who, bundle.plan, subjects_declared(compiled.draft.mesh), today)
    if isinstance(read, Caller):
        return read
    raise AskingError("; ".join(slip.message + (f": {slip.help}" if slip.help else "") for slip in read))
