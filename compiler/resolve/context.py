"""What every resolving step shares: the document for places, and a list of findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meshplan.compiler.diagnostics import Diagnostic, Diagnostics, Fix, Label, Path, Span
from meshplan.compiler.draft import Draft
from meshplan.compiler.expressions import Ir, Problem, Type, arguments, from_schema
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.marks import MapNode, SeqNode, child, exists, lacks_something, locate
from meshplan.compiler.newlines import normalised
from meshplan.compiler.resolved import KnownCapability
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import certain, closest
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.compiler.within import within
from meshplan.schemas.capability import CapabilityKey, Kind

Stretch = tuple[str, int, int]
"""A scalar's text, and the characters of it that are meant, from and to."""


@dataclass(slots=True)
class Context:
    """Collects what is found while names are resolved; a name that is not found is reported once and left out."""

    root: MapNode
    whole: MapNode
    mesh: Mesh
    locks: Mapping[str, ServerLock]
    texts: Mapping[str, str]
    lost: frozenset[str]
    misnamed: frozenset[str]
    capabilities: dict[CapabilityKey, KnownCapability] = field(default_factory=dict[CapabilityKey, KnownCapability])
    made: dict[str, list[CapabilityKey]] = field(default_factory=dict[str, list[CapabilityKey]])
    """The tools of each `binding:NAME` and `workflow:NAME`."""
    slipped: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """What the contract has, of each `binding:NAME` that maps an operation which is none of it."""
    everywhere: dict[frozenset[str], tuple[CapabilityKey, ...]] = field(
        default_factory=dict[frozenset[str], tuple[CapabilityKey, ...]]
    )
    """What rules mean that name effects and no server, sorted, by those effects."""
    found: list[Diagnostic] = field(default_factory=list[Diagnostic])
    judged: dict[tuple[str | int, ...], tuple[object, Ir | None, list[Problem]]] = field(
        default_factory=dict[tuple["str | int", ...], "tuple[object, Ir | None, list[Problem]]"]
    )
    """Expressions that were checked, by their text and the types that they met."""
    _types: dict[tuple[str, int], tuple[object, Type]] = field(
        default_factory=dict[tuple[str, int], tuple[object, Type]]
    )
    _names: dict[tuple[str, Kind], list[str]] = field(default_factory=dict[tuple[str, Kind], list[str]])
    _used: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _missed: dict[tuple[str, str, str], list[Diagnostic]] = field(
        default_factory=dict[tuple[str, str, str], list[Diagnostic]]
    )

    @classmethod
    def of(cls, draft: Draft) -> Context:
        """The context of a compilation that has a mesh."""
        if draft.mesh is None or draft.root is None:
            raise ValueError("names are resolved after the mesh is read")
        whole = draft.whole or draft.root
        return cls(draft.root, whole, draft.mesh, draft.locks, draft.texts, draft.lost, draft.misnamed)

    def make(self, known: KnownCapability) -> None:
        """A tool that a binding or a workflow makes joins the known capabilities."""
        self.capabilities[known.key] = known
        self.made.setdefault(known.key.server, []).append(known.key)

    def arguments(self, schema: object) -> Type:
        """The type of what an input schema of the mesh, a lock or a contract takes; each is read once."""
        return self.read("arguments", arguments, schema)

    def values(self, schema: object) -> Type:
        """The type of the values that a schema of the mesh, a lock or a contract accepts; each is read once."""
        return self.read("values", from_schema, schema)

    def read(self, what: str, reader: Callable[[object], Type], schema: object) -> Type:
        """A type that is read from a schema once."""
        key = (what, id(schema))
        if key not in self._types:
            self._types[key] = (schema, reader(schema))
        return self._types[key][1]

    def names(self, server: str, kind: Kind) -> list[str]:
        """The upstream names of a kind in the lock of a server, sorted."""
        key = (server, kind)
        if key not in self._names:
            self._names[key] = self.locks[server].names(kind)
        return self._names[key]

    def place(self, path: Path, stretch: Stretch | None = None, *, key: bool = False) -> Span:
        """Where ``path`` stands (its key with ``key``), or a stretch of the text there."""
        at = locate(self.root, path)
        if stretch is None:
            return at.key_span() if key else at.value_span()
        return within(at, normalised(self.texts.get(at.file, "")), *stretch, key=key)

    def lacks(self, path: Path) -> bool:
        """Whether a wrong part was cut from what stands at ``path``: what is missing there may be just that."""
        return lacks_something(_at(self.root, path))

    def missing(self, path: Path, needed: Iterable[str], given: Collection[str], right: Collection[str]) -> list[str]:
        """What is ``needed`` and not ``given``; nothing where names that are not ``right`` may be meant for it."""
        found = [name for name in needed if name not in given]
        slips = sum(name not in right for name in given)
        return [] if slips >= len(found) or self.lacks(path) else found

    def say(
        self,
        slug: str,
        path: Path,
        message: str,
        *,
        help: str | None = None,
        key: bool = False,
        related: Iterable[tuple[Path, str]] = (),
        fix: str | None = None,
        stretch: Stretch | None = None,
    ) -> None:
        """Report at ``path`` (its key with ``key``), with related places and the text that would put it right."""
        span = self.place(path, stretch, key=key)
        plain = key or stretch is not None or locate(self.root, path).style is None
        labels = tuple(Label(locate(self.root, place).key_span(), text) for place, text in related)
        sure = Fix(span, fix) if fix is not None and plain else None
        self.found.append(report(slug, span, message, help=help, labels=labels, fix=sure))

    def known(
        self,
        kind: str,
        name: str,
        names: Iterable[str],
        path: Path,
        *,
        key: bool = False,
        of: str | None = None,
        stretch: Stretch | None = None,
    ) -> bool:
        """Whether ``name`` is one of ``names``; reports `unknown-<kind>` with a suggestion where it is not.

        Silent where a part of the document that was refused itself has the name. ``of`` is the locked server whose
        names these are.
        """
        known = list(names)
        if name in known:
            self._used.add((kind, name))
            return True
        section = _DECLARED.get(kind, (kind,))
        if of is None and self._said_already(kind, name, section):
            return False
        meant = closest(name, [*known, *self._declared(section)])
        advice = f"did you mean `{meant}`?" if meant else self._elsewhere(kind, name) or _there_is(kind, known, of)
        sure = meant if meant in known and path[0] not in _GIVES_ACCESS and certain(name, meant, known) else None
        what = f"there is no {kind} `{name}`" if of is None else f"`{of}` has no {kind} `{name}` in its lock"
        self.say(f"unknown-{kind}", path, what, help=advice, fix=sure, key=key, stretch=stretch)
        if meant and kind in _DECLARED:
            self._missed.setdefault((kind, meant, name), []).append(self.found[-1])
        return False

    def settled(self) -> Diagnostics:
        """What was found; a name that everything but its declaration spells alike is reported there, once."""
        found = self.found
        for (kind, meant, name), missed in self._missed.items():
            path = (*_DECLARED[kind], meant)
            if len(missed) > 1 and (kind, meant) not in self._used and exists(self.root, path):
                labels = tuple(Label(diagnostic.span, f"`{name}` is named here") for diagnostic in missed)
                message = f"there is no {kind} `{name}`, which is named {len(missed)} times; `{meant}` is named nowhere"
                said = report(
                    f"unknown-{kind}",
                    self.place(path, key=True),
                    message,
                    help=f"did you mean `{name}`?",
                    labels=labels,
                )
                apart = set(map(id, missed))
                found = [said, *(diagnostic for diagnostic in found if id(diagnostic) not in apart)]
        return tuple(found)

    def _said_already(self, kind: str, name: str, section: Path) -> bool:
        if exists(self.whole, (*section, name)) or name.casefold() in self.lost:
            return True
        return kind == "server" and name in self.misnamed

    def _declared(self, section: Path) -> list[str]:
        """The names in a section of the document, those that were refused included."""
        node: Any = _at(self.whole, section)
        return [item for item in node if isinstance(item, str)] if isinstance(node, MapNode | SeqNode) else []

    def _elsewhere(self, kind: str, name: str) -> str | None:
        """Advice where the name is one of another kind that can stand in the same place."""
        others = (o for group in _INTERCHANGEABLE if kind in group for o in group if o != kind)
        other = next((o for o in others if name in self._declared(_DECLARED[o])), None)
        return other and f"`{name}` is {'an' if other[0] in 'aeiou' else 'a'} {other}: write `{other}: {name}`"


_GIVES_ACCESS = frozenset({"roles", "grants", "identity", "invariants", "budgets"})
"""Sections where a guess could give access to what was not meant: named in the help, never put in by `--fix`."""
_DECLARED: dict[str, Path] = {
    "server": ("servers",),
    "endpoint": ("virtual",),
    "role": ("roles",),
    "user": ("identity", "users", "named"),
    "team": ("identity", "teams"),
    "agent": ("identity", "agents"),
    "application": ("identity", "applications"),
    "issuer": ("identity", "issuers"),
    "binding": ("bindings",),
    "workflow": ("workflows",),
    "contract": ("contracts",),
    "budget": ("budgets",),
}
"""Where each kind of name is declared: one that is there but was refused itself is not reported again."""
_INTERCHANGEABLE = (("server", "binding", "workflow"), ("user", "team", "agent", "application"))


def _at(root: MapNode, path: Path) -> Any:
    node: Any = root
    for part in path:
        node = child(node, part)
    return node


def _there_is(kind: str, known: list[str], of: str | None) -> str:
    if of is not None:
        return f"if it is new upstream, run `mesh lock --update {of}`"
    if not known:
        return f"the mesh declares no {kind} at all"
    shown = ", ".join(f"`{name}`" for name in sorted(known)[:8])
    return f"known: {shown}" + (" and more" if len(known) > 8 else "")
