"""`mesh explain`: what a diagnostic means, offline."""

from __future__ import annotations

import click

from meshplan.compiler.rules import BY_CODE, BY_SLUG, RULES, Rule
from meshplan.compiler.rules.suppression import OWN
from meshplan.compiler.suggest import did_you_mean


@click.command("explain")
@click.argument("codes", nargs=-1, metavar="[CODE]...")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
def command(codes: tuple[str, ...], color: str) -> int:
    """Say what each CODE (such as MESH101, or its name) means and how to resolve it; without one, list them all."""
    if not codes:
        for rule in sorted(RULES, key=lambda rule: rule.code):
            click.echo(f"{rule.code}  {rule.level:<8} {rule.slug:<22} {rule.summary}")
        return 0
    rules = dict.fromkeys(_named(code) for code in codes)
    click.echo("\n\n".join(_explained(rule) for rule in rules), color=_wanted(color))
    return 0


def _wanted(color: str) -> bool | None:
    import os

    return {"always": True, "never": False, "auto": False if "NO_COLOR" in os.environ else None}[color]


def _named(code: str) -> Rule:
    rule = BY_CODE.get(code.upper()) or BY_SLUG.get(code.lower())
    if rule is None:
        advice = did_you_mean(code.upper(), BY_CODE) or did_you_mean(code.lower(), BY_SLUG)
        raise click.UsageError(f"there is no diagnostic `{code}`" + (f"; {advice}" if advice else ""))
    return rule


def _explained(rule: Rule) -> str:
    """What docs/rules.md has of the rule, for a terminal; colours are dropped by the stream where it is none."""
    colour = {"error": "red", "warning": "yellow", "advice": "cyan"}[rule.level]
    head = f"{click.style(rule.code, fg=colour, bold=True)} {click.style(rule.slug, bold=True)}"
    parts = [
        f"{head} ({rule.level}, since {rule.since})",
        rule.summary,
        click.wrap_text(rule.why, width=100),
    ]
    if rule.bad:
        parts += [click.style("Wrong:", fg="red"), _indented(rule.bad)]
    parts += [click.style("Right:", fg="green"), _indented(rule.good)]
    if rule.level != "error" and rule.code not in OWN:
        parts.append(f'Meant as it is? Say so beside it: # mesh: ignore[{rule.code}] reason="…" until=YYYY-MM-DD')
    return "\n\n".join(parts)


def _indented(text: str) -> str:
    from meshplan.compiler.rules.page import example

    return "\n".join("    " + line for line in example(text).split("\n"))
