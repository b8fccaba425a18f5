"""Who gains and who loses what, cell by cell: exact, with the smallest principals and the causes of each."""

from __future__ import annotations

from meshplan.compiler.diff.causes import as_causes, gain_causes, loss_causes, shown_atoms, smallest_atoms
from meshplan.compiler.diff.fingerprint import fingerprint
from meshplan.compiler.diff.model import AccessChange, Cause, Who
from meshplan.compiler.diff.provenance import Side
from meshplan.compiler.diff.terms import NOTHING, Atoms, Normal, Terms, except_when, gained
from meshplan.schemas.capability import EFFECTS, CapabilityKey, Effect


def access_changes(before: Side, after: Side) -> tuple[AccessChange, ...]:
    """One change for each (endpoint, capability) that not exactly the same principals may reach."""
    cells = sorted({*before.terms, *after.terms})
    changes: list[AccessChange] = []
    for cell in cells:
        old, new = before.terms.get(cell, NOTHING), after.terms.get(cell, NOTHING)
        if not old.same(new):
            changes.append(_change(before, after, cell, old, new))
    return tuple(sorted(changes, key=_danger))


def _danger(change: AccessChange) -> tuple[int, bool, str, str]:
    """The most severe effect first, gains before losses."""
    return -EFFECTS.index(change.effect), not change.gained, change.endpoint, change.capability


def _change(before: Side, after: Side, cell: tuple[str, str], old: Terms, new: Terms) -> AccessChange:
    endpoint, capability = cell
    gains, losses = _witnesses(old, new), _witnesses(new, old)
    causes: set[tuple[Cause, ...]] = set()
    for atoms, delegated in gains:
        causes |= set(as_causes(before, after, gain_causes(before, after, cell, atoms, delegated=delegated)))
    for atoms, delegated in losses:
        causes |= set(as_causes(before, after, loss_causes(before, after, cell, atoms, delegated=delegated)))
    return AccessChange(
        endpoint=endpoint,
        capability=capability,
        kind=CapabilityKey.of(capability).kind,
        name=_name(after, cell) or _name(before, cell) or capability,
        effect=_effect(before, after, capability),
        gained=tuple(_who(new, atoms, delegated=delegated) for atoms, delegated in gains),
        lost=tuple(_who(old, atoms, delegated=delegated) for atoms, delegated in losses),
        causes=tuple(sorted(causes, key=lambda found: (len(found), [(c.kind, c.text) for c in found]))),
        breaking=bool(losses),
        widening=bool(gains),
        fingerprint=fingerprint(f"access:{endpoint}:{capability}", _form(old), _form(new)),
    )


def _witnesses(old: Terms, new: Terms) -> list[tuple[Atoms, bool]]:
    """The smallest principals that are allowed by ``new`` only; delegated ones where the others do not say it."""
    alone = smallest_atoms(gained(old.alone, new.alone))
    delegated = [
        atoms
        for atoms in smallest_atoms(gained(old.delegated, new.delegated))
        if not any(other <= atoms for other in alone)
    ]
    return [*((atoms, False) for atoms in alone), *((atoms, True) for atoms in delegated)]


def _who(terms: Terms, atoms: Atoms, *, delegated: bool) -> Who:
    normal: Normal = terms.delegated if delegated else terms.alone
    unless = tuple(shown_atoms(also) for also in smallest_atoms(except_when(normal, atoms)))
    return Who(shown_atoms(atoms), unless, delegated)


def _name(side: Side, cell: tuple[str, str]) -> str | None:
    endpoint = side.plan.endpoints.get(cell[0])
    return next((o.name for o in endpoint.offers if o.capability == cell[1]), None) if endpoint else None


def _effect(before: Side, after: Side, capability: str) -> Effect:
    """The more severe of the two sides': what is at stake."""
    known: list[Effect] = [effect for side in (before, after) if (effect := side.locked(capability)) is not None]
    return max(known, key=EFFECTS.index) if known else "destructive"


def _form(terms: Terms) -> list[list[list[str]]]:
    """The normal form, as data for a fingerprint."""
    sets = (terms.alone.allows, terms.alone.denied, terms.delegated.allows, terms.delegated.denied)
    return [sorted(list(shown_atoms(atoms)) for atoms in found) for found in sets]
