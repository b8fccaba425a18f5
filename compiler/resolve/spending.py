"""Prices and budgets: what they cover, in one currency, and whether a hard cap can be kept at all."""

from __future__ import annotations

from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import JsonValue

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.expressions import DYN
from meshplan.compiler.resolve.access import conjunction
from meshplan.compiler.resolve.conditions import argument_types, compile_at
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.select import is_glob, reached
from meshplan.compiler.resolved import ResolvedBudget, ResolvedPrice
from meshplan.compiler.syntax.money import Budget, Price
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.globs import glob_match


def resolve_prices(context: Context) -> dict[CapabilityKey, ResolvedPrice]:
    """The price of each capability that has one; two that match the same one are an error."""
    found: dict[CapabilityKey, ResolvedPrice] = {}
    for reference in sorted(context.mesh.prices):
        path: Path = ("prices", reference)
        for key in _priced(context, reference, path):
            first = found.get(key)
            if first is not None:
                context.say(
                    "priced-twice",
                    path,
                    f"`{key.server}.{key.name}` has two prices",
                    related=((first.path, "the other one"),),
                    key=True,
                )
                continue
            found[key] = _price(context, key, context.mesh.prices[reference], path)
    return found


def _priced(context: Context, reference: str, path: Path) -> list[CapabilityKey]:
    """`SERVER.TOOL` or `BINDING.OPERATION`, the second part possibly a glob."""
    maker, _, pattern = reference.partition(".")
    server = f"binding:{maker}" if maker in context.mesh.bindings else maker
    names = [key.name for key in context.capabilities if key.server == server and key.kind == "tool"]
    first, last = (reference, 0, len(maker)), (reference, len(maker) + 1, len(reference))
    makers = [*context.mesh.servers, *context.mesh.bindings]
    if server == maker and (
        not context.known("server", maker, makers, path, key=True, stretch=first) or maker not in context.locks
    ):
        return []
    if is_glob(pattern):
        matched = sorted(name for name in names if glob_match(pattern, name))
        if not matched:
            message = f"`{pattern}` matches no tool of `{maker}`"
            context.say("glob-matches-nothing", path, message, key=True, stretch=last)
        return [CapabilityKey(server, "tool", name) for name in matched]
    known = context.known("tool", pattern, names, path, key=True, of=maker, stretch=last)
    return [CapabilityKey(server, "tool", pattern)] if known else []


def _price(context: Context, key: CapabilityKey, price: Price, path: Path) -> ResolvedPrice:
    parts = [part for part in (price.per_call, price.input_tokens, price.output_tokens, price.max_per_call) if part]
    currencies = {part.currency for part in parts}
    if len(currencies) > 1:
        context.say(
            "mixed-currencies", path, "the price mixes " + " and ".join(f"`{c}`" for c in sorted(currencies)), key=True
        )
    usage = None
    if price.usage is not None:
        definition = context.capabilities[key].locked.definition
        output = definition.get("outputSchema")
        env = {"result": DYN if output is None else context.values(output), "args": argument_types(context, key)}
        usage = compile_at(context, (*path, "usage"), price.usage, env, DYN)
    return ResolvedPrice(key, price, min(currencies, default=None), cast("JsonValue", usage), path)


def resolve_budgets(context: Context, prices: dict[CapabilityKey, ResolvedPrice]) -> tuple[ResolvedBudget, ...]:
    """Every budget with the capabilities that it covers (``None``: all)."""
    renamed = _renamed(context)
    return tuple(
        _budget(context, name, context.mesh.budgets[name], prices, renamed.get(name, name))
        for name in sorted(context.mesh.budgets)
    )


def _renamed(context: Context) -> dict[str, str]:
    """New name to the name that spending is counted under."""
    found: dict[str, str] = {}
    for index, moved in enumerate(context.mesh.moved):
        path: Path = ("moved", index, "budget")
        if context.known("budget", moved.budget.to, context.mesh.budgets, (*path, "to")):
            found[moved.budget.to] = moved.budget.from_
    for name in list(found):
        seen = {name}
        while found[name] in found and found[name] not in seen:
            seen.add(found[name])
            found[name] = found[found[name]]
    return found


def _budget(
    context: Context, name: str, budget: Budget, prices: dict[CapabilityKey, ResolvedPrice], counted_as: str
) -> ResolvedBudget:
    path: Path = ("budgets", name)
    if budget.of is not None and budget.each is not None:
        context.say(
            "budget-scope",
            path,
            f"`{name}` has both `of` and `each`",
            key=True,
            help="keep one: `of` is one counter, `each` is one for everybody",
        )
    of = None if budget.of is None else conjunction(context, budget.of, (*path, "of"))
    covers = None if budget.on is None else reached(context, budget.on, (*path, "on"))
    _check_zone(context, budget, path)
    _check_cap(context, name, budget, covers, prices, path)
    return ResolvedBudget(name, budget, of, covers, counted_as, path)


def _check_zone(context: Context, budget: Budget, path: Path) -> None:
    if budget.zone is None:
        return
    try:
        ZoneInfo(budget.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        context.say(
            "bad-value",
            (*path, "zone"),
            f"`{budget.zone[:80]}` is not a time zone",
            help="write one such as `Europe/Berlin` or `UTC`",
        )


def _check_cap(
    context: Context,
    name: str,
    budget: Budget,
    covers: tuple[CapabilityKey, ...] | None,
    prices: dict[CapabilityKey, ResolvedPrice],
    path: Path,
) -> None:
    """A cap on money or tokens holds only where the most that one call can cost is declared."""
    unit = budget.limit.unit
    if unit == "calls" or budget.on_exceed == "warn":
        return
    if unit == "tokens":
        _check_tokens(context, name, covers, prices, path)
        return
    for key, price in sorted(prices.items()):
        if covers is not None and key not in covers:
            continue
        if price.currency not in (None, unit):
            context.say(
                "mixed-currencies",
                (*path, "limit"),
                f"`{name}` counts `{unit}`, and `{key.server}.{key.name}` is priced in `{price.currency}`",
            )
            continue
        fixed = price.price.input_tokens is None and price.price.output_tokens is None
        if not fixed and price.price.max_per_call is None:
            context.say(
                "unbounded-cap",
                (*path, "limit"),
                f"`{name}` cannot hold: one call of `{key.server}.{key.name}` has no declared maximum",
                related=((price.path, "add `max_per_call` here"),),
                help="declare `max_per_call` in its price, or use `on_exceed: warn`",
            )


def _check_tokens(
    context: Context,
    name: str,
    covers: tuple[CapabilityKey, ...] | None,
    prices: dict[CapabilityKey, ResolvedPrice],
    path: Path,
) -> None:
    """Every tool takes tokens, whether it has a price or not: one finding for all that have no maximum."""
    tools = sorted(
        key
        for key in context.capabilities
        if key.kind == "tool" and not key.server.startswith("workflow:") and (covers is None or key in covers)
    )
    unbounded = [key for key in tools if key not in prices or prices[key].price.max_tokens_per_call is None]
    if not unbounded:
        return
    first, server = unbounded[0], unbounded[0].server.removeprefix("binding:")
    others = f", nor have {len(unbounded) - 1} more" if len(unbounded) > 1 else ""
    context.say(
        "unbounded-cap",
        (*path, "limit"),
        f"`{name}` cannot hold: one call of `{server}.{first.name}` has no declared maximum{others}",
        related=((prices[first].path, "add `max_tokens_per_call` here"),) if first in prices else (),
        help=f"declare it, such as `prices: {{{server}.*: {{max_tokens_per_call: 8000}}}}`, or use `on_exceed: warn`",
    )
