"""Whether a ledger is what was written: its chains, entry by entry, its totals, and the heads that were exported."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from meshplan.schemas.ledger.book import Chain, UnreadableError
from meshplan.schemas.ledger.entry import COLUMNS, SUMS, Stored, Totals, genesis, link
from meshplan.schemas.ledger.heads import Head

Code = Literal["edited", "gap", "rewritten", "truncated", "totals", "intent", "missing"]
_INTENT, _KIND, _EPOCH = COLUMNS.index("intent"), COLUMNS.index("kind"), COLUMNS.index("epoch")
_AT, _DECISION = COLUMNS.index("at"), COLUMNS.index("decision")
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
    """What was looked at: entries, signed heads that were found in place, and the newest of these."""

    entries: int = 0
    heads: int = 0
    proven: int = 0


def verify(chain: Chain, heads: Iterable[Head], checked: Checked) -> list[Finding]:
    """Every difference, the first ``MAX_FINDINGS``, in the order of the chain."""
    mine = {head.seq: head for head in heads if head.writer == chain.writer}
    walk = _Walk(chain, mine, checked)
    found: list[Finding] = []
    for finding in walk.findings():
        found.append(finding)
        if len(found) == MAX_FINDINGS:
            break
    return found


def missing(chains: list[Chain], heads: Iterable[Head]) -> list[Finding]:
    """The chains that heads speak of, and that are not there."""
    there = {chain.writer for chain in chains}
    gone = sorted({head.writer for head in heads} - there)
    return [Finding("missing", writer, None, "there are signed heads of this chain, and no file") for writer in gone]


class _Walk:
    """One pass over one chain."""

    def __init__(self, chain: Chain, heads: dict[int, Head], checked: Checked) -> None:
        self._chain, self._heads, self._checked = chain, heads, checked
        self._totals = Totals()
        self._open: dict[int, Any] = {}
        self._before = ""
        self._seq, self._hash, self._at, self._epoch = 0, genesis(chain.writer), "", 0

    def _found(self, code: Code, seq: int | None, message: str) -> Finding:
        return Finding(code, self._chain.writer, seq, message)

    def findings(self) -> Iterator[Finding]:
        anchored = self._anchor()
        if anchored is not None:
            yield anchored
        for row, stored in self._chain.stored():
            yield from self._entry(row, stored)
        yield from self._ends()
        yield from self._sums()

    def _anchor(self) -> Finding | None:
        """Where older entries were let go, the newest checkpoint says what the rest is tied to."""
        row = self._chain.db.execute(
            "SELECT seq, detail FROM entries WHERE kind = 'checkpoint' ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        try:
            detail: dict[str, Any] = json.loads(row[1])
            self._seq, self._hash = int(detail["through"]), bytes.fromhex(detail["hash"])
            self._before = str(detail["before"])
        except (ValueError, KeyError, TypeError):
            return self._found("edited", row[0], "the checkpoint is not one")
        return None

    def _entry(self, row: Stored, stored: object) -> Iterator[Finding]:
        seq = row[0] if isinstance(row[0], int) else 0
        self._checked.entries += 1
        if seq != self._seq + 1:
            span = f"{self._seq + 1}" if seq == self._seq + 2 else f"{self._seq + 1} to {seq - 1}"
            yield self._found("gap", self._seq + 1, f"the entries {span} are missing")
        elif link(self._hash, row) != stored:
            yield self._found("edited", seq, "the entry is not what was hashed, or is not in its place")
        written = row[_EPOCH]
        epoch = written if isinstance(written, int) else 0
        if str(row[_AT]) < self._at or epoch < self._epoch:
            yield self._found("edited", seq, "the entry is older than the one before it")
        self._seq, self._at, self._epoch = seq, str(row[_AT]), epoch
        self._hash = stored if isinstance(stored, bytes) else b""
        head = self._heads.pop(seq, None)
        if head is not None:
            self._checked.heads += 1
            if head.hash != self._hash.hex():
                yield self._found("rewritten", seq, f"the head signed at {head.at} has another hash for this entry")
            else:
                self._checked.proven = max(self._checked.proven, seq)
        if row[_KIND] == "intent":
            self._open[seq] = row[_DECISION]
        elif row[_KIND] == "outcome":
            self._totals.add(row[3:])
            intent = row[_INTENT]
            if intent is not None and self._open.pop(cast("int", intent), None) != row[_DECISION]:
                yield self._found("intent", seq, f"the intent {intent} of this outcome is not one that it can end")

    def _ends(self) -> Iterator[Finding]:
        """Heads beyond the end: the tail was cut off, or an older file was put back."""
        first = self._chain.span()[0]
        later = [head for seq, head in sorted(self._heads.items()) if seq >= first]
        if later:
            head = later[-1]
            message = f"the chain ends at {self._seq}, and the head signed at {head.at} is of the entry {head.seq}"
            yield self._found("truncated", self._seq + 1, message)
        written = {int(row[0]) for row in self._chain.db.execute("SELECT seq FROM open")}
        for seq in sorted(written ^ set(self._open)):
            yield self._found("intent", seq, "the list of open intents does not agree with the entries")

    def _sums(self) -> Iterator[Finding]:
        """The totals of every hour whose entries are all there."""
        columns = ", ".join(("calls", *SUMS))
        try:
            groups = self._chain.groups()
        except UnreadableError as error:
            yield self._found("totals", None, str(error))
            return
        sql = f'SELECT hour, "group", {columns} FROM totals WHERE hour >= ?'
        kept = {
            (str(row[0]), groups.get(row[1], (row[1],))): list(row[2:])
            for row in self._chain.db.execute(sql, (self._before,))
        }
        counted = {key: sums for key, sums in self._totals.by.items() if key[0] >= self._before}
        hours = sorted({str(key[0]) for key in kept.keys() | counted.keys() if kept.get(key) != counted.get(key)})
        for hour in hours:
            yield self._found("totals", None, f"the totals of the hour {hour} (UTC) are not the sums of its entries")
