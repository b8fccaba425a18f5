"""What is well-formed and still wrong: one concern a file, each a plain function in REFUSING or ADVISING."""

from __future__ import annotations

from collections.abc import Callable

from meshplan.compiler.checks.caps import caps_without_room, forgotten_caps
from meshplan.compiler.checks.carriage import gaps
from meshplan.compiler.checks.expiry import expired
from meshplan.compiler.checks.issuers import unusable_issuers
from meshplan.compiler.checks.lookalikes import look_alikes
from meshplan.compiler.checks.reach import dead_rules, silent_endpoints, unused_roles, unused_servers
from meshplan.compiler.checks.schemas import wrong_schemas
from meshplan.compiler.checks.sign_ins import callers_without_login, impossible_sign_ins
from meshplan.compiler.checks.tokens import over_budget_surfaces
from meshplan.compiler.checks.written import credentials
from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, has_errors
from meshplan.compiler.draft import Draft
from meshplan.compiler.plugins.check import unfit_settings, unlocked_strategies

Check = Callable[[Draft], list[Diagnostic]]

ALONE: tuple[Check, ...] = (credentials, wrong_schemas)
"""What is wrong by itself, whatever else is: said of any mesh that could be read."""
REFUSING: tuple[Check, ...] = (
    silent_endpoints,
    over_budget_surfaces,
    unusable_issuers,
    impossible_sign_ins,
    unfit_settings,
    forgotten_caps,
)
ADVISING: tuple[Check, ...] = (
    dead_rules,
    unused_roles,
    unused_servers,
    look_alikes,
    expired,
    callers_without_login,
    gaps,
    unlocked_strategies,
    caps_without_room,
)


def checks(draft: Draft) -> tuple[Draft, Diagnostics]:
    """The pass: beyond ALONE it runs on a mesh whose names all resolve, and warns only where nothing is refused.

    Otherwise one slip would be said again by every check that it upsets.
    """
    if draft.root is None or draft.mesh is None:
        return draft, ()
    alone = tuple(finding for check in ALONE for finding in check(draft))
    if draft.resolved is None or not draft.sound or has_errors(alone):
        return draft, alone
    refused = tuple(finding for check in REFUSING for finding in check(draft))
    return draft, alone + (refused or tuple(finding for check in ADVISING for finding in check(draft)))
