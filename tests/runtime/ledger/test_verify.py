"""Whoever changes a ledger is found, and where; and what is counted is what was written."""

import json
import shutil
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.compiler.cli import run
from meshplan.runtime.ledger.file import LedgerError, LedgerFile
from meshplan.schemas.ledger.book import open_chains
from meshplan.schemas.ledger.entry import COLUMNS, MEASURES, Entry, link
from meshplan.schemas.ledger.segment import page
from meshplan.schemas.ledger.usage import usage
from meshplan.schemas.ledger.verify import Checked, verify

START = datetime(2026, 5, 1, 10, 50, tzinfo=UTC)


def at(minutes):
    return (START + timedelta(minutes=minutes)).isoformat(timespec="milliseconds")


def attempts(first, count, **more):
    for number in range(first, first + count):
        fields = {"decision": f"d{number}", "capability": f"notes.{number % 2}", "teams": "a,b", "user": "ann"} | more
        yield Entry("intent", at(number), **fields)
        yield Entry("outcome", at(number), outcome="ok", total_us=number, **fields)


def write(folder, *batches, head=True):
    """Each batch is committed at once; the heads before and after the last batch are exported."""
    file = LedgerFile(folder, lambda: at(0))
    for batch in batches:
        if head:
            list(file.head())
        file.append(batch)
    if head:
        list(file.head())
    file.close()


@pytest.fixture
def ledger(tmp_path):
    """20 attempts, 42 entries with the two starts: the heads are of 1, 21 and 41, and 42."""
    folder = tmp_path / "ledger"
    write(folder, list(attempts(0, 10)), list(attempts(10, 10)))
    write(folder)
    return folder


def edit(folder, *statements):
    db = sqlite3.connect(folder / "writer-0-000001.db")
    with db:
        for statement in statements:
            db.execute(statement)
    db.close()


def verified(folder, capsys, *more):
    code = run(["-C", str(folder.parent), "ledger", "verify", "--ledger", str(folder), "--format", "json", *more])
    said = json.loads(capsys.readouterr().out)
    return code, [(one["code"], one["seq"]) for one in said["findings"]], said["chains"]


def test_an_untouched_ledger_verifies_up_to_its_last_head(ledger, capsys):
    assert verified(ledger, capsys) == (0, [], {"writer-0": {"entries": 42, "heads": 4, "proven": 42, "removed": 0}})


def rewrite(folder, change):
    """Put other (number, line, hash) in the pages, a page each, as somebody would who knows the format."""
    path = folder / "writer-0-000001.db"
    db = sqlite3.connect(path)
    with open_chains(folder) as [chain]:
        stored = [tuple(one) for one in chain.stored()]
    with db:
        db.execute("DELETE FROM pages")
        db.executemany(
            "INSERT INTO pages VALUES (?, ?, ?)", [page(seq, [line], [hash]) for seq, line, hash in change(stored)]
        )
    db.close()


def edited(line, name, value):
    members = json.loads(line)
    if value is None:
        del members[name]
    else:
        members[name] = value
    return json.dumps(members, separators=(",", ":")).encode()


@pytest.mark.parametrize("name", COLUMNS)
def test_an_edit_of_any_value_is_found_at_its_entry(ledger, capsys, name):
    value = {"kind": "gap", "at": at(3)[:-1] + "1"}.get(
        name, 7 if name.endswith(("_us", "bytes", "tokens", "nano")) else "7x"
    )
    value = {"seq": 9, "epoch": 2, "intent": 2}.get(name, value)

    def change(stored):
        return [(seq, edited(line, name, value) if seq in (8, 11) else line, hash) for seq, line, hash in stored]

    rewrite(ledger, change)
    code, found, _ = verified(ledger, capsys)
    assert code == 6
    assert {("edited", 8), ("edited", 11)} <= set(found)
    assert {seq for what, seq in found if what == "edited"} <= {8, 9, 11, 12}


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"\xff", b'{"kind":"outcome"}'])
def test_a_line_that_is_not_an_entry_is_found(ledger, capsys, line):
    rewrite(ledger, lambda stored: [(seq, line if seq == 8 else said, hash) for seq, said, hash in stored if hash])
    assert ("edited", 8) in verified(ledger, capsys)[1]
    assert run(["ledger", "export", "--ledger", str(ledger)]) == 7
    assert "entry 8 is not one; run `mesh ledger verify`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    ["UPDATE groups SET key = '[' WHERE id = 1", "UPDATE groups SET key = '1' WHERE id = 1", "DELETE FROM groups"],
)
def test_broken_groups_are_found_and_not_used(ledger, capsys, statement):
    edit(ledger, statement)
    code, found, _ = verified(ledger, capsys)
    assert (code, {what for what, _ in found}) == (6, {"totals"})
    assert run(["usage", "--ledger", str(ledger), "--since", "2026-01-01"]) == 7
    assert "`mesh ledger verify`" in capsys.readouterr().err


def test_what_was_taken_out_exchanged_cut_off_or_put_back_is_found_where_it_is(ledger, capsys, tmp_path):
    old = shutil.copytree(ledger, tmp_path / "old")
    rewrite(ledger, lambda stored: [one for one in stored if one[0] not in (8, 9)])
    assert ("gap", 8) in verified(ledger, capsys)[1]
    shutil.copy(old / "writer-0-000001.db", ledger / "writer-0-000001.db")
    rewrite(ledger, lambda stored: [({8: 10, 10: 8}.get(seq, seq), *rest) for seq, *rest in stored])
    assert {("edited", 8), ("edited", 10)} <= set(verified(ledger, capsys)[1])
    shutil.copy(old / "writer-0-000001.db", ledger / "writer-0-000001.db")
    rewrite(ledger, lambda stored: [one for one in stored if one[0] <= 30])
    assert ("truncated", 31) in verified(ledger, capsys)[1]


def test_an_older_file_and_a_missing_one_are_found_by_the_heads(ledger, capsys, tmp_path):
    old = shutil.copytree(ledger, tmp_path / "old")
    write(ledger, list(attempts(20, 5)))
    shutil.copy(old / "writer-0-000001.db", ledger / "writer-0-000001.db")
    code, found, chains = verified(ledger, capsys)
    assert (code, found, chains["writer-0"]["proven"]) == (6, [("truncated", 43)], 42)
    with open_chains(ledger) as chains:
        gone = chains[0].writer
    (ledger / "writer-0-000001.db").unlink()
    assert verified(ledger, capsys) == (6, [("missing", None)], {})
    write(ledger)
    code, found, _ = verified(ledger, capsys)
    assert (code, found) == (6, [("missing", None)])
    assert gone


def test_a_suffix_that_was_recomputed_is_found_at_the_first_head_after_it(ledger, capsys):
    def change(stored):
        previous = stored[28][2]
        for seq, said, hash in stored:
            line = edited(said, "user", "eve") if seq == 30 else said
            previous = hash if seq < 30 else link(previous, line)
            yield seq, line, previous

    rewrite(ledger, change)
    code, found, chains = verified(ledger, capsys)
    assert code == 6
    assert [one for one in found if one[0] == "rewritten"] == [("rewritten", 41), ("rewritten", 42)]
    assert "edited" not in dict(found)
    assert chains["writer-0"]["proven"] == 21


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE hours SET calls = calls + 1",
        "UPDATE days SET calls = calls + 1",
        "DELETE FROM days",
        "INSERT INTO days SELECT '2026-05-02', \"group\", 1, 0, 0, 0, 0, 0, 0, 0 FROM hours LIMIT 1",
    ],
)
def test_totals_that_were_changed_are_found(ledger, capsys, statement):
    edit(ledger, statement)
    code, found, _ = verified(ledger, capsys)
    assert code == 6
    assert {what for what, _ in found} == {"totals"}


def test_a_ledger_of_another_format_is_refused(ledger, capsys):
    for number, said in (
        (2, "the format of an earlier version; choose another `runtime.ledger.path`"),
        (9, "a format"),
    ):
        edit(ledger, f"UPDATE meta SET value = '{number}' WHERE name = 'format'")
        assert run(["usage", "--ledger", str(ledger)]) == 7
        assert f"`writer-0-000001.db` has {said}" in capsys.readouterr().err
        with pytest.raises(LedgerError, match=r"has (the|a) format"):
            LedgerFile(ledger, lambda: at(0))


def test_ids_that_were_taken_out_are_found(ledger, capsys):
    edit(ledger, "DELETE FROM ids WHERE id = 'd3'")
    assert verified(ledger, capsys)[1] == [("index", 9)]


def test_heads_that_another_key_signed_are_not_believed(ledger, capsys, tmp_path):
    write(tmp_path / "other")
    key = str(tmp_path / "other/ledger.pub")
    assert run(["ledger", "verify", "--ledger", str(ledger), "--key", key]) == 6
    assert "is not a head signed with this key" in capsys.readouterr().err
    assert run(["ledger", "verify", "--ledger", str(tmp_path / "none")]) == 6
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(["usage", "--ledger", str(empty)]) == 7
    assert "there is no ledger in" in capsys.readouterr().err


def test_the_commands_that_ask(ledger, capsys):
    assert run(["usage", "--ledger", str(ledger), "--by", "team", "--since", "2026-01-01", "--format", "csv"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header == "team,currency," + ",".join(MEASURES)
    assert rows == [f"{team},,20,0,0,0,0,0,0,{sum(range(20))}" for team in "ab"]
    assert run(["usage", "--ledger", str(ledger), "--since", "2026-01-01"]) == 0
    text = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in text] == [["capability", "calls"], ["notes.0", "10"], ["notes.1", "10"]]
    assert run(["trace", "d3", "--ledger", str(ledger)]) == 0
    assert capsys.readouterr().out.split()[1:] == ["ok", "notes.1", "0.0", "ms", "[d3]", "1", "attempt,", "0", "failed"]
    assert run(["trace", "nobody", "--ledger", str(ledger)]) == 1
    assert run(["tail", "--no-follow", "-n", "2", "--format", "jsonl", "--ledger", str(ledger)]) == 0
    assert [json.loads(row)["decision"] for row in capsys.readouterr().out.splitlines()] == ["d18", "d19"]
    assert run(["ledger", "export", "--ledger", str(ledger)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["seq"] for row in rows if "seq" in row][-1] == 42


outcomes = st.tuples(
    st.integers(0, 3000), st.sampled_from(["ok", "denied"]), st.sampled_from([None, "a", "a,b"]), st.integers(0, 9)
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(outcomes, min_size=15, max_size=40),
    st.one_of(st.just(-60), st.integers(-60, 3000)),
    st.one_of(st.just(7000), st.integers(0, 300), st.integers(0, 3000)),
    st.sampled_from(["team", "hour", "day", "month"]),
    st.integers(1, 9),
)
def test_usage_is_the_sum_of_the_outcomes_in_the_window(tmp_path_factory, made, first, length, name, every):
    folder = tmp_path_factory.mktemp("usage")
    made.sort(key=lambda one: one[0])
    file = LedgerFile(folder, lambda: at(0))
    entries = [
        Entry("outcome", at(when), decision=f"{n}", outcome=how, teams=teams, cost_nano=cost)
        for n, (when, how, teams, cost) in enumerate(made)
    ]
    for begin in range(0, len(entries), every):
        file.fold()
        file.append(entries[begin : begin + every])
    file.close()
    expected: Counter = Counter()
    for when, how, teams, cost in made:
        if first <= when < first + length:
            times = {"hour": [at(when)[:13]], "day": [at(when)[:10]], "month": [at(when)[:7]]}
            keys = times.get(name, teams.split(",") if teams else [None])
            expected.update(
                {(key, how, measure): n for key in keys for measure, n in (("calls", 1), ("cost_nano", cost))}
            )
    with open_chains(folder) as chains:
        assert verify(chains[0], [], Checked()) == []
        found = usage(
            chains, (name, "outcome"), START + timedelta(minutes=first), START + timedelta(minutes=first + length)
        )
    sums = {(*key, m): row[MEASURES.index(m)] for key, row in found.rows.items() for m in ("calls", "cost_nano")}
    assert sums == dict(expected)
