"""`mesh explain`: what a diagnostic means, offline."""

from __future__ import annotations

import click

from meshplan.compiler.rules import BY_CODE, BY_SLUG, RULES
from meshplan.compiler.suggest import did_you_mean


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> int:
    """Say what CODE (such as MESH101, or its name) means and how to resolve it; without it, list them all."""
    if code is None:
        for rule in RULES:
            click.echo(f"{rule.code}  {rule.level:<8} {rule.slug:<22} {rule.summary}")
        return 0
    rule = BY_CODE.get(code.upper()) or BY_SLUG.get(code.lower())
    if rule is None:
        advice = did_you_mean(code.upper(), BY_CODE) or did_you_mean(code.lower(), BY_SLUG)
        raise click.UsageError(f"there is no diagnostic `{code}`" + (f"; {advice}" if advice else ""))
    click.echo(f"{rule.code} {rule.slug} ({rule.level}, since {rule.since})\n\n{rule.summary}\n\n{rule.why}")
    if rule.bad:
        click.echo("\nWrong:\n\n" + _indented(rule.bad))
    click.echo("\nRight:\n\n" + _indented(rule.good))
    return 0


def _indented(text: str) -> str:
    from meshplan.compiler.render.view import visible

    return "\n".join("    " + visible(line) for line in text.rstrip("\n").split("\n"))
