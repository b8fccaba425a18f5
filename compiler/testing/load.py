"""Test files to checks: read, validated, and every name in them resolved against the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

from pydantic import ValidationError

from meshplan.compiler.access.callers import Caller, read_caller, subjects_declared
from meshplan.compiler.access.naming import find, meant
from meshplan.compiler.diagnostics import Diagnostics, Path, Span, has_errors, ordered
from meshplan.compiler.marks import MapNode, locate
from meshplan.compiler.pipeline import Compiled
from meshplan.compiler.reader import Reader
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.rules import report
from meshplan.compiler.source import read_yaml
from meshplan.compiler.syntax.errors import explain
from meshplan.compiler.testing.model import Called, Check, Expected, Listing, ReadLive, Suite
from meshplan.compiler.testing.syntax import Read, Reason, Test, TestFile
from meshplan.schemas.capability import CapabilityKey, Kind
from meshplan.schemas.plan import Plan

PATTERN = "**/*.mesh-test.yaml"
_Asking = Callable[[Expected], Called | ReadLive]
_LISTS: dict[str, Kind] = {"tools": "tool", "prompts": "prompt", "resources": "resource", "templates": "template"}


@dataclass(frozen=True, slots=True)
class Document:
    """One test file as written, with its places."""

    file: str
    text: str
    root: MapNode
    tests: TestFile


def read_tests(reader: Reader, file: str) -> tuple[Document | None, Diagnostics, str]:
    """One file as written, every way in which it is not one, and its text."""
    text = reader.read(file)
    if text is None:
        span = Span(file, 1, 1, 1, 1, 0, 0)
        return None, (report("no-mesh-file", span, f"there is no file `{file}`"),), ""
    root, found = read_yaml(file, text)
    if root is None or has_errors(found):
        return None, found, text
    try:
        return Document(file, text, root, TestFile.model_validate(root)), found, text
    except ValidationError as error:
        return None, (*found, *explain(root, TestFile, error)), text


def suite(document: Document, compiled: Compiled, environment: str | None, today: date) -> tuple[Suite, Diagnostics]:
    """The checks of a file against one plan; what names nothing is reported and left out."""
    bundle = compiled.bundle or compiled.held
    if bundle is None or compiled.draft.mesh is None:
        raise ValueError("tests are resolved against a plan")
    draft = compiled.draft
    context = Context(
        document.root,
        document.root,
        compiled.draft.mesh,
        draft.locks,
        {document.file: document.text},
        frozenset(),
        frozenset(),
    )
    day = date.fromisoformat(document.tests.now) if document.tests.now else today
    resolver = _Resolver(document, context, bundle.plan, day)
    checks = tuple(resolver.checks())
    return Suite(document.file, environment, day, checks), ordered(context.found)


@dataclass(slots=True)
class _Resolver:
    document: Document
    context: Context
    plan: Plan
    today: date
    _callers: dict[str, Caller | None] = field(default_factory=dict[str, "Caller | None"])

    def checks(self) -> Iterator[Check]:
        """The checks of every test, in the order of the file."""
        tests = self.document.tests
        for name, words in tests.principals.items():
            self._callers[name] = self._caller(words, ("principals", name), called=name)
        seen: dict[str, int] = {}
        for index, test in enumerate(tests.tests):
            path: Path = ("tests", index)
            first = seen.setdefault(test.name, index)
            if first != index:
                message = f"two tests are called `{test.name}`"
                others = [(("tests", first, "name"), "the other one")]
                self.context.say("duplicate-test", (*path, "name"), message, related=others)
            yield from self._test(test, path)

    def _test(self, test: Test, path: Path) -> Iterator[Check]:
        if not self._whole(test, path):
            return
        if not self.context.known("endpoint", test.endpoint, self.plan.endpoints, (*path, "endpoint")):
            return
        callers = self._many(test.as_, (*path, "as"))
        named = {text: self._who(text, place) for text, place in callers}
        for key, kind in _LISTS.items():
            names: list[str] | None = getattr(test, key)
            if names is not None:
                right = self._listed(test.endpoint, kind, names, (*path, key))
                for caller in filter(None, named.values()):
                    yield self._check(test, caller, Listing(kind, right), (*path, key))
        yield from self._decisions(test, path, named)

    def _whole(self, test: Test, path: Path) -> bool:
        """Whether a test asks something, and says what it expects."""
        asks = test.call is not None or test.read is not None
        lists = any(getattr(test, key) is not None for key in _LISTS)
        problem = None
        if not asks and not lists:
            problem = "this test asks nothing", "give it `call`, or an exact list such as `tools: [NAME]`"
        elif asks and test.expect is None:
            problem = "this test expects nothing", "give it `expect: allow` or `expect: deny`"
        elif test.call is not None and test.read is not None:
            problem = "`call` and `read` exclude each other in one test", "write two tests"
        elif (test.expect is not None and not asks) or (test.arguments is not None and test.call is None):
            problem = "there is no `call` that this is about", "add `call: NAME`"
        if problem is not None:
            self.context.say("idle-test", (*path, "name"), problem[0], help=problem[1])
        return problem is None

    def _decisions(self, test: Test, path: Path, named: Mapping[str, Caller | None]) -> Iterator[Check]:
        if test.expect is None:
            return
        asked = self._asked(test, path)
        for caller, call, expected, place in self._pairs(test, (*path, "expect"), list(named), list(asked)):
            who, what = named[caller], asked[call]
            if who is not None and what is not None and expected is not None:
                yield self._check(test, who, what(expected), place)

    def _asked(self, test: Test, path: Path) -> dict[str, _Asking | None]:
        """What is called or read by its text, ready for what is expected of it."""
        if test.read is not None:
            read: Read = test.read
            known = self.context.known("server", read.server, self.plan.servers, (*path, "read", "server"))
            return {f"{read.server} {read.uri}": partial(ReadLive, read.server, read.uri) if known else None}
        found: dict[str, _Asking | None] = {}
        for text, place in self._many(test.call or [], (*path, "call")):
            capability = find(self.plan, self._locked(), test.endpoint, text)
            found[text] = partial(Called, capability, text, test.arguments) if capability else None
            if capability is None:
                self._unknown(test.endpoint, text, place)
        return found

    def _pairs(
        self, test: Test, path: Path, callers: Sequence[str], calls: Sequence[str]
    ) -> Iterator[tuple[str, str, Expected | None, Path]]:
        """Every pair with what is expected of it; a pair that the test does not list is an error."""
        expect = test.expect
        if not isinstance(expect, dict):
            outcome = self._expected(expect, path)
            yield from ((caller, call, outcome, path) for caller in callers for call in calls)
            return
        self._only(expect, callers, path, "as")
        missing: list[str] = []
        for caller in callers:
            row = expect.get(caller)
            if row is None:
                missing += [f"`{caller or 'a stranger'}` calling `{call}`" for call in calls]
            elif not isinstance(row, dict):
                outcome = self._expected(row, (*path, caller))
                yield from ((caller, call, outcome, (*path, caller)) for call in calls)
            else:
                self._only(row, calls, (*path, caller), "call")
                missing += [f"`{caller or 'a stranger'}` calling `{call}`" for call in calls if call not in row]
                for call in calls:
                    if call in row:
                        place = (*path, caller, call)
                        yield caller, call, self._expected(row[call], place), place
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            message = f"nothing is expected of {', '.join(missing[:3])}{more}"
            advice = "list every pair: what is left out is no refusal"
            self.context.say("unlisted-pair", path, message, key=True, help=advice)

    def _only(self, given: Mapping[str, object], known: Sequence[str], path: Path, key: str) -> None:
        for name in given:
            if name not in known:
                from meshplan.compiler.suggest import did_you_mean

                advice = did_you_mean(name, known) or f"add it to `{key}`"
                self.context.say("unlisted-pair", (*path, name), f"`{name}` is not in `{key}`", key=True, help=advice)

    def _expected(self, outcome: object, path: Path) -> Expected | None:
        if isinstance(outcome, str):
            return Expected(outcome)
        if not isinstance(outcome, Reason) or (outcome.allow is None) == (outcome.deny is None):
            self.context.say("idle-test", path, "a reason is `{allow: RULE}` or `{deny: RULE}`, one of the two")
            return None
        word = "allow" if outcome.allow is not None else "deny"
        rule = outcome.allow or outcome.deny or ""
        if not self.context.known("rule", rule, self.plan.access.rules, (*path, word)):
            return None
        if self.plan.access.rules[rule].effect != word:
            message = f"`{rule}` is {'an allow' if word == 'deny' else 'a deny'}: it never is the reason of {'a refusal' if word == 'deny' else 'an access'}"
            self.context.say("idle-test", (*path, word), message)
            return None
        return Expected(word, rule)

    def _listed(self, endpoint: str, kind: Kind, names: list[str], path: Path) -> tuple[str, ...]:
        found: list[str] = []
        offered = {
            o.name for o in self.plan.endpoints[endpoint].offers if self.plan.capabilities[o.capability].kind == kind
        }
        for index, name in enumerate(names):
            if name in offered:
                found.append(name)
            else:
                self._unknown(endpoint, name, (*path, index))
        return tuple(sorted(set(found)))

    def _unknown(self, endpoint: str, text: str, path: Path) -> None:
        close = meant(self.plan, self._locked(), endpoint, text)
        advice = f"did you mean `{close}`?" if close else "name it as the endpoint advertises it, or as `server.name`"
        self.context.say("unknown-call", path, f"`{endpoint}` offers nothing called `{text}`", help=advice)

    def _locked(self) -> list[CapabilityKey]:
        return [key for lock in self.context.locks.values() for key in lock.definitions]

    def _who(self, text: str, path: Path) -> Caller | None:
        if text in self._callers:
            return self._callers[text]
        return self._caller(text, path, called=text)

    def _caller(self, words: str, path: Path, *, called: str) -> Caller | None:
        declared = subjects_declared(self.context.mesh)
        read = read_caller(words, self.plan, declared, self.today)
        if isinstance(read, Caller):
            return Caller(called, read.principal)
        for slip in read:
            self.context.say(slip.slug, path, slip.message, help=slip.help, stretch=(words, slip.start, slip.end))
        return None

    def _check(self, test: Test, caller: Caller, asked: Called | ReadLive | Listing, path: Path) -> Check:
        at = locate(self.document.root, path)
        span = at.value_span() if isinstance(path[-1], int) else at.key_span()
        return Check(self.document.file, test.name, test.endpoint, caller, asked, span)

    def _many(self, value: str | list[str], path: Path) -> list[tuple[str, Path]]:
        if isinstance(value, str):
            return [(value, path)]
        return list({text: (*path, index) for index, text in enumerate(value)}.items())
