"""`mesh why` and `mesh who-can` for people at a terminal: every step with its place, and the edit as it would be written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshplan.compiler.access.recorded import Decision, differs
from meshplan.compiler.access.remedy import Edit
from meshplan.compiler.access.whocan import Reachable
from meshplan.compiler.access.why import Chain, Step, Why
from meshplan.compiler.diff.model import Place
from meshplan.compiler.importers.yamltext import flow
from meshplan.compiler.render.diff.phrase import phrase, plain, quoted
from meshplan.compiler.render.diff.who import capability_phrase, circumstances, who_phrase
from meshplan.compiler.render.view import visible
from meshplan.compiler.render.words import counted

MOST = 12
"""So many chains are shown; what is left is counted."""


def render_why(answers: Sequence[tuple[Why, tuple[Edit, ...]]], recorded: tuple[Decision, str] | None = None) -> str:
    """One part for each endpoint, a blank line between; before them, the decision that is explained, by which plan."""
    head = list(_recorded(*recorded, answers[0][0])) if recorded is not None else []
    parts = [[*_why(why, edits)] for why, edits in answers]
    return "\n".join(
        "".join(visible(line).rstrip() + "\n" for line in part) for part in ([head] if head else []) + parts
    )


def _recorded(decision: Decision, plan: str, why: Why) -> Iterator[str]:
    was = "allowed" if decision.allowed else f"refused ({decision.code})"
    by = f" by rule `{decision.rule}`" if decision.rule is not None else ""
    yield f"decision {decision.id} at {decision.at}: {was}{by}, outcome {decision.outcome}"
    yield f"  by plan {decision.plan}"
    if plan != decision.plan:
        yield f"  that plan is not at hand; what follows is by {plan}"
    if differs(decision, why.ruling):
        now = "allows it" if why.ruling.allowed else f"refuses it ({why.ruling.code})"
        rule = f" by rule `{why.ruling.rule}`" if why.ruling.rule is not None else ""
        yield f"  it differs: this plan {now}{rule}"


def _why(why: Why, edits: tuple[Edit, ...]) -> Iterator[str]:
    who = why.question.caller.text or "a stranger"
    yield f"{verdict(why)}: {who} calls {why.name} at {why.question.endpoint}"
    if why.ruling.why is not None:
        yield f"  {why.ruling.why}"
    yield from (f"  {_step(step)}" for step in why.offer)
    for side in why.sides:
        yield f"  a user who acts through an agent needs an allow for both; the {side} has none"
    if not why.chains and why.ruling.code == "no_allow":
        yield "  no rule that anybody is granted allows it here"
    for chain in why.chains[:MOST]:
        yield from _chain(chain)
    if len(why.chains) > MOST:
        yield f"  and {counted(len(why.chains) - MOST, 'way')} more"
    if edits:
        yield (
            "  the smallest edit that would allow it:"
            if len(edits) == 1
            else f"  {len(edits)} edits would allow it, all of them needed:"
        )
        for edit in edits:
            yield from (f"    {line}" for line in edit_lines(edit))


def verdict(why: Why) -> str:
    """`allowed`, for some arguments or for none that there are, or `refused (CODE)`."""
    if not why.ruling.allowed:
        return f"refused ({why.ruling.code})"
    waiting = [chain for chain in why.chains if chain.applies]
    if waiting and all(any(step.mark == "no" for step in chain.steps) for chain in waiting):
        return "listed, but refused whatever the arguments"
    waits = why.question.arguments is None and any(step.mark == "open" for chain in why.chains for step in chain.steps)
    certain = any(chain.applies and all(s.mark != "open" for s in chain.steps) for chain in why.chains)
    return "allowed for some arguments" if waits and not certain else "allowed"


def _chain(chain: Chain) -> Iterator[str]:
    first, *others = chain.steps
    yield f"  - {first.text}{at(first.place)}"
    yield from (f"    {_step(step)}" for step in others)


def _step(step: Step) -> str:
    return f"{'no: ' if step.mark == 'no' else ''}{step.text}{at(step.place)}"


def edit_lines(edit: Edit) -> list[str]:
    """An edit in words, with the YAML that it is about."""
    where = path_text(edit.path)
    match edit.op:
        case "add":
            return [f"add to `{where}`{at(edit.place)}:", f"  - {flow(edit.value)}"]
        case "remove":
            return [f"remove from `{path_text(edit.path[:-1])}`{at(edit.place)}:", f"  {_removed(edit)}"]
        case "set":
            return [f"set `{where}`{at(edit.place)}:", f"  {edit.path[-1]}: {flow(edit.value)}"]


def _removed(edit: Edit) -> str:
    last = edit.path[-1]
    return f"- {flow(edit.value)}" if isinstance(last, int) else f"{last}: {flow(edit.value)}"


def path_text(path: Sequence[str | int]) -> str:
    """`roles.reader.allow[2].when`, positions from 0."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def render_who_can(found: Sequence[Reachable]) -> str:
    """One part for each way to the capability."""
    return "\n".join("".join(line.rstrip() + "\n" for line in _reachable(way)) for way in found)


def _reachable(way: Reachable) -> Iterator[str]:
    via = f", by way of {way.via}" if way.via else ""
    yield f"{plain(capability_phrase(way.capability))} at {way.endpoint} as {plain(phrase(quoted(way.name)))}{via}"
    if not way.reaching:
        yield "  nobody"
    for reaching in way.reaching:
        own = "" if reaching.acting else ", not as a user through an agent"
        yield f"  {plain(phrase(who_phrase(reaching.who), own, circumstances(reaching.who)))}"
        for basis in reaching.by:
            rule = f"{plain(phrase(quoted(basis.rule)))}{at(basis.rule_at)}"
            yield f"    by {rule}, granted with role {plain(phrase(quoted(basis.role)))}{at(basis.grant_at)}"


def at(place: Place | None) -> str:
    """` (file:line)`, or nothing."""
    return f" ({visible(place.file)}:{place.line})" if place else ""
