"""`mesh usage`: who used what, by any dimension over any window."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from meshplan.compiler import exits
from meshplan.compiler.ledgers import folder_option, ledger_folder, moment
from meshplan.compiler.project import Project
from meshplan.schemas.ledger.entry import MEASURES
from meshplan.schemas.ledger.usage import DIMENSIONS_ASKED, Usage

if TYPE_CHECKING:
    from meshplan.compiler.spent import Stand
    from meshplan.schemas.ledger.book import Chain


@click.command("usage")
@folder_option
@click.option(
    "--by", multiple=True, type=click.Choice(DIMENSIONS_ASKED), default=("capability",), help="may be repeated"
)
@click.option("--since", metavar="TIME", default="30d", show_default=True, help="`24h`, `7d`, a date or a time")
@click.option("--until", metavar="TIME", help="the end of the window, which is not in it; left out: now")
@click.option("--budgets", is_flag=True, help="how the budgets stand now, instead")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
@click.pass_obj
def command(
    project: Project,
    folder: Path | None,
    by: tuple[str, ...],
    since: str,
    until: str | None,
    form: str,
    *,
    budgets: bool,
) -> int:
    """Calls, tokens, cost, bytes and durations of every attempt that ended in a window."""
    from meshplan.schemas.ledger.book import open_chains
    from meshplan.schemas.ledger.segment import UnreadableError
    from meshplan.schemas.ledger.usage import usage

    now = datetime.now(UTC)
    window = moment(since, now), now if until is None else moment(until, now)
    if window[0] >= window[1]:
        raise click.UsageError("the window is empty: `--since` is not before `--until`, or not before now")
    found = ledger_folder(project, folder)
    if found is None:
        return exits.COULD_NOT_CHECK
    asked = _with_currency(by)
    try:
        with open_chains(found) as chains:
            if budgets:
                _show_budgets(_stands(project, chains, now), form)
                return exits.OK
            used = usage(chains, asked, *window)
    except UnreadableError as error:
        click.echo(f"error: {error}", err=True)
        return exits.COULD_NOT_CHECK
    {"text": _text, "json": _json, "csv": _csv}[form](used, window)
    return exits.OK


def _with_currency(by: tuple[str, ...]) -> tuple[str, ...]:
    """Money of two currencies is never added up."""
    chosen = tuple(dict.fromkeys(by))
    return chosen if "currency" in chosen else (*chosen, "currency")


def _sorted(used: Usage) -> list[tuple[tuple[str | int | None, ...], list[int]]]:
    return sorted(used.rows.items(), key=lambda row: (-row[1][0], [str(part or "") for part in row[0]]))


def _json(used: Usage, window: tuple[datetime, datetime]) -> None:
    rows = [
        {**dict(zip(used.by, key, strict=True)), **dict(zip(MEASURES, sums, strict=True))}
        for key, sums in _sorted(used)
    ]
    since, until = (moment.astimezone(UTC).isoformat(timespec="milliseconds") for moment in window)
    click.echo(json.dumps({"v": 1, "since": since, "until": until, "rows": rows}))


def _csv(used: Usage, _window: tuple[datetime, datetime]) -> None:
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow((*used.by, *MEASURES))
    for key, sums in _sorted(used):
        table.writerow((*(_plain(part) for part in key), *sums))


def _plain(part: str | int | None) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if part is None else str(part)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _text(used: Usage, _window: tuple[datetime, datetime]) -> None:
    from meshplan.schemas.budgets import money

    header = [*used.by[: None if _priced(used) else -1], "calls", "tokens", "cost", "average ms"]
    lines = [header]
    for key, sums in _sorted(used):
        measured = dict(zip(MEASURES, sums, strict=True))
        shown = [_shown(part) for part in key][: len(header) - 4]
        tokens = measured["input_tokens"] + measured["output_tokens"]
        average = measured["total_us"] / measured["calls"] / 1000
        lines.append([*shown, str(measured["calls"]), str(tokens), money(measured["cost_nano"]), f"{average:.1f}"])
    _table(lines, numbers=4)


def _table(lines: list[list[str]], numbers: int) -> None:
    """Columns, the last ones of numbers; the first line is the header."""
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for line in lines:
        cells = [
            cell.ljust(width) if place < len(line) - numbers else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _priced(used: Usage) -> bool:
    return used.by[-1] != "currency" or any(key[-1] is not None for key in used.rows)


def _shown(part: str | int | None) -> str:
    text = "-" if part is None else str(part)
    return "".join(char if char.isprintable() else "?" for char in text)


def _stands(project: Project, chains: list[Chain], now: datetime) -> list[Stand]:
    """By the limits of the mesh, if it compiles."""
    from meshplan.compiler.spent import stands
    from meshplan.schemas.ledger.spent import by_chain, counting, together

    compiled = project.compile()
    bundle = compiled.bundle or compiled.held
    if bundle is None:
        click.echo("the mesh does not compile, so limits are not shown", err=True)
    sums = together(by_chain(chains, now).values())
    return stands({} if bundle is None else bundle.plan.budgets, counting(sums, now.timestamp()))


def _show_budgets(rows: list[Stand], form: str) -> None:
    if form == "json":
        click.echo(json.dumps({"v": 1, "budgets": [row.data() for row in rows]}))
        return
    header = ["budget", "scope", "window", "unit", "used", "limit", "percent"]
    lines = [
        [
            row.budget,
            row.scope or "",
            row.window,
            row.unit,
            row.amount(row.used),
            "" if row.limit is None else row.amount(row.limit),
            str(row.percent or 0),
        ]
        for row in rows
    ]
    if form == "csv":
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerows([header, *([_plain(cell) for cell in line] for line in lines)])
        return
    _table([header, *([_shown(cell or None) for cell in line] for line in lines)], numbers=3)
