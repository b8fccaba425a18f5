"""Counts and latencies: added up rightly, bounded in number, and a page that Prometheus' own parser reads."""

import sys
from pathlib import Path

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import FakeUpstreams, recorded, simple
from processes import serving
from prometheus_client.parser import text_string_to_metric_families
from sites import ACCEPT, bearer, site

from meshplan.runtime.active import Active
from meshplan.runtime.record import Attempt
from meshplan.runtime.snapshot import Snapshot
from meshplan.runtime.telemetry.asked import Asked
from meshplan.runtime.telemetry.exposition import render
from meshplan.runtime.telemetry.gathered import Gathered
from meshplan.runtime.telemetry.meter import BOUNDS, MAX_SERIES, Labels, Meter, Series
from meshplan.runtime.telemetry.telemetry import Telemetry
from meshplan.schemas.bundle import pack, seal
from meshplan.schemas.plan import StdioTransport

RAW = Path(__file__).parents[2] / "servers" / "raw_stdio.py"


def attempt(outcome="ok", seconds=0.003, **more):
    plain = {"at": "", "plan": None, "endpoint": "dev", "principal": None, "method": "tools/call"}
    return Attempt(outcome=outcome, duration=seconds, **plain | more)


def samples(text):
    """Every sample by name and labels, as the reader of Prometheus finds them."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_the_bound_that_holds_this_share(seconds, share):
    series = Series()
    for one in seconds:
        series.took(one)
    found = series.quantile(share)
    within = sum(one <= found for one in seconds)
    assert within >= share * len(seconds)
    below = [bound for bound in BOUNDS if bound < found]
    assert not below or sum(one <= below[-1] for one in seconds) < share * len(seconds)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["ok", "denied"]), st.floats(0, 400)), max_size=40))
def test_what_workers_drain_adds_up_to_what_one_would_have_counted(calls):
    one, parts, whole = Meter(), [Meter(), Meter()], Meter()
    for place, (capability, outcome, seconds) in enumerate(calls):
        for meter in (one, parts[place % 2]):
            meter.ended(attempt(outcome, seconds, capability=capability), "s", seconds)
        if place % 5 == 0:
            whole.add(parts[0].drain())
    for part in parts:
        whole.add(part.drain())
        assert part.drain() == {"calls": [], "upstreams": []}
    assert {labels: (s.count, s.buckets) for labels, s in whole.calls.items()} == {
        labels: (s.count, s.buckets) for labels, s in one.calls.items()
    }
    assert {name: s.buckets for name, s in whole.upstreams.items()} == {n: s.buckets for n, s in one.upstreams.items()}


def test_names_that_callers_make_up_are_one_series():
    active = Active()
    active.swap(Snapshot(simple().bundle()))
    telemetry = Telemetry(active)
    for number in range(3 * MAX_SERIES):
        made_up = attempt("denied", endpoint=f"e{number}", capability=f"c{number}", method=f"m{number}")
        telemetry.turned_away(made_up, Asked(made_up.endpoint, made_up.method), None)
    assert list(telemetry.meter.calls) == [Labels("other", "", "other", "other", "denied")]


def test_beyond_the_bound_only_outcomes_are_told_apart():
    meter = Meter()
    for number in range(MAX_SERIES + 50):
        meter.ended(attempt(capability=f"c{number}"))
    assert len(meter.calls) == MAX_SERIES + 1
    assert meter.calls[Labels("other", "other", "other", "other", "ok")].count == 50


def test_labels_are_escaped():
    meter = Meter()
    meter.ended(attempt(capability='a"b\\c\nd'))
    found = samples(render(meter, {}, {}))
    labels = {"endpoint": "dev", "server": "", "capability": 'a"b\\c\nd', "method": "tools/call", "outcome": "ok"}
    assert found["mesh_calls_total", *sorted(labels.items())] == 1


async def test_calls_under_way_and_the_last_ones_are_there_to_look_at():
    upstreams, entered, leave = FakeUpstreams(), anyio.Event(), anyio.Event()

    async def slow(_request):
        entered.set()
        await leave.wait()
        return {"content": []}

    upstreams.serve("notes", slow)
    async with site(simple().bundle(), upstreams) as found:
        gathered = Gathered(found.telemetry)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(found.modern, "tools/call", {"name": "get_note", "arguments": {}})
            await entered.wait()
            (running,) = gathered.look().running()
            assert (running["capability"], running["server"]) == ("notes/tool/get", "notes")
            assert (running["subjects"], gathered.gauges()["calls_running"]) == (["user:ann"], 1)
            leave.set()
        (ended,) = gathered.look().recent
        assert (ended["decision"], ended["outcome"], gathered.running()) == (running["decision"], "ok", [])
        assert 0 < ended["upstream"] <= ended["seconds"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_page_for_all_workers(tmp_path, workers):
    draft = simple()
    draft.server("notes", StdioTransport(argv=(sys.executable, str(RAW)), env={}, cwd="."))
    draft.admin_listen = "127.0.0.1:0"
    bundle = recorded(draft, path=str(tmp_path / "ledger"))
    (tmp_path / "plan").write_text(pack(seal(bundle.plan, bundle.definitions, bundle.source_map)))
    with serving("--plan", tmp_path / "plan", "--workers", workers) as found:
        for number in range(12):
            meta = {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            params = {"name": "nothing", "arguments": {}, "_meta": meta}
            headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "nothing"}
            body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
            httpx2.post(f"{found.base}/mcp/dev", json=body, headers={"accept": ACCEPT, **headers, **bearer("ann")})
        httpx2.post(f"{found.base}/mcp/dev", json={}, headers={"accept": ACCEPT})
        for _ in range(2000):
            page = httpx2.get(f"{found.admin}/metrics")
            seen = samples(page.text)
            calls = sum(value for key, value in seen.items() if key[0] == "mesh_calls_total")
            if calls == 13:
                break
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    labels = {"capability": "", "endpoint": "dev", "method": "tools/call", "outcome": "denied", "server": ""}
    assert seen["mesh_calls_total", *sorted(labels.items())] == 12
    assert seen["mesh_plan_info", ("mesh", "test"), ("plan", bundle.digest)] == 1
    assert seen["mesh_upstream_ready", ("server", "notes")] in (0, 1)
    assert (seen[("mesh_ledger_failing",)], seen[("mesh_sessions",)]) == (0, 0)
    assert seen.get(("mesh_workers",), 1) == workers
    key = ("capability", ""), ("endpoint", "dev"), ("server", "")
    assert seen["mesh_call_duration_seconds_count", *key] == 13
    assert seen["mesh_call_duration_seconds_bucket", *sorted((*key, ("le", "+Inf")))] == 13
