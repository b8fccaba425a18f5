"""`mesh why`: why a caller may or may not do something, and what would have to change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from meshplan.compiler import exits
from meshplan.compiler.ledgers import folder_option
from meshplan.compiler.project import Project, parse_day, show

if TYPE_CHECKING:
    from datetime import date

    from meshplan.compiler.access.recorded import Decision
    from meshplan.compiler.access.remedy import Edit
    from meshplan.compiler.access.why import Question, Why
    from meshplan.compiler.pipeline import Compiled
    from meshplan.schemas.bundle import Bundle


@click.command("why")
@click.argument("words", nargs=-1)
@click.option("--endpoint", metavar="NAME", help="only at this virtual MCP")
@click.option("--args", "arguments", metavar="JSON", help="the arguments of the call, an object")
@click.option("--decision", metavar="ID", help="explain this decision of the ledger instead")
@folder_option
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="explain the decision by this plan file")
@click.option("--store", type=click.Path(path_type=Path), default=Path(".mesh/store"), help="where its plan may be")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.pass_obj
def command(
    project: Project,
    words: tuple[str, ...],
    endpoint: str | None,
    arguments: str | None,
    decision: str | None,
    folder: Path | None,
    plan_file: Path | None,
    store: Path,
    form: str,
    now: str | None,
) -> int:
    """Say why a caller may or may not use a capability: WORDS are the caller's, and then what is called.

    A caller is `user:ana team:desk agent:ci`, the name of a key, or `local`; without any, one who proves nothing. What
    is called is named as an endpoint advertises it, or as `server.name`. With --decision, the ledger says who called
    what, and by which plan it was decided. Touches no network.
    """
    if decision is not None:
        if words or endpoint is not None or arguments is not None or now is not None:
            raise click.UsageError("--decision says who called what, when and how; give nothing of that beside it")
        return _recorded(project, decision, folder, plan_file, store, form)
    if not words:
        raise click.UsageError("say who calls what, or give --decision")
    return _asked(project, words, endpoint, _arguments(arguments), form, now)


def _asked(
    project: Project,
    words: tuple[str, ...],
    endpoint: str | None,
    given: dict[str, Any] | None,
    form: str,
    now: str | None,
) -> int:
    from meshplan.compiler.access.asking import AskingError, questions

    compiled = project.compile(now)
    bundle = compiled.bundle or compiled.held
    if bundle is None:
        show(compiled)
        return exits.DIAGNOSTICS
    today = parse_day(now)
    try:
        asked = questions(compiled, bundle, " ".join(words[:-1]), words[-1], endpoint, given, today)
    except AskingError as error:
        raise click.UsageError(str(error)) from None
    _say(_explained(bundle, compiled, asked, today), form, None)
    return exits.OK


def _recorded(
    project: Project, wanted: str, folder: Path | None, plan_file: Path | None, store: Path, form: str
) -> int:
    from meshplan.compiler.access.recorded import RecordedError, decision_in, question_of
    from meshplan.compiler.ledgers import ledger_folder
    from meshplan.schemas.bundle import PlanRefusedError
    from meshplan.schemas.ledger.book import open_chains
    from meshplan.schemas.ledger.segment import UnreadableError
    from meshplan.schemas.ledger.traces import traced

    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    try:
        with open_chains(found) as chains:
            decision = decision_in(traced(chains, wanted), wanted)
        bundle, compiled = _plan_of(project, decision, plan_file, project.root / store)
        if bundle is None:
            return exits.COULD_NOT_CHECK
        question = question_of(decision, bundle.plan)
    except (UnreadableError, RecordedError) as error:
        click.echo(f"error: {error}", err=True)
        return exits.COULD_NOT_CHECK
    except PlanRefusedError as error:
        click.echo(f"error: the plan is refused ({error.code}): {error}", err=True)
        return exits.TRUST
    _say(_explained(bundle, compiled, [question], decision.day), form, (decision, bundle.digest))
    return exits.OK


def _plan_of(
    project: Project, decision: Decision, plan_file: Path | None, store: Path
) -> tuple[Bundle | None, Compiled | None]:
    """The plan that decided, from the working tree or the store; else the one that is given, or the working tree's."""
    from meshplan.compiler.store import published
    from meshplan.schemas.bundle import unpack

    if plan_file is not None:
        try:
            return unpack((project.root / plan_file).read_bytes()), None
        except OSError as error:
            raise click.UsageError(f"`{plan_file}` cannot be read: {error.strerror}") from None
    compiled = project.compile(decision.day.isoformat())
    bundle = compiled.bundle or compiled.held
    if bundle is None or bundle.digest != decision.plan:
        stored = published(store, decision.plan)
        if stored is not None:
            return stored, None
    if bundle is None:
        show(compiled)
        click.echo("the mesh does not compile, and the plan that decided is not in the store; use `--plan`", err=True)
    return bundle, compiled


def _explained(
    bundle: Bundle, compiled: Compiled | None, asked: list[Question], today: date
) -> list[tuple[Why, tuple[Edit, ...]]]:
    """Each answer, with the edits that would change it where the sources are at hand."""
    from meshplan.compiler.access.remedy import Healer
    from meshplan.compiler.access.why import Explainer
    from meshplan.compiler.diff.lockplaces import LockPlaces

    draft = compiled.draft if compiled is not None else None
    if draft is None or draft.root is None or draft.resolved is None:
        explainer = Explainer(bundle, today)
        return [(why, ()) for why in map(explainer.why, asked)]
    explainer = Explainer(bundle, today, LockPlaces(draft.reader, draft.environment))
    healer = Healer(explainer, draft.root, draft.resolved)
    return [(why, healer.remedy(why.question, why.ruling)) for why in map(explainer.why, asked)]


def _say(answers: list[tuple[Why, tuple[Edit, ...]]], form: str, recorded: tuple[Decision, str] | None) -> None:
    from meshplan.compiler.render.access import json as as_json
    from meshplan.compiler.render.access import text as as_text

    render = as_json.render_why if form == "json" else as_text.render_why
    click.echo(render(answers, recorded), nl=False)


def _arguments(text: str | None) -> dict[str, Any] | None:
    from meshplan.schemas import jsontext

    if text is None:
        return None
    try:
        found = jsontext.parse(text)
    except jsontext.JsonTextError as error:
        raise click.UsageError(f"--args is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError("--args wants an object")
    return cast("dict[str, Any]", found)
