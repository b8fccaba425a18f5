"""Invariants: every name and selector in them must mean something; judging them comes later."""

from __future__ import annotations

from pydantic import JsonValue

from meshplan.compiler.assure.labels import matches_live
from meshplan.compiler.diagnostics import Path
from meshplan.compiler.expressions import DYN
from meshplan.compiler.resolve.access import conjunction
from meshplan.compiler.resolve.conditions import compile_at, principal_env
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.select import reached
from meshplan.compiler.syntax.access import Reach
from meshplan.compiler.syntax.guardrails import Invariant
from meshplan.compiler.syntax.virtual import ServerInclude


def resolve_invariants(context: Context) -> dict[str, JsonValue]:
    """Invariants by name, as data for whoever judges them; a selector that matches nothing guards nothing."""
    found: dict[str, JsonValue] = {}
    places: dict[str, Path] = {}
    for index, invariant in enumerate(context.mesh.invariants):
        path: Path = ("invariants", index)
        if invariant.name in places:
            related = ((places[invariant.name], "the other one"),)
            context.say(
                "duplicate-name", (*path, "name"), f"two invariants are named `{invariant.name}`", related=related
            )
            continue
        places[invariant.name] = path
        _check(context, invariant, (*path, "never"))
        found[invariant.name] = invariant.never.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dict(sorted(found.items()))


def _check(context: Context, invariant: Invariant, path: Path) -> None:
    never = invariant.never
    if never.who != "anyone":
        conjunction(context, never.who, (*path, "who"))
    _check_excuses(context, never.unless, (*path, "unless"))
    if (never.reach is None) == (not never.reach_all) and not context.lacks(path):
        context.say("missing-key", path, "give exactly one of `reach` and `reach_all`", key=True)
    reaches: list[tuple[Reach, Path]] = [] if never.reach is None else [(never.reach, (*path, "reach"))]
    reaches += [(reach, (*path, "reach_all", index)) for index, reach in enumerate(never.reach_all)]
    for reach, place in reaches:
        before = len(context.found)
        if (
            not reached(context, reach, place)
            and len(context.found) == before
            and not context.lacks(place)
            and not any(matches_live(reach, server) for server in _forwarded(context))
            and set(context.locks) == set(context.mesh.servers)
        ):
            context.say(
                "selector-matches-nothing",
                place,
                "this selector matches no capability: the invariant would guard nothing",
            )


def _forwarded(context: Context) -> set[str]:
    """The servers of which an endpoint forwards resources that are not locked."""
    includes = [include for virtual in context.mesh.virtual.values() for include in virtual.include]
    return {i.server for i in includes if isinstance(i, ServerInclude) and i.resources == "live"}


def _check_excuses(context: Context, given: str | list[str] | None, path: Path) -> None:
    """Conditions that an invariant names must be readable; whose arguments they are about, rules say."""
    texts = [(given, path)] if isinstance(given, str) else [(text, (*path, i)) for i, text in enumerate(given or ())]
    for text, place in texts:
        compile_at(context, place, text, {"args": DYN, "principal": principal_env(context)})
