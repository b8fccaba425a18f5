"""Whether a ledger is what was written: its chains, entry by entry, what was folded, and the heads that were exported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

from meshplan.schemas.ledger.book import Chain
from meshplan.schemas.ledger.entry import ID_LENGTH, MEASURES, Entry, NotAnEntryError, Totals, decode, genesis, link
from meshplan.schemas.ledger.heads import Head
from meshplan.schemas.ledger.segment import Folded, Segment, Stored, UnreadableError

Code = Literal["edited", "gap", "rewritten", "truncated", "totals", "index", "intent", "missing"]
MAX_FINDINGS: Final = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong in the chain of ``writer``, and from which entry on (``seq``; ``None``: the chain as a whole)."""

    code: Code
    writer: str
    seq: int | None
    message: str


@dataclass(slots=True)
class Checked:
    """What was looked at: entries, signed heads that were found in place, and the newest of these.

    ``removed``: the entries up to this number are older than the ledger keeps them, as a signed head says.
    """

    entries: int = 0
    heads: int = 0
    proven: int = 0
    removed: int = 0


def verify(chain: Chain, heads: Iterable[Head], checked: Checked) -> list[Finding]:
    """Every difference, the first ``MAX_FINDINGS``, in the order of the chain."""
    mine = [head for head in heads if head.writer == chain.writer]
    return list(islice(_Walk(chain, mine, checked).findings(), MAX_FINDINGS))


def missing(chains: list[Chain], heads: Iterable[Head]) -> list[Finding]:
    """The chains that heads speak of, and that are not there; but for those that were let go to their end."""
    there = {chain.writer for chain in chains}
    ends: dict[str, tuple[int, bool]] = {}
    for head in heads:
        ends[head.writer] = max(ends.get(head.writer, (0, False)), (head.seq, head.removed))
    gone = sorted(writer for writer, (_, removed) in ends.items() if writer not in there and not removed)
    return [Finding("missing", writer, None, "there are signed heads of this chain, and no file") for writer in gone]


class _Walk:
    """One pass over one chain."""

    def __init__(self, chain: Chain, heads: list[Head], checked: Checked) -> None:
        self._chain, self._checked = chain, checked
        self._heads = {head.seq: head for head in heads if not head.removed}
        self._removed = {head.seq: head for head in heads if head.removed}
        self._open: dict[int, str | None] = {}
        self._checkpoint, self._spent = 0, 0
        self._seq, self._hash, self._at, self._epoch = 0, genesis(chain.writer), "", 0

    def _found(self, code: Code, seq: int | None, message: str) -> Finding:
        return Finding(code, self._chain.writer, seq, message)

    def findings(self) -> Iterator[Finding]:
        yield from self._removal(self._chain.segments[0])
        for segment in self._chain.segments:
            if segment.start > self._seq:
                yield self._gap(segment.start + 1)
                self._seq, self._hash = segment.start, segment.tie
            elif (segment.start, segment.tie) != (self._seq, self._hash):
                yield self._found(
                    "edited", segment.start + 1, f"`{segment.path.name}` does not continue what is before"
                )
            yield from self._segment(segment)
        yield from self._end()

    def _removal(self, first: Segment) -> Iterator[Finding]:
        """Where the oldest entries are not there, a signed head must say that they were let go."""
        if first.start == 0:
            return
        head = self._removed.get(first.start)
        if head is None or head.hash != first.tie.hex():
            message = f"the entries 1 to {first.start} are missing, and no signed head says that they were let go"
            yield self._found("gap", 1, message)
        else:
            self._checked.removed = first.start
        self._seq, self._hash = first.start, first.tie

    def _segment(self, segment: Segment) -> Iterator[Finding]:
        try:
            said = segment.folded()
        except UnreadableError as error:
            yield self._found("totals", None, str(error))
            said = Folded(segment.end(), (), 0, 0)
        through, folded = said.through, _Sums(segment)
        for stored in segment.stored():
            entry = _read(stored)
            yield from self._entry(stored, entry)
            if entry is None:
                continue
            yield from self._pair(entry)
            if stored.seq == through:
                yield from self._at_fold(said)
            if entry.kind == "outcome" and stored.seq <= through and not folded.add(stored.seq, entry):
                yield self._found("index", stored.seq, "the entry cannot be found by its ids")
        if through == segment.start:
            yield from self._at_fold(said)
        for message in folded.differences():
            yield self._found("totals", None, message)
        if through > self._seq:
            message = f"the chain ends at {self._seq}, and the totals have been told up to {through}"
            yield self._found("truncated", self._seq + 1, message)

    def _entry(self, stored: Stored, entry: Entry | None) -> Iterator[Finding]:
        seq = stored.seq
        self._checked.entries += 1
        if seq != self._seq + 1:
            yield self._gap(seq)
        elif link(self._hash, stored.line) != stored.hash:
            yield self._found("edited", seq, "the entry is not what was hashed, or is not in its place")
        if entry is None or entry.seq != seq:
            yield self._found("edited", seq, "the line is not an entry with this number")
        elif entry.at < self._at or entry.epoch < self._epoch:
            yield self._found("edited", seq, "the entry is older than the one before it")
        self._seq, self._hash = seq, stored.hash
        if entry is not None:
            self._at, self._epoch = entry.at, entry.epoch
        head = self._heads.pop(seq, None)
        if head is not None:
            self._checked.heads += 1
            if head.hash != self._hash.hex():
                yield self._found("rewritten", seq, f"the head signed at {head.at} has another hash for this entry")
            else:
                self._checked.proven = max(self._checked.proven, seq)

    def _gap(self, seq: int) -> Finding:
        """What is missing before an entry."""
        span = f"{self._seq + 1}" if seq == self._seq + 2 else f"{self._seq + 1} to {seq - 1}"
        return self._found("gap", self._seq + 1, f"the entries {span} are missing")

    def _pair(self, entry: Entry) -> Iterator[Finding]:
        """Each outcome ends an intent of its own, or none."""
        self._checkpoint = entry.seq if entry.kind == "spent" else self._checkpoint
        self._spent = entry.seq if entry.reserved is not None else self._spent
        if entry.kind == "intent":
            self._open[entry.seq] = entry.decision
        elif entry.kind == "outcome" and entry.intent is not None:
            begun = entry.intent > self._checked.removed
            if begun and self._open.pop(entry.intent, None) != entry.decision:
                message = f"the intent {entry.intent} of this outcome is not one that it can end"
                yield self._found("intent", entry.seq, message)

    def _at_fold(self, said: Folded) -> Iterator[Finding]:
        """What was folded of the whole chain up to here."""
        spent_later = self._spent > said.checkpoint and self._spent <= said.unspent
        known = self._checkpoint or min(said.checkpoint, self._checked.removed)
        if said.checkpoint != known or spent_later:
            yield self._found(
                "totals", None, "the checkpoint of what was spent is not the newest, or not the last word"
            )
        kept = {seq for seq in said.open if seq > self._checked.removed}
        for seq in sorted(kept ^ set(self._open)):
            yield self._found("intent", seq, "the list of open intents does not agree with the entries")

    def _end(self) -> Iterator[Finding]:
        """Heads beyond the end: the tail was cut off, or an older file was put back."""
        later = [head for seq, head in sorted((self._heads | self._removed).items()) if seq > self._seq]
        if later:
            head = later[-1]
            message = f"the chain ends at {self._seq}, and the head signed at {head.at} is of the entry {head.seq}"
            yield self._found("truncated", self._seq + 1, message)


class _Sums:
    """What was folded from one segment, beside what its entries say."""

    def __init__(self, segment: Segment) -> None:
        self._segment, self._totals = segment, Totals()

    def add(self, seq: int, entry: Entry) -> bool:
        """Count an outcome; whether it can be found by each of its ids."""
        self._totals.add(entry)
        ids = {one[:ID_LENGTH] for one in entry.ids() if one is not None}
        sql = "SELECT 1 FROM ids WHERE id = ? AND seq = ?"
        return all(self._segment.db.execute(sql, (one, seq)).fetchone() is not None for one in ids)

    def differences(self) -> Iterator[str]:
        """The hours and days whose totals are not the sums of their entries."""
        try:
            groups = self._segment.groups()
        except UnreadableError as error:
            yield str(error)
            return
        counted = {"hour": self._totals.by, "day": self._totals.days()}
        for name, sums in counted.items():
            rows = self._segment.db.execute(f'SELECT begins, "group", {", ".join(MEASURES)} FROM {name}s')
            kept = {(str(row[0]), groups.get(row[1], (row[1],))): list(row[2:]) for row in rows}
            for begins in sorted({key[0] for key in kept.keys() | sums.keys() if kept.get(key) != sums.get(key)}):
                yield f"the totals of the {name} {begins} (UTC) are not the sums of its entries"


def _read(stored: Stored) -> Entry | None:
    try:
        return decode(stored.line)
    except NotAnEntryError:
        return None
