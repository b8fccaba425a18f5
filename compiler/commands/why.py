"""`mesh why`: why a caller may or may not do something, and what would have to change."""

from __future__ import annotations

from typing import Any, cast

import click

from meshplan.compiler import exits
from meshplan.compiler.project import Project, parse_day, show


@click.command("why")
@click.argument("words", nargs=-1, required=True)
@click.option("--endpoint", metavar="NAME", help="only at this virtual MCP")
@click.option("--args", "arguments", metavar="JSON", help="the arguments of the call, an object")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--now", metavar="DATE", help="judge expiries as of this date")
@click.pass_obj
def command(
    project: Project, words: tuple[str, ...], endpoint: str | None, arguments: str | None, form: str, now: str | None
) -> int:
    """Say why a caller may or may not use a capability: WORDS are the caller's, and then what is called.

    A caller is `user:ana team:desk agent:ci`, the name of a key, or `local`; without any, one who proves nothing. What
    is called is named as an endpoint advertises it, or as `server.name`. Touches no network.
    """
    from meshplan.compiler.access.asking import AskingError, questions
    from meshplan.compiler.access.remedy import Healer
    from meshplan.compiler.access.why import Explainer
    from meshplan.compiler.diff.lockplaces import LockPlaces
    from meshplan.compiler.render.access import json as as_json
    from meshplan.compiler.render.access import text as as_text

    given = _arguments(arguments)
    compiled = project.compile(now)
    bundle, draft = compiled.bundle or compiled.held, compiled.draft
    if bundle is None or draft.root is None or draft.resolved is None:
        show(compiled)
        return exits.DIAGNOSTICS
    today = parse_day(now)
    try:
        asked = questions(compiled, bundle, " ".join(words[:-1]), words[-1], endpoint, given, today)
    except AskingError as error:
        raise click.UsageError(str(error)) from None
    explainer = Explainer(bundle, today, LockPlaces(draft.reader, draft.environment))
    healer = Healer(explainer, draft.root, draft.resolved)
    answers = [(why, healer.remedy(why.question, why.ruling)) for why in map(explainer.why, asked)]
    render = as_json.render_why if form == "json" else as_text.render_why
    click.echo(render(answers), nl=False)
    return exits.OK


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
