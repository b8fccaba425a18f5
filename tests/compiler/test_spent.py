"""`mesh usage --budgets`: what a ledger says was spent, beside the limits of the mesh."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from meshes import lock_texts, with_sections

from meshplan.compiler.cli import run
from meshplan.runtime.ledger.file import LedgerFile
from meshplan.schemas.budgets import Counter
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.ledger.spent import additions_text
from meshplan.schemas.windows import bucket

BUDGETS = """
budgets:
  burst: {each: user, limit: 60 calls, per: minute}
  month: {limit: 20 usd, per: month, zone: Europe/Berlin}
runtime: {ledger: {path: ./ledger}}
"""


@pytest.fixture
def ledger(tmp_path):
    now = datetime.now(UTC)
    this = bucket("month", "Europe/Berlin", int(now.timestamp())).start
    month = Counter("month", "usd", "month", "Europe/Berlin", "*").text()
    gone = Counter("gone", "tokens", "month", "Europe/Berlin", "user:ann").text()
    text = additions_text([(month, this, 5_500_000_000), (month, this - 40 * 86_400, 10**12), (gone, this, 7)])
    file = LedgerFile(tmp_path / "ledger", lambda: now.isoformat(timespec="milliseconds"))
    file.append([Entry("intent", now.isoformat(timespec="milliseconds"), decision="d", reserved=text)])
    file.close()
    return tmp_path


def usage(folder, capsys, *words):
    text = with_sections(BUDGETS)
    (folder / "mesh.yaml").write_text(text)
    (folder / "mesh.lock").mkdir()
    for name, lock in lock_texts(text).items():
        (folder / name).write_text(lock)
    code = run(["-C", str(folder), "usage", "--budgets", "--ledger", str(folder / "ledger"), *words])
    return code, capsys.readouterr().out


def test_each_counter_has_a_row_the_fullest_first(ledger, capsys):
    code, out = usage(ledger, capsys)
    assert (code, [line.split() for line in out.splitlines()]) == (
        0,
        [
            ["budget", "scope", "window", "unit", "used", "limit", "percent"],
            ["month", "*", "month", "usd", "5.50", "20.00", "27"],
            ["burst", "-", "minute", "calls", "0", "60", "0"],
            ["gone", "user:ann", "month", "tokens", "7", "-", "0"],
        ],
    )


def test_json_has_numbers_and_exact_money(ledger, capsys):
    _, out = usage(ledger, capsys, "--format", "json")
    rows = {row["budget"]: row for row in json.loads(out)["budgets"]}
    assert (rows["month"]["used"], rows["month"]["limit"], rows["month"]["percent"]) == ("5.50", "20.00", 27)
    assert (rows["burst"]["used"], rows["burst"]["limit"], rows["burst"]["scope"]) == (0, 60, None)
    assert (rows["gone"]["used"], rows["gone"]["limit"], rows["gone"]["percent"]) == (7, None, None)


def test_csv_has_a_line_a_counter(ledger, capsys):
    _, out = usage(ledger, capsys, "--format", "csv")
    assert out.splitlines()[1] == "month,*,month,usd,5.50,20.00,27"
