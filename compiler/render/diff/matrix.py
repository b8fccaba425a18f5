"""The access matrix of a diff: capabilities by principals, a sign in every cell that changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from meshplan.compiler.diff.model import AccessChange, Diff, Who
from meshplan.compiler.render.diff.order import by_danger, costs, is_over
from meshplan.compiler.render.diff.phrase import Phrase, phrase, plain
from meshplan.compiler.render.diff.who import CONDITIONS, capability_phrase, circumstances, who_phrase
from meshplan.schemas.capability import Effect

MAX_ROWS = 100
MAX_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Cell:
    """What happened: ``+``, ``-``, or ``~`` for both; ``partly`` where it is not so for everybody or always."""

    sign: str
    partly: bool
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One capability at one endpoint, a cell or ``None`` for each column."""

    what: Phrase
    endpoint: str
    effect: Effect
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The first rows and columns, and how many of each are left out."""

    columns: tuple[Phrase, ...]
    rows: tuple[Row, ...]
    rows_left: int
    columns_left: int


@dataclass(slots=True)
class Surface:
    """One endpoint in numbers: who gained and lost what there, and what its list costs."""

    name: str
    gained: int = 0
    lost: int = 0
    tokens: list[TokenBar] = field(default_factory=list["TokenBar"])


@dataclass(frozen=True, slots=True)
class TokenBar:
    """A cost with the widths of its bars, in percent of the largest of the diff."""

    role: str | None
    before: int | None
    after: int | None
    limit: int | None
    before_width: int
    after_width: int
    over: bool


def matrix(diff: Diff) -> Matrix:
    """Rows by danger; columns in the order in which the rows need them; a row for which there is no column is left out."""
    changes = by_danger(diff.access)
    columns = list(dict.fromkeys(who_phrase(who) for c in changes[:MAX_ROWS] for who in (*c.gained, *c.lost)))
    shown = tuple(columns[:MAX_COLUMNS])
    rows = tuple(row for row in (_row(change, shown) for change in changes[:MAX_ROWS]) if any(row.cells))
    return Matrix(shown, rows, len(changes) - len(rows), len(columns) - len(shown))


def _row(change: AccessChange, columns: tuple[Phrase, ...]) -> Row:
    cells = tuple(_cell(change, column) for column in columns)
    return Row(capability_phrase(change.capability), change.endpoint, change.effect, cells)


def _cell(change: AccessChange, column: Phrase) -> Cell | None:
    gains = [who for who in change.gained if who_phrase(who) == column]
    losses = [who for who in change.lost if who_phrase(who) == column]
    if not gains and not losses:
        return None
    said = [_said("gains", who) for who in gains] + [_said("loses", who) for who in losses]
    sign = "~" if gains and losses else "+" if gains else "-"
    return Cell(sign, all(map(_partly, (*gains, *losses))), "; ".join(said))


def _partly(who: Who) -> bool:
    return bool(who.unless) or any(atom.startswith(CONDITIONS) for atom in who.atoms)


def _said(verb: str, who: Who) -> str:
    return plain(phrase(who_phrase(who), f" {verb} it", circumstances(who)))


def surfaces(diff: Diff) -> tuple[Surface, ...]:
    """Every endpoint that something about access or cost changed at, by name."""
    found: dict[str, Surface] = {}
    for change in diff.access:
        surface = found.setdefault(change.endpoint, Surface(change.endpoint))
        surface.gained += bool(change.gained)
        surface.lost += bool(change.lost)
    shown = costs(diff.tokens)
    largest = max((n for cost in shown for n in (cost.before, cost.after, cost.limit) if n), default=1)
    for cost in shown:
        widths = [min(100, (number or 0) * 100 // largest) for number in (cost.before, cost.after)]
        bar = TokenBar(cost.role, cost.before, cost.after, cost.limit, widths[0], widths[1], is_over(cost))
        found.setdefault(cost.endpoint, Surface(cost.endpoint)).tokens.append(bar)
    return tuple(found[name] for name in sorted(found))
