"""A whole run: every file in every environment that it names, with coverage and mutants over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from meshplan.compiler.access.judge import Judge
from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Span, has_errors, ordered
from meshplan.compiler.marks import locate
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.project import Project
from meshplan.compiler.reader import FolderReader
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import did_you_mean
from meshplan.compiler.testing.coverage import Coverage, Part, coverage
from meshplan.compiler.testing.load import Document, read_tests, suite
from meshplan.compiler.testing.model import Result, Suite
from meshplan.compiler.testing.mutation import Mutation, Survivor, mutation
from meshplan.compiler.testing.run import Court, court
from meshplan.compiler.variants import environments
from meshplan.schemas.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run; ``skipped`` are files that are not for the environment that was asked for."""

    results: tuple[tuple[Suite, tuple[Result, ...]], ...]
    coverage: Coverage
    mutation: Mutation | None
    skipped: tuple[str, ...]

    @property
    def failed(self) -> tuple[Result, ...]:
        """The checks that did not get what they expect."""
        return tuple(result for _, found in self.results for result in found if result.got is not None)

    @property
    def count(self) -> int:
        """How many checks there were."""
        return sum(len(found) for _, found in self.results)


@dataclass(frozen=True, slots=True)
class Refused:
    """A run that did not come about: what is wrong with the tests or with the mesh."""

    diagnostics: Diagnostics
    texts: dict[str, str]


class _World(NamedTuple):
    bundle: Bundle
    suites: list[Suite]


class _Gathered(NamedTuple):
    worlds: dict[str | None, _World]
    skipped: list[str]
    found: list[Diagnostic]
    texts: dict[str, str]


def run_tests(project: Project, files: Sequence[str], *, today: date, mutate: bool) -> Report | Refused:
    """Run test files; nothing is run where any of them, or the mesh, has a mistake."""
    worlds, skipped, found, texts = _gathered(project, files, today)
    if has_errors(found):
        return Refused(ordered(found), texts)
    return _judged(worlds, skipped, today, mutate=mutate)


def mistakes(project: Project, files: Sequence[str], *, today: date) -> tuple[Diagnostics, dict[str, str]]:
    """What is wrong with test files themselves, and their texts; nothing is run."""
    _, _, found, texts = _gathered(project, files, today)
    own = set(files)
    return ordered(d for d in found if d.span.file in own), {file: texts[file] for file in files}


def _gathered(project: Project, files: Sequence[str], today: date) -> _Gathered:
    """Every file with what it asks, in each environment that it names, and all that is wrong."""
    documents, found, texts = _read(project, files)
    compiled: dict[str | None, Compiled] = {}
    worlds: dict[str | None, _World] = {}
    skipped: list[str] = []
    for document in documents:
        names, said = _environments(project, document, compiled, today)
        found += said
        skipped += [] if names else [document.file]
        for name in names:
            made = compiled[name]
            texts.update(made.texts)
            bundle = made.bundle or made.held
            if bundle is None:
                found += [d for d in made.diagnostics if d.severity == "error"]
                continue
            tests, said = suite(document, made, name, today)
            found += said
            worlds.setdefault(name, _World(bundle, [])).suites.append(tests)
    return _Gathered(worlds, skipped, found, texts)


def _read(project: Project, files: Sequence[str]) -> tuple[list[Document], list[Diagnostic], dict[str, str]]:
    reader = FolderReader(project.root)
    documents: list[Document] = []
    found: list[Diagnostic] = []
    texts: dict[str, str] = {}
    for file in files:
        document, said, text = read_tests(reader, file)
        found += said
        texts[file] = text
        documents += [] if document is None else [document]
    return documents, found, texts


def _environments(
    project: Project, document: Document, compiled: dict[str | None, Compiled], today: date
) -> tuple[list[str | None], list[Diagnostic]]:
    """In which environments a file runs; those that it names must exist."""
    wanted: list[str | None] = [*document.tests.environments]
    if project.environment is not None:
        wanted = [project.environment] if not wanted or project.environment in wanted else []
    elif not wanted:
        wanted = [None]
    known = environments(_compile(project, None, compiled, today))
    found: list[Diagnostic] = []
    for index, name in enumerate(document.tests.environments):
        if name not in known:
            span: Span = locate(document.root, ("environments", index)).value_span()
            advice = did_you_mean(name, known) or "known: " + (", ".join(f"`{n}`" for n in known) or "none")
            found.append(report("unknown-environment", span, f"there is no environment `{name}`", help=advice))
    right = [name for name in wanted if name is None or name in known or name == project.environment]
    for name in right:
        _compile(project, name, compiled, today)
    return right, found


def _compile(project: Project, name: str | None, compiled: dict[str | None, Compiled], today: date) -> Compiled:
    if name not in compiled:
        compiled[name] = project.for_environment(name).compile(today.isoformat())
    return compiled[name]


def _judged(worlds: dict[str | None, _World], skipped: list[str], today: date, *, mutate: bool) -> Report:
    results: list[tuple[Suite, tuple[Result, ...]]] = []
    covered: list[Coverage] = []
    mutated: list[Mutation] = []
    for bundle, suites in worlds.values():
        courts: dict[date, Court] = {}
        for tests in suites:
            if tests.today not in courts:
                courts[tests.today] = court(Judge(bundle.plan, bundle.definitions, tests.today))
            asked = courts[tests.today]
            results.append((tests, tuple(asked.result(check) for check in tests.checks)))
            covered.append(coverage(bundle, asked, tests.checks))
    passed = all(result.got is None for _, found in results for result in found)
    if mutate and passed:
        mutated = [mutation(bundle, suites, today) for bundle, suites in worlds.values()]
    merged = _covered_together(covered)
    return Report(tuple(results), merged, _killed_together(mutated) if mutated else None, tuple(skipped))


def _covered_together(found: list[Coverage]) -> Coverage:
    """What no file covers in any environment; the numbers are those of the largest one."""
    if not found:
        return Coverage(0, 0, ())
    idle = {_key(part): part for part in found[0].idle}
    for other in found[1:]:
        here = {_key(part) for part in other.idle}
        idle = {key: part for key, part in idle.items() if key in here}
    largest = max(found, key=lambda c: c.rules + c.grants)
    return replace(largest, idle=tuple(idle.values()))


def _killed_together(found: list[Mutation]) -> Mutation:
    """A mutant is dead where a test of any environment kills it."""
    alive: dict[object, Survivor] = {_mutant(s): s for s in found[0].survivors}
    for other in found[1:]:
        here = {_mutant(s) for s in other.survivors}
        alive = {key: s for key, s in alive.items() if key in here}
    largest = max(found, key=lambda m: m.made)
    return replace(largest, survivors=tuple(alive.values()))


def _key(part: Part) -> object:
    return part.text, part.place


def _mutant(survivor: Survivor) -> object:
    return _key(survivor.mutant.part), survivor.mutant.change
