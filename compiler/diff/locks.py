"""Lock against lock: what changed about each definition and each server's identity, in classes; touches no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from meshplan.compiler.diff.compat import Allowance, compatible
from meshplan.compiler.diff.compat_verdict import MAX_STEPS, Direction
from meshplan.compiler.diff.fingerprint import fingerprint
from meshplan.compiler.diff.leaves import leaves
from meshplan.compiler.diff.model import Detail, LockChange
from meshplan.compiler.diff.renames import renames
from meshplan.compiler.lockfile import Locked, Package, ServerLock
from meshplan.schemas.capability import KINDS, CapabilityKey, Effect

_SERVER_STEPS: Final = 50 * MAX_STEPS
"""How much schema comparison one server may take; what comes after is undecided."""

SEVERITY: Final[tuple[str, ...]] = (
    *("description", "output compatible", "input compatible", "output unknown", "output incompatible"),
    *("input unknown", "input incompatible", "annotations", "effect", "new", "gone", "identity", "package"),
)
"""Classes from the mildest to the most dangerous, as changes are sorted; `effect` stands for `effect READ → WRITE`."""

_BREAKING: Final = frozenset(
    ("gone", "output unknown", "output incompatible", "input unknown", "input incompatible", "effect", "identity")
)
_WIDENING: Final = frozenset(SEVERITY) - {"new", "gone", "package"}
_SCHEMAS: Final[tuple[tuple[Direction, str], ...]] = (("output", "outputSchema"), ("input", "inputSchema"))
Effects = Mapping[CapabilityKey, Effect]


def lock_changes(
    before: Mapping[str, ServerLock],
    after: Mapping[str, ServerLock],
    effects_before: Effects,
    effects_after: Effects,
) -> tuple[LockChange, ...]:
    """Every change between two sets of locks, the most dangerous first (docs/lock.md has the table).

    A server that came or went is one change. Texts in the details come from upstream: escape them to show them.
    """
    found: list[LockChange] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is new and not _of(name, effects_before, effects_after):
            continue
        if old is not None and new is not None:
            found += _server(old, new)
            found += _capabilities(old, new, effects_before, effects_after)
        elif new is not None:
            found.append(_whole(new, arrived=True))
        elif old is not None:
            found.append(_whole(old, arrived=False))
    return tuple(sorted(found, key=_danger))


def _of(server: str, *effects: Effects) -> bool:
    """Whether an effect of something of the server is known: then it may differ."""
    return any(key.server == server for side in effects for key in side)


def _danger(change: LockChange) -> tuple[int, int, str, str]:
    worst = max(SEVERITY.index(_stem(name)) for name in change.classes)
    return (-int(change.breaking) - int(change.widening), -worst, change.server, change.capability or "")


def _stem(name: str) -> str:
    return "effect" if name.startswith("effect ") else name


def _change(
    server: str,
    capability: str | None,
    classes: Sequence[str],
    details: Sequence[Detail],
    sides: tuple[object, object],
) -> LockChange:
    stems = {_stem(name) for name in classes}
    mark = _mark(server, capability, classes, *sides)
    flags = bool(stems & _BREAKING), bool(stems & _WIDENING)
    return LockChange(server, capability, tuple(classes), tuple(details), *flags, fingerprint=mark)


def _mark(server: str, capability: str | None, classes: Sequence[str], before: object, after: object) -> str:
    """The fingerprint: of one definition, or of one thing that is said of a server, as it was and as it is."""
    subject = capability or f"{server}:{_stem(classes[0])}"
    return fingerprint(f"lock:{subject}", before, after)


def _whole(lock: ServerLock, *, arrived: bool) -> LockChange:
    """A server that came or went, with everything that is recorded of it."""
    recorded = [dict(lock.transport), sorted((key.id, entry.digest) for key, entry in lock.definitions.items())]
    classes = ("new",) if arrived else ("gone",)
    mark = _mark(lock.server, None, classes, *((None, recorded) if arrived else (recorded, None)))
    details = tuple(_counts(lock, arrived=arrived))
    return LockChange(lock.server, None, classes, details, not arrived, False, fingerprint=mark)


def _counts(lock: ServerLock, *, arrived: bool) -> Iterator[Detail]:
    for kind in KINDS:
        number = len(lock.names(kind))
        if number:
            yield Detail(kind, None if arrived else number, number if arrived else None)


def _server(old: ServerLock, new: ServerLock) -> Iterator[LockChange]:
    yield from _package(old, new)
    if dict(old.transport) != dict(new.transport) and not _same_package(old, new):
        transports = dict(old.transport), dict(new.transport)
        yield _change(old.server, None, ("identity",), list(leaves(*transports, "transport")), transports)
    facts = ("protocol_version", "server_info", "capabilities", "instructions")
    said = [d for fact in facts for d in leaves(getattr(old, fact), getattr(new, fact), fact)]
    if said:
        widening = old.instructions != new.instructions
        mark = _mark(old.server, None, ("description",), *([getattr(lock, f) for f in facts] for lock in (old, new)))
        yield LockChange(old.server, None, ("description",), tuple(said), False, widening, fingerprint=mark)


def _same_package(old: ServerLock, new: ServerLock) -> bool:
    """Whether another version of the same package is all that differs about the transport."""
    from meshplan.compiler.package_spec import same_but_for_version

    before, after = dict(old.transport), dict(new.transport)
    argv, its = _argv(before.pop("argv", None)), _argv(after.pop("argv", None))
    return before == after and argv is not None and its is not None and same_but_for_version(argv, its)


def _argv(value: object) -> list[str] | None:
    words = cast("list[object]", value) if isinstance(value, list) else [None]
    return cast("list[str]", words) if all(isinstance(word, str) for word in words) else None


def _package(old: ServerLock, new: ServerLock) -> Iterator[LockChange]:
    moved = dict(old.transport) != dict(new.transport) and _same_package(old, new)
    if old.package == new.package and not moved:
        return
    details = [
        *leaves(_as_data(old.package), _as_data(new.package), "package"),
        *(leaves(old.transport, new.transport, "transport") if moved else ()),
    ]
    tampered = not moved and _other_content(old.package, new.package)
    lost = old.package is not None and new.package != old.package
    sides = ([_as_data(lock.package), dict(lock.transport)] for lock in (old, new))
    mark = _mark(old.server, None, ("package",), *sides)
    flags = tampered, tampered or moved or lost
    yield LockChange(old.server, None, ("package",), tuple(details), *flags, fingerprint=mark)


def _other_content(old: Package | None, new: Package | None) -> bool:
    """Whether what was published under one version is something else now."""
    if old is None or new is None:
        return False
    same = (old.ecosystem, old.name, old.version, old.file) == (new.ecosystem, new.name, new.version, new.file)
    return same and old.integrity != new.integrity


def _as_data(package: Package | None) -> Mapping[str, str | None] | None:
    if package is None:
        return None
    return {name: getattr(package, name) for name in ("ecosystem", "name", "version", "integrity", "file")}


def _capabilities(
    old: ServerLock, new: ServerLock, effects_before: Effects, effects_after: Effects
) -> Iterator[LockChange]:
    gone = sorted(old.definitions.keys() - new.definitions.keys())
    added = sorted(new.definitions.keys() - old.definitions.keys())
    for key in gone:
        went = old.definitions[key].digest
        yield _change(key.server, key.id, ("gone",), _effect_detail(effects_before.get(key), None), (went, None))
    resembling = renames(
        {key: old.definitions[key].definition for key in gone}, {key: new.definitions[key].definition for key in added}
    )
    for key in added:
        details = tuple(_effect_detail(None, effects_after.get(key)))
        resembled, score = resembling.get(key, (None, None))
        from_ = resembled.id if resembled else None
        mark = _mark(key.server, key.id, ("new",), None, new.definitions[key].digest)
        yield LockChange(key.server, key.id, ("new",), details, False, False, from_, score, fingerprint=mark)
    left = _SERVER_STEPS
    for key in sorted(old.definitions.keys() & new.definitions.keys()):
        allowance = Allowance(min(MAX_STEPS, max(left, 0)))
        given = allowance.left
        effects = effects_before.get(key), effects_after.get(key)
        change = _definition(key, old.definitions[key], new.definitions[key], effects, allowance)
        left -= given - allowance.left
        if change is not None:
            yield change


def _effect_detail(before: Effect | None, after: Effect | None) -> list[Detail]:
    return [Detail("effect", before, after)] if before != after else []


def _definition(
    key: CapabilityKey,
    old: Locked,
    new: Locked,
    effects: tuple[Effect | None, Effect | None],
    allowance: Allowance,
) -> LockChange | None:
    classes: list[str] = []
    details: list[Detail] = []
    if old.digest != new.digest:
        classes, details = _contents(key, old.definition, new.definition, allowance)
    if None not in effects and effects[0] != effects[1]:
        classes.append(f"effect {effects[0]} → {effects[1]}")
        details = [*_effect_detail(*effects), *details]
    sides = [old.digest, effects[0]], [new.digest, effects[1]]
    return _change(key.server, key.id, classes, details, sides) if classes else None


def _contents(
    key: CapabilityKey, old: Mapping[str, Any], new: Mapping[str, Any], allowance: Allowance
) -> tuple[list[str], list[Detail]]:
    before, after = _judged(key, old), _judged(key, new)
    classes: list[str] = []
    reasons: list[Detail] = []
    for direction, schema in _SCHEMAS:
        if _differ(*({name: side[name] for name in (schema,) if name in side} for side in (before, after))):
            verdict = compatible(before.get(schema, True), after.get(schema, True), direction, allowance)
            classes.append(f"{direction} {verdict.kind}")
            reasons += [Detail(direction + path, None, text) for path, text in verdict.reasons]
    annotations = _annotations(old), _annotations(new)
    if annotations[0] != annotations[1]:
        classes.append("annotations")
    schemas = {schema for _, schema in _SCHEMAS}
    rest = [{name: part for name, part in side.items() if name not in schemas} for side in (before, after)]
    rest = [{**side, "annotations": _title(side)} for side in rest]
    if _differ(*rest) or not classes:
        classes.append("description")
    return sorted(classes, key=SEVERITY.index), [*reasons, *leaves(old, new, "")]


def _differ(one: object, other: object) -> bool:
    """Whether JSON values differ; types of numbers and truth values included."""
    return any(True for _ in leaves(one, other, ""))


def _judged(key: CapabilityKey, definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """A definition whose prompt arguments are also a schema, so that both kinds are judged alike."""
    arguments: Any = definition.get("arguments")
    if key.kind != "prompt" or not isinstance(arguments, list):
        return definition
    listed = [cast("dict[str, Any]", item) for item in cast("list[Any]", arguments) if isinstance(item, dict)]
    names = [item["name"] for item in listed if isinstance(item.get("name"), str)]
    needed = [item["name"] for item in listed if item.get("required") is True and isinstance(item.get("name"), str)]
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in sorted(names)},
        "required": sorted(needed),
        "additionalProperties": False,
    }
    return {**definition, "inputSchema": schema}


def _annotations(definition: Mapping[str, Any]) -> object:
    """What the server claims about a tool's behaviour; a title is for people."""
    found: Any = definition.get("annotations")
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in cast("dict[str, Any]", found).items() if name != "title"}


def _title(definition: Mapping[str, Any]) -> object:
    found: Any = definition.get("annotations")
    return cast("dict[str, Any]", found).get("title") if isinstance(found, dict) else None
