"""A test run for people at a terminal: what failed, what is not covered, which mutants live and how to kill them."""

from __future__ import annotations

from collections.abc import Iterator

from meshplan.compiler.diff.model import Place
from meshplan.compiler.render.view import visible
from meshplan.compiler.render.words import counted
from meshplan.compiler.testing.model import Listing
from meshplan.compiler.testing.mutation import Mutation, Survivor
from meshplan.compiler.testing.report import Report
from meshplan.compiler.testing.witness import Killer
from meshplan.schemas import jsontext


def render_text(report: Report) -> str:
    """One line a finding, and a summary at the end."""
    return "".join(visible(line).rstrip() + "\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    for tests, found in report.results:
        where = f" in `{tests.environment}`" if tests.environment else ""
        failed = [result for result in found if result.got is not None]
        yield f"{'FAIL' if failed else 'ok  '} {tests.file}{where}: {counted(len(found), 'check')}, {len(failed)} failed"
        for result in failed:
            check = result.check
            yield f"  {check.file}:{check.span.line}:{check.span.column}: {check.test}"
            yield f"    {check.label}"
            if not isinstance(check.asked, Listing):
                yield f"    expected {check.asked.expected.text}, got {result.got}"
            else:
                yield f"    {result.got}"
    for file in report.skipped:
        yield f"skip {file}: not for this environment"
    covered = report.coverage
    whole = covered.rules + covered.grants
    yield f"coverage {covered.percent:.0f} %: {whole - len(covered.idle)} of {whole} rules and grants"
    for part in covered.idle:
        yield f"  no test rests on {part.text}{at(part.place)}"
    if report.mutation is not None:
        yield from _mutation(report.mutation)


def _mutation(found: Mutation) -> Iterator[str]:
    nothing = f", {found.same} that {'changes' if found.same == 1 else 'change'} nothing" if found.same else ""
    yield f"mutants {found.killed} of {found.made} killed{nothing}, {len(found.survivors)} survived"
    by_killer: dict[tuple[str, ...], list[Survivor]] = {}
    for survivor in found.survivors:
        by_killer.setdefault(tuple(_advice(survivor)), []).append(survivor)
    for advice, survivors in by_killer.items():
        for survivor in survivors:
            yield f"  survived: {survivor.mutant.part.text} {survivor.mutant.change}{at(survivor.mutant.part.place)}"
        yield from (f"    {line}" for line in advice)


def _advice(survivor: Survivor) -> Iterator[str]:
    killer = survivor.killer
    if killer is None:
        yield "no call of an endpoint tells the two apart"
        return
    if not killer.certain:
        yield "a test like this would notice, with arguments that tell the two apart:"
    elif killer.now is not None:
        yield f"this test would notice, in a file with `now: {killer.now}`:"
    else:
        yield "this test would notice:"
    yield from (f"  {line}" for line in snippet(killer))


def snippet(killer: Killer) -> list[str]:
    """A test as it is written in a test file."""
    lines = [
        f"- name: {killer.caller or 'a stranger'} {'calls' if killer.expect == 'allow' else 'never calls'} {killer.call}",
        f"  endpoint: {killer.endpoint}",
        f"  as: {jsontext.canonical(killer.caller) if not killer.caller or ' ' in killer.caller else killer.caller}",
        f"  call: {killer.call}",
    ]
    if killer.arguments is not None:
        lines.append(f"  arguments: {jsontext.canonical(dict(killer.arguments))}")
    return [*lines, f"  expect: {killer.expect}"]


def at(place: Place | None) -> str:
    """` (file:line)`, or nothing."""
    return f" ({place.file}:{place.line})" if place else ""
