"""What every resolving step shares: the document for places, and a list of findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from meshplan.compiler.diagnostics import Diagnostic, Fix, Label, Path
from meshplan.compiler.lockfile import ServerLock
from meshplan.compiler.marks import MapNode, exists, locate
from meshplan.compiler.resolved import KnownCapability
from meshplan.compiler.rules import report
from meshplan.compiler.suggest import closest
from meshplan.compiler.syntax.mesh import Mesh
from meshplan.schemas.capability import CapabilityKey


@dataclass(slots=True)
class Context:
    """Collects what is found while names are resolved; a name that is not found is reported once and left out."""

    root: MapNode
    whole: MapNode
    mesh: Mesh
    locks: Mapping[str, ServerLock]
    capabilities: Mapping[CapabilityKey, KnownCapability] = field(default_factory=dict[CapabilityKey, KnownCapability])
    found: list[Diagnostic] = field(default_factory=list[Diagnostic])

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
    ) -> None:
        """Report at ``path`` (its key with ``key``), with related places and the text that would put it right."""
        at = locate(self.root, path)
        span = at.key_span() if key else at.value_span()
        labels = tuple(Label(locate(self.root, place).key_span(), text) for place, text in related)
        certain = Fix(span, fix) if fix is not None and (key or at.style is None) else None
        self.found.append(report(slug, span, message, help=help, labels=labels, fix=certain))

    def known(self, kind: str, name: str, names: Iterable[str], path: Path, *, key: bool = False) -> bool:
        """Whether ``name`` is one of ``names``; reports `unknown-<kind>` with a suggestion where it is not."""
        known = list(names)
        if name in known:
            return True
        if exists(self.whole, (*_DECLARED.get(kind, (kind,)), name)):
            return False
        meant = closest(name, known)
        advice = f"did you mean `{meant}`?" if meant else _there_is(kind, known)
        sure = None if path[0] in _GIVES_ACCESS else meant
        self.say(f"unknown-{kind}", path, f"there is no {kind} `{name}`", help=advice, fix=sure, key=key)
        return False


_GIVES_ACCESS = frozenset({"roles", "grants", "identity", "invariants", "budgets"})
"""Sections where a guess could give access to what was not meant: named in the help, never put in by `--fix`."""
_DECLARED: dict[str, Path] = {
    "server": ("servers",),
    "endpoint": ("virtual",),
    "role": ("roles",),
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


def _there_is(kind: str, known: list[str]) -> str:
    if not known:
        return f"the mesh declares no {kind} at all"
    shown = ", ".join(f"`{name}`" for name in sorted(known)[:8])
    return f"known: {shown}" + (" and more" if len(known) > 8 else "")
