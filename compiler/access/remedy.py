"""The smallest edit of the mesh's files that would turn a refusal into an access, found among the terms; compiles nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from meshplan.compiler.access.grounds import Ground
from meshplan.compiler.access.judge import Ruling
from meshplan.compiler.access.naming import advertised
from meshplan.compiler.access.pardon import excused
from meshplan.compiler.access.why import Explainer, Question
from meshplan.compiler.diagnostics import Path
from meshplan.compiler.diff.model import Place
from meshplan.compiler.marks import MapNode, child, exists, locate
from meshplan.compiler.resolved import KnownCapability, Resolved
from meshplan.compiler.syntax.selectors import KEY_OF
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.capability import CapabilityKey
from meshplan.schemas.decide import BOTH_SIDES, Principal
from meshplan.schemas.globs import glob_match
from meshplan.schemas.plan import Capability, Offer

_KINDS = ("user", "team", "agent", "application")
ROLE = "access"
"""What a role is called that only the remedy needs."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of the document at ``path``: add an item to the list there, set the value there, or remove it.

    ``value`` is what is added or set, and for a removal what is there now.
    """

    op: Literal["add", "remove", "set"]
    path: Path
    value: Any
    place: Place


@dataclass(frozen=True, slots=True)
class Healer:
    """Finds remedies in one document."""

    explainer: Explainer
    root: MapNode
    resolved: Resolved

    def remedy(self, question: Question, ruling: Ruling) -> tuple[Edit, ...]:
        """The edits that are needed together; none where the caller's own arguments are what is refused."""
        if ruling.allowed or ruling.code == "invalid_arguments":
            return ()
        if ruling.code == "not_offered":
            offering = Explainer(_with_offer(self.explainer.bundle, self.resolved, question), self.explainer.today)
            then = offering.judge.call(
                question.endpoint, question.caller.principal, question.capability, question.arguments
            )
            return self._offered(question), *replace(self, explainer=offering).remedy(question, then)
        found = self.explainer.found(question, ruling)
        against = {ground.term.rule: ground for ground in found if ground.effect == "deny" and ground.applies}
        lifted = [self._lifted(question, ruling, ground) for ground in against.values()]
        return (*lifted, *self._allowed(question, ruling, found))

    def _edit(self, op: Literal["add", "remove", "set"], path: Path, value: object) -> Edit:
        if op == "add" and not exists(self.root, path):
            op, value = "set", [value]
        span = locate(self.root, path).key_span()
        return Edit(op, path, value, Place(span.file, span.line, span.column))

    def _at(self, path: Path) -> Any:
        node: Any = self.root
        for part in path:
            node = child(node, part)
        return node

    def _offered(self, question: Question) -> Edit:
        """An item more of a list, an exception less, or an include more."""
        key = CapabilityKey.of(question.capability)
        names, path = (
            advertised(self.explainer.bundle.plan, question.endpoint),
            ("virtual", question.endpoint, "include"),
        )
        kind = KEY_OF[key.kind]
        for index, include in enumerate(cast("list[Any]", self._at(path))):
            if include.get("server") != key.server or f"{include.get('prefix', '')}{key.name}" in names:
                continue
            selector, excepted = include.get(kind), cast("list[Any]", include.get("except", []))
            if key.name in excepted and self._selects(selector, key):
                where = (*path, index, "except", excepted.index(key.name))
                return self._edit("remove", where, key.name)
            if isinstance(selector, list) and not any(glob_match(glob, key.name) for glob in excepted):
                return self._edit("add", (*path, index, kind), key.name)
        include = _of(key)
        if key.name in names and key.kind in ("tool", "prompt"):
            include["prefix"] = f"{key.server.partition(':')[2] or key.server}_"
        return self._edit("add", path, include)

    def _selects(self, selector: Any, key: CapabilityKey) -> bool:
        if isinstance(selector, list):
            return any(glob_match(str(glob), key.name) for glob in cast("list[Any]", selector))
        return selector == "all" or isinstance(selector, dict)

    def _lifted(self, question: Question, ruling: Ruling, ground: Ground) -> Edit:
        """A deny that lets this pass: a name less in its list, a condition that spares this call, or no deny at all."""
        path = self._path(ground.term.rule)
        entry, key = self._at(path), CapabilityKey.of(ground.term.capability)
        listed = entry.get(KEY_OF[key.kind])
        if isinstance(listed, list):
            meant = [n for n, glob in enumerate(cast("list[Any]", listed)) if glob_match(str(glob), key.name)]
            if len(cast("list[Any]", listed)) > 1 and len(meant) == 1 and listed[meant[0]] == key.name:
                return self._edit("remove", (*path, KEY_OF[key.kind], meant[0]), key.name)
        when, exact = entry.get("when"), self._exactly(question, ruling, ground)
        if isinstance(when, str) and exact is not None and ground.condition == "true":
            return self._edit("set", (*path, "when"), f"({when}) && !({exact})")
        return self._edit("remove", path, entry)

    def _allowed(self, question: Question, ruling: Ruling, found: Sequence[Ground]) -> tuple[Edit, ...]:
        """An allow where none speaks for the caller, or for the side that lacks one; no role that would deny it again."""
        principal = question.caller.principal
        allows = [ground for ground in found if ground.effect == "allow"]
        covered = 0
        for ground in allows:
            covered |= ground.term.sides if ground.applies else 0
        lacking = BOTH_SIDES & ~covered if principal.delegated else 0
        if any(ground.applies for ground in allows) and not lacking:
            return ()
        able = [ground for ground in allows if ground.term.sides & lacking == lacking]
        burdened = {g.role for g in found if g.effect == "deny" and g.condition in (None, "true", "error")}
        free = [ground for ground in allows if ground.role not in burdened]
        for candidates in (
            self._widened(question, ruling, able),
            self._prolonged([ground for ground in able if ground.role not in burdened]),
            self._granted(free, principal, most=1),
            self._ruled(question, lacking),
            self._granted(free, principal, most=None),
        ):
            first = next(candidates, None)
            if first is not None:
                return (first,)
        rule = {"endpoint": question.endpoint, **_of(CapabilityKey.of(question.capability))}
        name = next(n for n in (ROLE, *(f"{ROLE}-{i}" for i in range(1, 1000))) if not exists(self.root, ("roles", n)))
        granted = {"role": name, "to": [_conjunction(principal)]}
        return self._edit("set", ("roles", name), {"allow": [rule]}), self._edit("add", ("grants",), granted)

    def _widened(self, question: Question, ruling: Ruling, allows: Sequence[Ground]) -> Iterator[Edit]:
        """A condition that lets this very call pass, too."""
        for ground in allows:
            path = (*self._path(ground.term.rule), "when")
            exact = self._exactly(question, ruling, ground)
            if ground.given and not ground.applies and exact is not None and isinstance(self._at(path), str):
                yield self._edit("set", path, f"({self._at(path)}) || ({exact})")

    def _prolonged(self, allows: Sequence[Ground]) -> Iterator[Edit]:
        """A grant that has not ended."""
        for ground in allows:
            path = (*self.resolved.grants[ground.term.grant].path, "expires")
            if ground.ended and not ground.missing and ground.condition in (None, "true", "open"):
                yield self._edit("remove", path, self._at(path))

    def _granted(self, allows: Sequence[Ground], principal: Principal, *, most: int | None) -> Iterator[Edit]:
        """A role that has the allow, with at most so many rules, given to the caller."""
        access = self.explainer.bundle.plan.access
        for ground in sorted(allows, key=lambda g: (len(access.roles[g.role]), len(g.missing), g.role)):
            fits = ground.condition in (None, "true", "open") and not ground.given
            if not fits or (most is not None and len(access.roles[ground.role]) > most):
                continue
            grant = self.resolved.grants[ground.term.grant]
            if grant.expires is None:
                yield self._edit("add", (*grant.path, "to"), _conjunction(principal))
            yield self._edit("add", ("grants",), {"role": ground.role, "to": [_conjunction(principal)]})

    def _ruled(self, question: Question, lacking: int) -> Iterator[Edit]:
        """A rule more in a role that the caller holds for the sides that lack one."""
        held = self.explainer.judge.decider.standing(question.caller.principal, self.explainer.today)
        rule = {"endpoint": question.endpoint, **_of(CapabilityKey.of(question.capability))}
        for role in sorted(role for role, sides in held.items() if sides & lacking == lacking):
            yield self._edit("add", ("roles", role, "allow"), rule)

    def _exactly(self, question: Question, ruling: Ruling, ground: Ground) -> str | None:
        bundle = self.explainer.bundle
        when = bundle.plan.access.rules[ground.term.rule].when
        sent = ruling.sent if ruling.sent is not None else question.arguments
        known = bundle.plan.capabilities.get(question.capability)
        if when is None or sent is None or known is None or ground.term.capability != question.capability:
            return None
        return excused(cast("Any", when), sent, bundle.definitions[known.definition])

    def _path(self, rule: str) -> Path:
        return next(found.path for found in self.resolved.rules if found.id == rule)


def _of(key: CapabilityKey) -> dict[str, Any]:
    """What an include or a rule says to mean exactly one capability."""
    maker, colon, name = key.server.partition(":")
    if not colon:
        return {"server": key.server, KEY_OF[key.kind]: [key.name]}
    return {"binding": name, "operations": [key.name]} if maker == "binding" else {"workflow": name}


def _conjunction(principal: Principal) -> dict[str, str]:
    """The narrowest entry of a grant that the caller matches: one subject of each kind."""
    found: dict[str, str] = {}
    for subject in sorted(principal.subjects):
        kind, _, name = subject.partition(":")
        found.setdefault(kind, name)
    return {kind: found[kind] for kind in _KINDS if kind in found} or {"anyone": "authenticated"}


def _with_offer(bundle: Bundle, resolved: Resolved, question: Question) -> Bundle:
    """The plan if the endpoint offered the capability, and nothing else were different."""
    plan, key = bundle.plan, CapabilityKey.of(question.capability)
    known: KnownCapability = resolved.capabilities[key]
    offer = Offer(capability=key.id, name=key.name, description=None, set={}, hide=())
    endpoint = plan.endpoints[question.endpoint]
    capability = Capability(
        server=key.server,
        kind=key.kind,
        name=key.name,
        definition=known.locked.digest,
        effect=known.effect,
        effect_from=known.effect_from,
        tags=known.tags,
    )
    changed: dict[str, Any] = {
        "endpoints": {
            **plan.endpoints,
            question.endpoint: endpoint.model_copy(update={"offers": (*endpoint.offers, offer)}),
        },
        "capabilities": {**plan.capabilities, key.id: capability},
    }
    definitions = {**bundle.definitions, known.locked.digest: known.locked.text}
    return replace(bundle, plan=plan.model_copy(update=changed), definitions=definitions, ir=None)
