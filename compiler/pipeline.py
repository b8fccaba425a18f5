"""Read this file first: the compiler is these passes, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from meshplan.compiler.assemble import assemble
from meshplan.compiler.assure.run import assure, guarded
from meshplan.compiler.checks import checks
from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, has_errors, ordered
from meshplan.compiler.draft import Draft, Pass
from meshplan.compiler.echoes import without_echoes
from meshplan.compiler.emit import emit
from meshplan.compiler.load import source, syntax
from meshplan.compiler.locks import locks
from meshplan.compiler.lower import lower
from meshplan.compiler.reader import Reader
from meshplan.compiler.resolve import resolve
from meshplan.compiler.rules import held_by_guard
from meshplan.compiler.suppress import settle

if TYPE_CHECKING:
    from meshplan.schemas.bundle import Bundle

ENTRY = "mesh.yaml"

FRONT: tuple[Pass, ...] = (
    source,  # text → marked data
    assemble,  # includes, patches and parameters → one document
    syntax,  # marked data → the mesh as written
    locks,  # mesh.lock → recorded definitions
    resolve,  # names → things
    checks,  # things → what is still wrong with them
)
BACK: tuple[Pass, ...] = (
    lower,  # things → plan; only when nothing is wrong
    emit,  # plan → canonical bytes, digests, source map
    assure,  # plan → what may never be, and is
)
GUARDING: tuple[Pass, ...] = (lower, assure)
PASSES: tuple[Pass, ...] = (*FRONT, *BACK)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A sealed plan, or ``None`` and at least one error; ``texts`` are the sources that diagnostics point into.

    ``suppressed`` are the warnings that a comment takes away, each with the reason that it gives.
    """

    bundle: Bundle | None
    diagnostics: Diagnostics
    texts: Mapping[str, str]
    draft: Draft
    suppressed: tuple[tuple[Diagnostic, str], ...] = ()
    held: Bundle | None = None
    """The plan that only guards refuse: to be shown and compared, never to be published or served."""


def compile_mesh(
    reader: Reader,
    *,
    today: date,
    entry: str = ENTRY,
    environment: str | None = None,
    parameters: Mapping[str, str] | None = None,
    check_only: bool = False,
) -> Compiled:
    """Compile one mesh, for one of its environments where one is named; ``check_only`` makes no plan.

    Hermetic: reads through ``reader`` only. Never raises for what an author wrote.
    """
    draft = Draft(reader, entry, today, environment, parameters or {})
    found: list[Diagnostic] = []
    for compiler_pass in PASSES:
        if compiler_pass in BACK and not draft.sound:
            break
        if check_only and compiler_pass in BACK and not (compiler_pass in GUARDING and guarded(draft)):
            continue
        draft, said = compiler_pass(draft)
        found += said
        draft = replace(draft, sound=not has_errors(found))
    settled = settle(
        ordered(without_echoes(tuple(found))), draft.texts, today, whole=not (draft.mesh and draft.mesh.environments)
    )
    held = draft.bundle if held_by_guard(settled.diagnostics) else None
    if has_errors(settled.diagnostics):
        draft = replace(draft, bundle=None, sound=False)
    return Compiled(draft.bundle, settled.diagnostics, draft.texts, draft, settled.suppressed, held)
