"""The console: what its pages show, that nothing foreign runs in them, and that they work without a mouse or eyes."""

import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import httpx2
import pytest
from pages import read
from plans import FakeUpstreams, price, recorded, simple, spending
from processes import serving

from meshplan.runtime.active import Active
from meshplan.runtime.admin.console import calls, words
from meshplan.runtime.admin.console.console import PAGES, Console
from meshplan.runtime.admin.console.plots import HEIGHT, WIDTH, Count, bars, histogram
from meshplan.runtime.admin.console.summary import Ledgers
from meshplan.runtime.admin.console.viewer import LOCAL, Viewer
from meshplan.runtime.budget.counting import Counting
from meshplan.runtime.ledger.file import LedgerFile
from meshplan.runtime.record import Attempt
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.status import Desired, Status
from meshplan.runtime.targets import Trace
from meshplan.runtime.telemetry.gathered import Gathered
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.schemas.bundle import pack
from meshplan.schemas.ledger.entry import Entry
from meshplan.schemas.plan import Budget, Search

HOSTILE = (
    "<script>document.title='pwned'</script>",
    '"><img src=x onerror="document.title=\'pwned\'">',
    "'><svg onload=document.title='pwned'>",
    "javascript:document.title='pwned'",
    "{{ 7 * 7 }}{% raw %}",
    "</td></table><style>body{display:none}</style>",
    "\u202egnp.exe\u0000\u001b[31m",
    "&lt;b&gt; & co",
)
KNOWN = frozenset(
    {
        *(
            "",
            "html",
            "head",
            "meta",
            "title",
            "link",
            "body",
            "header",
            "nav",
            "main",
            "footer",
            "section",
            "div",
            "p",
            "a",
        ),
        *(
            "h1",
            "h2",
            "h3",
            "ul",
            "li",
            "dl",
            "dt",
            "dd",
            "time",
            "code",
            "span",
            "strong",
            "small",
            "details",
            "summary",
        ),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "rect", "line"),
    }
)
NOW = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)


def attempt(number, outcome="ok", *, endpoint="dev", capability="notes/tool/get", parent=None, **more):
    plain = {"plan": "p", "principal": "key:ann", "method": "tools/call", "duration": 0.004}
    id = f"{number:032x}"
    return Attempt(
        **plain | more,
        at="2026-11-22T18:29:00.000+00:00",
        endpoint=endpoint,
        outcome=outcome,
        capability=capability,
        decision=id,
        call=id,
        parent=parent,
    )


def entry(kind="outcome", **more):
    plain = {"at": "2026-11-22T18:10:00.000+00:00", "endpoint": "dev", "method": "tools/call", "outcome": "ok"}
    return Entry(kind, **plain | {"total_us": 4000} | more)


def world(tmp_path, entries=(), draft=None):
    """A console over a plan, a ledger with these entries, and a process that has seen nothing yet."""
    budget = Budget(
        of=None, each="user", covers=None, unit="money", currency="usd", amount=10**10, window="day", zone="UTC",
        on_exceed="deny", max_wait_ms=0, warn_at_percent=None, counted_as="daily",
    )  # fmt: skip
    bundle = spending((draft or simple()).bundle(), {"daily": budget}, {"notes/tool/get": price(10**9)})
    active, folder = Active(lambda: NOW), tmp_path / "ledger"
    active.swap(Snapshot(bundle))
    if entries:
        file = LedgerFile(folder, lambda: "2026-11-22T18:00:00.000+00:00")
        file.append(list(entries))
        file.close()
    telemetry = Telemetry(active)
    upstreams = FakeUpstreams()
    upstreams.get("notes")
    reports = Status(active, upstreams, Desired(), counters=Counting(tmp_path))
    ledgers = Ledgers(lambda: folder if entries else None, lambda: NOW)
    if entries:
        ledgers._make(folder)
    return Console(active, reports, Gathered(telemetry), ledgers), telemetry


async def page(console, path="", viewer=LOCAL, **query):
    found = await console.page(f"/console/{path}", query, viewer)
    return None if found is None else read(found)


def hostile_world(tmp_path):
    """Every text that somebody else can make up is one that wants to run."""
    draft = simple()
    draft.strategies = {"dev": Search(max_results=5, pinned=())}
    for number, text in enumerate(HOSTILE):
        name = f"t{number}{text}"
        draft.tool("dev", "notes", name, name, description=text)
    entries = [
        entry(
            decision=f"{number:032x}", call=f"{number:032x}", user=text, teams=text, agent=text, application=text,
            capability=text, endpoint=text, principal=text, method=text, upstream=text, rule=text, reason=text,
            currency=text, cost_nano=5, trace=text,
        )
        for number, text in enumerate(HOSTILE)
    ]  # fmt: skip
    console, telemetry = world(tmp_path, entries, draft)
    for number, text in enumerate(HOSTILE):
        trace = Trace(subjects=frozenset({f"user:{text}"}), server=text, upstream=0.001)
        more = {"capability": text, "principal": text, "reason": text, "method": text}
        telemetry.ended(attempt(number, "denied", endpoint=text, **more), trace)
        telemetry.meter.ended(attempt(number, "tool_error", endpoint=text, **more), text, 0.1)
    return console


PATHS = [*PAGES, f"trace/{3:032x}"]


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_foreign_becomes_part_of_a_page(tmp_path, path):
    tree = await page(hostile_world(tmp_path), path)
    for element in tree.all():
        assert element.name in KNOWN
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        link = element.attributes.get("href", "#")
        assert link.startswith(("/console", "?", "#")), link
        assert all(one.isprintable() or one == "\n" for one in element.text)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="LOUD SKIP: chromium is not installed; CI has it")
def test_nothing_foreign_runs_in_a_browser(tmp_path):
    draft = simple()
    draft.admin_listen = "127.0.0.1:0"
    file = LedgerFile(tmp_path / "ledger", lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    file.append([entry(at=at, decision=f"{n:032x}", user=text, capability=text) for n, text in enumerate(HOSTILE)])
    file.close()
    (tmp_path / "plan").write_text(pack(recorded(draft)))
    command = [
        "chromium",
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=3000",
        "--dump-dom",
    ]
    env = {**os.environ, "HOME": str(tmp_path)}
    with serving("--plan", tmp_path / "plan", "--root", tmp_path) as found:
        for text in HOSTILE:
            httpx2.post(f"{found.base}/mcp/{quote(text, safe='')}", json={})
        for path, wanted in (("spend", "By user"), ("calls", "The last calls")):
            more = [f"--user-data-dir={tmp_path}/{path}", f"{found.admin}/console/{path}"]
            done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=100, check=True, env=env)
            assert wanted in done.stdout
            assert "pwned" in done.stdout
            title = done.stdout.partition("<title>")[2].partition("</title>")[0]
            assert title == f"{PAGES[path]} · Meshplan"
            assert "<script" not in done.stdout
            assert "<img" not in done.stdout


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_can_be_read_without_a_mouse_or_eyes(tmp_path, path):
    console, telemetry = world(tmp_path, [entry(decision=f"{3:032x}", user="ann", currency="usd", cost_nano=10**9)])
    telemetry.ended(attempt(3), Trace(subjects=frozenset({"user:ann"}), server="notes", upstream=0.001))
    telemetry.ended(attempt(4, "timeout", parent=f"{3:032x}"), Trace(server="notes", upstream=0.001))
    tree = await page(console, path)
    assert [html.attributes["lang"] for html in tree.all("html")] == ["en"]
    assert len(tree.all("h1")) == len(tree.all("main")) == len(tree.all("nav")) == 1
    skip = tree.all("body")[0].children[0]
    assert (skip.name, skip.attributes["href"]) == ("a", f"#{tree.all('main')[0].attributes['id']}")
    for table in tree.all("table"):
        assert table.all("caption")[0].words()
        assert all("scope" in head.attributes for head in table.all("th"))
        assert all(head.words() for head in table.all("th"))
    for drawn in tree.all("svg"):
        named = drawn.attributes.get("role") == "img" and drawn.attributes.get("aria-label")
        assert named or drawn.attributes.get("aria-hidden") == "true"
    for region in [one for one in tree.all("div") if "tabindex" in one.attributes]:
        assert region.attributes["role"] == "region"
        assert region.attributes["aria-label"]
    ids = [one.attributes["id"] for one in tree.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert all(one.attributes["aria-labelledby"] in ids for one in tree.all("section"))
    current = [a.words() for a in tree.all("a") if a.attributes.get("aria-current") == "page"]
    assert current == ([] if path.startswith("trace") else [PAGES[path]])


async def test_a_call_is_shown_with_those_that_it_made(tmp_path):
    console, telemetry = world(tmp_path)
    telemetry.ended(
        attempt(2, parent=f"{1:032x}"), Trace(subjects=frozenset({"user:ann"}), server="notes", upstream=0.1)
    )
    telemetry.ended(attempt(1, capability="strategy:search/tool/call_tool"), Trace(subjects=frozenset({"user:ann"})))
    telemetry.ended(attempt(9, "denied", reason="no_allow"), Trace())
    rows = [row.words() for row in (await page(console, "calls")).all("tbody")[0].children]
    assert [row.split()[0] for row in rows] == ["notes/tool/get", "strategy:search/tool/call_tool", "made"]
    assert "denied no_allow" in rows[0]
    trace = await page(console, f"trace/{1:032x}")
    assert [row.words().split()[0] for row in trace.all("tbody")[0].children] == [
        "strategy:search/tool/call_tool",
        "made",
    ]


@pytest.mark.parametrize("path", ["trace/../x", "trace/", f"trace/{7:032x}", "nothing", "trace/<script>"])
async def test_there_are_no_other_pages(tmp_path, path):
    console, _ = world(tmp_path)
    assert await page(console, path) is None


async def test_whoever_may_see_one_endpoint_sees_nothing_of_the_others(tmp_path):
    draft = simple()
    draft.tool("ops", "vault", "open", "open_vault")
    secret = entry(decision=f"{5:032x}", endpoint="ops", user="oscar", capability="vault/tool/open", teams="ops-team")
    console, telemetry = world(
        tmp_path, [entry(decision=f"{6:032x}", user="ann", capability="notes/tool/get"), secret], draft
    )
    for number, name, capability in ((5, "ops", "vault/tool/open"), (6, "dev", "notes/tool/get")):
        telemetry.ended(
            attempt(number, endpoint=name, capability=capability), Trace(subjects=frozenset({f"user:{name}"}))
        )
    viewer = Viewer("ann", frozenset({"dev"}))
    for path in PAGES:
        whole, mine = (await page(console, path)).words(), (await page(console, path, viewer)).words()
        assert "vault" not in mine
        assert "ops" not in mine
        assert "oscar" not in mine
        if path in ("calls", "latency", "surfaces", "spend"):
            assert "vault" in whole
            assert "notes/tool/get" in mine
    assert "daily" not in (await page(console, "spend", viewer)).words()
    assert await page(console, f"trace/{5:032x}", viewer) is None
    assert await page(console, f"trace/{5:032x}") is not None


async def test_spend_is_that_of_the_ledger(tmp_path):
    rows = [entry(user="ann", teams="a,b", currency="usd", cost_nano=1_500_000_000, input_tokens=10), entry(user="bob")]
    console, _ = world(tmp_path, rows)
    tables = {one.all("caption")[0].words(): one for one in (await page(console, "spend")).all("table")}
    users = [row.words().split() for row in tables["Who has used most, by user"].all("tbody")[0].children]
    assert users == [["ann", "1", "10", "1.50", "usd"], ["bob", "1", "\N{EN DASH}", "\N{EN DASH}"]]
    teams = [row.words().split()[0] for row in tables["Who has used most, by team"].all("tbody")[0].children]
    assert teams == ["a", "b", "without"]


def test_bars_stand_on_each_other_and_within_the_box():
    plot = bars([Count("a", 5, 3, 2), Count("b", 0, 0, 0), Count("c", 0, 0, 1)])
    assert (plot.most, plot.total, plot.refused, plot.failed) == (10, 11, 3, 3)
    first = [rect for rect in plot.rects if rect.x == 0]
    assert [rect.kind for rect in first] == ["failed", "refused", "ok"]
    assert sum(rect.height for rect in first) == pytest.approx(HEIGHT)
    assert all(0 <= rect.x < WIDTH and -0.1 <= rect.y <= HEIGHT for rect in plot.rects)
    assert histogram([0, 4, 2])[0].height == 24


def test_minutes_hold_what_ended_in_them():
    gathered = Gathered(now=lambda: 6000.0)
    for at, counts in ((6010.0, {"dev": [2, 0, 1]}), (6070.0, {"dev": [5, 1, 1], "ops": [9, 9, 9]})):
        gathered.samples.append(type(gathered.samples[0])(at, counts))
    shown = calls.by_minute(gathered, Viewer("x", frozenset({"dev"})), 6075.0)
    assert (len(shown), shown[-2][1:], shown[-1][1:]) == (60, (2, 0, 1), (3, 1, 0))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.00008, "0.08 ms"),
        (0.0159, "15.9 ms"),
        (0.9996, "1 s"),
        (12.34, "12.3 s"),
        (1e9, "1,000,000,000 s"),
    ],
)
def test_durations_read_well(seconds, text):
    assert words.took(seconds) == text


@pytest.mark.parametrize(
    ("state", "age", "said"),
    [
        ("ok", 0.4, "Counted by redis, for several runtimes together (ok)."),
        ("joining", None, "nothing has been read from it yet"),
        ("down", 90.2, "(down: gone); what is shown was read 90 s ago."),
    ],
)
async def test_spend_says_how_old_the_standing_of_shared_counters_is(tmp_path, state, age, said):
    console, _ = world(tmp_path)
    error = "gone" if state == "down" else None
    counters = {"kind": "redis", "state": state, "error": error, "fail": "closed", "age": age}

    class Shared:
        ready = True

        async def page(self):
            return {**console.reports.report(), "counters": counters}

    found = await page(replace(console, reports=Shared()), "spend")
    assert said in found.words()
