"""Fields that an expression reads: do they exist, are they always there, may what holds them be null."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from meshplan.compiler.expressions.facts import Facts, Path, path
from meshplan.compiler.expressions.problems import Problem, did_you_mean, listed, quoted
from meshplan.compiler.expressions.syntax import Index, Literal, Select
from meshplan.compiler.expressions.types import (
    BOOL,
    DYN,
    NULL,
    Dyn,
    Field,
    MapType,
    Type,
    options,
    show,
    union,
    without_null,
)


@dataclass(frozen=True, slots=True)
class _Read:
    field: str
    start: int
    end: int
    operand: Path | None
    test: bool
    written_as_index: bool


class Fields:
    """Judges selections, adding what it finds to the checker's problems."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems: Final = problems

    def select(self, tree: Select, operand: Type, facts: Facts) -> Type:
        """Return the type of `operand.field`; of `has(operand.field)`, the type is bool."""
        read = _Read(tree.field, tree.at, tree.until, path(tree.operand), tree.test, written_as_index=False)
        return self._read(read, operand, facts)

    def constant_index(self, tree: Index, operand: Type, facts: Facts) -> Type:
        """Return the type of `operand['field']`, which may also read keys that an open schema does not declare."""
        if not isinstance(tree.key, Literal):
            return DYN
        field = str(tree.key.value)
        read = _Read(field, tree.key.start, tree.key.end, path(tree.operand), test=False, written_as_index=True)
        return self._read(read, operand, facts)

    def _report(self, slug: str, read: _Read, message: str, help: str | None = None) -> Type:
        self._problems.append(Problem(slug, read.start, read.end, message, help))
        return DYN

    def _read(self, read: _Read, operand: Type, facts: Facts) -> Type:
        result = self._held(read, operand, facts)
        return BOOL if read.test else result

    def _held(self, read: _Read, operand: Type, facts: Facts) -> Type:
        if isinstance(operand, Dyn):
            return DYN
        maps = [option for option in options(operand) if isinstance(option, MapType)]
        if not maps:
            return self._report("type-mismatch", read, f"{show(operand)} has no fields, so no {quoted(read.field)}")
        self._check_operand(read, operand, facts)
        found = [field for kind in maps if (field := _lookup(kind, read)) is not None]
        if not found:
            names = {name for kind in maps for name in kind.fields}
            help = did_you_mean(read.field, names) or (f"the fields are {listed(names)}" if names else None)
            return self._report("unknown-field", read, f"unknown field {quoted(read.field)}", help)
        here = None if read.operand is None else (*read.operand, read.field)
        always = len(found) == len(maps) and all(field.required for field in found)
        if not always and not read.test and (here is None or (here, "present") not in facts):
            self._report("optional-unguarded", read, f"{quoted(read.field)} may be absent", _guard(here))
        kind = union(field.type for field in found)
        return without_null(kind) if here is not None and (here, "not null") in facts else kind

    def _check_operand(self, read: _Read, operand: Type, facts: Facts) -> None:
        others = [option for option in options(operand) if not isinstance(option, MapType)]
        guarded = read.operand is not None and (read.operand, "not null") in facts
        if [option for option in others if option != NULL or not guarded]:
            message = f"reading {quoted(read.field)} fails where its owner is {' or '.join(map(show, others))}"
            self._report("may-fail", read, message, "guard it with `!= null && …`" if NULL in others else None)


def _lookup(kind: MapType, read: _Read) -> Field | None:
    if read.field in kind.fields:
        return kind.fields[read.field]
    if kind.rest is None or (kind.declared and not read.written_as_index):
        return None
    return Field(kind.rest, required=False)


def _guard(here: Path | None) -> str:
    if here is None or not all(part.isascii() and part.isidentifier() for part in here):
        return "guard it with has(…) && …"
    return f"guard it: has({'.'.join(here)}) && …"
