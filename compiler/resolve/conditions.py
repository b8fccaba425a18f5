"""Expressions where they stand in the file: checked against the types that they will meet, placed to the character."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, cast

from meshplan.compiler.diagnostics import Path
from meshplan.compiler.expressions import (
    BOOL,
    DYN,
    Env,
    Expr,
    Ir,
    Problem,
    Type,
    arguments,
    check,
    lower,
    read,
    together,
)
from meshplan.compiler.expressions import principal_type as principal
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.relevance import relevant
from meshplan.compiler.rules import report
from meshplan.schemas.capability import CapabilityKey

_FLAWS: dict[str, str] = {"unknown-field": "expression-field", "optional-unguarded": "expression-unguarded"}


def compile_at(
    context: Context,
    path: Path,
    text: str,
    env: Env,
    expect: Type = BOOL,
    *,
    may_be_absent: bool = False,
    advice: Mapping[str, str] | None = None,
) -> Ir | None:
    """One expression with one set of types; everything wrong with it is reported.

    ``may_be_absent``: what it makes is left out where it reads something that is not there, so that needs no guard.
    ``advice`` is on names that cannot be read here.
    """
    ir, problems = _checked(context, text, env, expect)
    if may_be_absent:
        problems = [problem for problem in problems if problem.code_slug != "optional-unguarded"]
    for at, problem in enumerate(problems):
        if advice and problem.code_slug == "unknown-field" and text[problem.start : problem.end] in advice:
            problems[at] = replace(problem, help=advice[text[problem.start : problem.end]])
    _report(context, path, text, problems)
    return ir


def _checked(context: Context, text: str, env: Env, expect: Type) -> tuple[Ir | None, list[Problem]]:
    """The IR of an expression, and what is wrong with it; the same text with the same types is judged once."""
    types = (expect, *env.values())
    name = (text, *map(id, types))
    if name not in context.judged:
        tree, problems = _parsed(text)
        if tree is not None:
            problems = together(problems, check(tree, env, expect))
        ir = lower(tree) if tree is not None and not _refused(problems) else None
        context.judged[name] = (types, ir, problems)
    _, ir, problems = context.judged[name]
    return ir, list(problems)


def principal_env(context: Context) -> Type:
    """The type of `principal`: only declared subjects are ever in its lists."""
    identity = context.mesh.identity
    return context.read("principal", lambda _: principal(identity.teams, identity.agents, identity.applications), None)


def compile_condition(
    context: Context, path: Path, text: str, effect: Literal["allow", "deny"], covers: Sequence[CapabilityKey]
) -> tuple[Ir | None, tuple[CapabilityKey, ...]]:
    """A rule's condition, checked against every capability that the rule covers.

    An argument that none of them has is an error; one that some lack takes those out of an allow (a warning), and is
    an error in a deny. Returns the IR and what is still covered.
    """
    tree, unread = _parsed(text)
    if tree is None:
        _report(context, path, text, unread)
        return None, tuple(covers)
    lacking, problems = _check_each(context, tree, covers)
    problems = together(unread, problems)
    if lacking and len(lacking) < len(covers):
        problems = [p for p in problems if p.code_slug != "unknown-field"]
        _say_lacking(context, path, text, effect, lacking)
        if effect == "deny":
            return None, tuple(covers)
        covers = [key for key in covers if key not in lacking]
    _report(context, path, text, problems)
    return (None if _refused(problems) else lower(tree)), tuple(covers)


def _check_each(
    context: Context, tree: Expr, covers: Sequence[CapabilityKey]
) -> tuple[dict[CapabilityKey, Problem], list[Problem]]:
    """Which capabilities lack an argument, and every distinct problem."""
    lacking: dict[CapabilityKey, Problem] = {}
    merged: dict[tuple[str, int, int], Problem] = {}
    for key in covers:
        for problem in _check_one(context, tree, key):
            if problem.code_slug == "unknown-field":
                lacking.setdefault(key, problem)
            merged.setdefault((problem.code_slug, problem.start, problem.end), problem)
    if not covers:
        for problem in check(tree, {"args": DYN, "principal": principal_env(context)}, BOOL):
            merged[problem.code_slug, problem.start, problem.end] = problem
    return lacking, sorted(merged.values(), key=lambda p: (p.start, p.code_slug))


def _check_one(context: Context, tree: Expr, key: CapabilityKey) -> list[Problem]:
    """The problems of a condition on one capability."""
    locked = context.capabilities[key].locked
    part = relevant(tree, locked.definition.get("inputSchema")) if key.kind == "tool" else None
    name = (id(tree), part or locked.digest)
    if name not in context.judged:
        env: Env = {"args": argument_types(context, key), "principal": principal_env(context)}
        context.judged[name] = (tree, None, check(tree, env, BOOL))
    return context.judged[name][2]


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[Expr | None, tuple[Problem, ...]]:
    tree, problems = read(text)
    return tree, tuple(problems)


def _parsed(text: str) -> tuple[Expr | None, list[Problem]]:
    """The tree of an expression; the same text stands in many places of a large mesh."""
    tree, problems = _parse(text)
    return tree, list(problems)


def argument_types(context: Context, key: CapabilityKey) -> Type:
    """What `args` is for a capability: the input schema's, a prompt's texts, or a resource's `uri`."""
    definition = context.capabilities[key].locked.definition
    if key.kind == "tool":
        return context.arguments(definition.get("inputSchema"))
    if key.kind == "prompt":
        listed: Any = definition.get("arguments")
        entries = cast("list[Any]", listed) if isinstance(listed, list) else []
        names = [str(cast("dict[str, Any]", entry).get("name")) for entry in entries if isinstance(entry, dict)]
        return arguments({"properties": {name: {"type": "string"} for name in names}})
    return arguments({"properties": {"uri": {"type": "string"}}, "required": ["uri"]})


def _say_lacking(
    context: Context, path: Path, text: str, effect: Literal["allow", "deny"], lacking: Mapping[CapabilityKey, Problem]
) -> None:
    first = next(iter(lacking.values()))
    names = ", ".join(f"`{key.server}.{key.name}`" for key in sorted(lacking)[:3])
    more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
    span = context.place(path, (text, first.start, first.end))
    argument = text[first.start : first.end]
    have, them = ("has", "it") if len(lacking) == 1 else ("have", "them")
    if effect == "allow":
        message = f"{names}{more} {have} no `{argument}`: this allow does not cover {them}"
        context.found.append(
            report(
                "condition-narrows", span, message, help="leave them out of the rule, or give them a rule of their own"
            )
        )
    else:
        message = f"{names}{more} {have} no `{argument}`: this deny would refuse every call of {them}"
        context.found.append(
            report("deny-unguarded", span, message, help="leave them out of the rule, or give them a rule of their own")
        )


def _refused(problems: Iterable[Problem]) -> bool:
    return any(problem.level == "error" for problem in problems)


def _report(context: Context, path: Path, text: str, problems: Iterable[Problem]) -> None:
    for problem in problems:
        span = context.place(path, (text, problem.start, problem.end))
        context.found.append(report(_slug(problem), span, problem.message, help=problem.help))


def _slug(problem: Problem) -> str:
    if problem.code_slug in _FLAWS:
        return _FLAWS[problem.code_slug]
    return "expression-doubtful" if problem.level == "warning" else "expression"
