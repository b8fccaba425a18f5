"""What a ledger says was spent: the same whether it is read whole, or from a checkpoint on; and what a crash leaves counts."""

from __future__ import annotations

import sqlite3
from collections import Counter as Sums
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.runtime.ledger import tally
from meshplan.runtime.ledger.file import Keeping, LedgerError, LedgerFile
from meshplan.schemas.budgets import Counter
from meshplan.schemas.ledger.book import open_chains
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.segment import page
from meshplan.schemas.ledger.spent import additions_text, by_chain, together
from meshplan.schemas.ledger.verify import Checked, verify

START = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
NOW = int(START.timestamp())
MONTH = Counter("eng", "usd", "month", "UTC", "*").text()
MINUTE = Counter("burst", "calls", "minute", "UTC", "user:ann").text()


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def read(folder, seconds=0):
    with open_chains(folder) as chains:
        return together(by_chain(chains, START + timedelta(seconds=seconds)).values())


def intent(number, *additions):
    return Entry("intent", at(0), decision=f"d{number}", reserved=additions_text(additions))


def outcome(number, *additions):
    return Entry("outcome", at(0), decision=f"d{number}", outcome="ok", reserved=additions_text(additions))


steps = st.lists(
    st.tuples(
        st.sampled_from([MONTH, MINUTE]),
        st.integers(0, 9),
        st.integers(0, 50),
        st.sampled_from(["settled", "unchanged", "open"]),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=15, deadline=None)
@given(steps, st.integers(1, 6))
def test_checkpoints_and_new_starts_change_nothing(tmp_path_factory, steps, every):
    folder, expected = tmp_path_factory.mktemp("ledger"), Sums()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tally, "EVERY", every)
        file = LedgerFile(folder, lambda: at(0))
        for number, (counter, bucket, amount, end, restart) in enumerate(steps):
            file.append([intent(number, (counter, NOW + bucket, amount))])
            expected[counter, NOW + bucket] += amount
            if end != "open":
                correction = bucket - amount if end == "settled" else 0
                file.append([outcome(number, *([(counter, NOW + bucket, correction)] if correction else []))])
                expected[counter, NOW + bucket] += correction
            if restart:
                file.close()
                file = LedgerFile(folder, lambda: at(0))
        file.close()
    found = {(name, bucket): amount for name, buckets in read(folder).items() for bucket, amount in buckets.items()}
    assert found == {key: amount for key, amount in expected.items() if amount}
    with open_chains(folder) as chains:
        assert verify(chains[0], [], Checked()) == []


def test_what_a_crash_interrupted_stays_reserved(tmp_path):
    file = LedgerFile(tmp_path, lambda: at(0))
    file.append([intent(1, (MONTH, NOW, 500))])
    file.close()
    LedgerFile(tmp_path, lambda: at(1)).close()
    assert read(tmp_path) == {MONTH: {NOW: 500}}
    with open_chains(tmp_path) as chains:
        rows = [row for row in chains[0].rows() if row["kind"] == "outcome"]
    assert [(row["outcome"], row["reserved"]) for row in rows] == [("unknown", None)]


def test_a_start_reads_no_more_than_what_came_after_the_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(tally, "EVERY", 4)
    file = LedgerFile(tmp_path, lambda: at(0))
    for number in range(10):
        file.append([intent(number, (MONTH, NOW, 1)), outcome(number)])
    file.fold()
    file.close()
    with open_chains(tmp_path) as [chain]:
        newest = chain.segments[-1].folded().checkpoint
        assert chain.span()[1] - newest <= 4
    assert read(tmp_path) == {MONTH: {NOW: 10}}


def test_a_new_segment_needs_none_of_the_older_ones(tmp_path):
    file = LedgerFile(tmp_path, lambda: at(0), Keeping(largest=1))
    file.append([intent(1, (MONTH, NOW, 3)), outcome(1, (MONTH, NOW, 4))])
    list(file.tend())
    file.append([intent(2, (MONTH, NOW, 2)), outcome(2)])
    file.close()
    (tmp_path / "writer-0-000001.db").unlink()
    assert read(tmp_path) == {MONTH: {NOW: 9}}
    LedgerFile(tmp_path, lambda: at(1)).close()
    assert read(tmp_path) == {MONTH: {NOW: 9}}


def test_chains_add_up_and_old_buckets_are_left_out(tmp_path):
    first, second = LedgerFile(tmp_path, lambda: at(0)), LedgerFile(tmp_path, lambda: at(0))
    first.append([intent(1, (MONTH, NOW, 2), (MINUTE, NOW, 1))])
    second.append([intent(2, (MONTH, NOW, 3))])
    for file in (first, second):
        file.close()
    assert read(tmp_path) == {MONTH: {NOW: 5}, MINUTE: {NOW: 1}}
    assert read(tmp_path, 600) == {MONTH: {NOW: 5}}
    assert read(tmp_path, 40 * 86_400) == {}


def test_a_start_does_not_guess_what_was_spent(tmp_path):
    file = LedgerFile(tmp_path, lambda: at(0))
    file.append([intent(1, (MONTH, NOW, 2))])
    file.close()
    db = sqlite3.connect(tmp_path / "writer-0-000001.db")
    with db:
        line = b'{"kind":"intent","at":"","seq":2,"reserved":"[7]"}'
        db.execute("UPDATE pages SET lines = ? WHERE first = 2", (page(2, [line], [])[1],))
    db.close()
    with pytest.raises(LedgerError, match="mesh ledger verify"):
        LedgerFile(tmp_path, lambda: at(0))
