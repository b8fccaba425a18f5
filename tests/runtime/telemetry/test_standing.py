"""How budgets stand is in /metrics and at a collector, once for the runtime, with so many series at most."""

import os
import sys
from pathlib import Path

import httpx2
import pytest
from collector import attributes, collecting
from plans import Draft, budget, price, recorded, simple, spending
from processes import serving
from prometheus_client.parser import text_string_to_metric_families
from sites import ACCEPT, bearer

from meshplan.runtime.active import Active
from meshplan.runtime.budget.gauges import MOST, OTHER, Gauges
from meshplan.runtime.snapshot import Snapshot
from meshplan.schemas.budgets import Counter
from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import StdioTransport

WITNESS = Path(__file__).parents[2] / "servers" / "witness.py"
USD = 10**9
BUDGETS = {
    "month": budget(10 * USD, "money", counted_as="month"),
    "burst": budget(8, each="user", window="hour", counted_as="burst"),
    "unused": budget(5, of=("team:nobody",), counted_as="unused"),
}


class Held:
    """Counters that hold what a test says."""

    def __init__(self, held):
        self.held = held

    def counting(self):
        return {Counter("burst", "calls", "hour", "UTC", scope): used for scope, used in self.held.items()}


def gauges(held):
    active = Active()
    active.swap(Snapshot(spending(simple().bundle(), BUDGETS)))
    return Gauges(active, Held(held))


def burst(found):
    return next(one for one in found.look() if one.budget == "burst")


def test_so_many_scopes_are_told_apart_and_nothing_is_lost():
    held = {f"user:u{number}": number % 7 + 1 for number in range(MOST + 30)}
    found = gauges(held)
    one = burst(found)
    assert len(one.usage) == MOST + 1
    assert sum(one.usage.values()) == sum(held.values())
    assert one.utilization == 7 / 8
    first = set(one.usage) - {OTHER}
    held["user:late"] = 8
    assert (set(burst(found).usage) - {OTHER}, burst(found).utilization) == (first, 1.0)
    for scope in list(held)[:MOST]:
        held.pop(scope)
    assert "user:late" in burst(found).usage
    assert OTHER not in burst(found).usage


@pytest.mark.parametrize("workers", [1, 2])
def test_the_runtime_says_once_how_its_budgets_stand(tmp_path, workers):
    draft = Draft()
    draft.admin_listen = "127.0.0.1:0"
    log = str(tmp_path / "witness.jsonl")
    draft.server("w", StdioTransport(argv=(sys.executable, str(WITNESS), log, "stdio"), env={}, cwd="."))
    tool = draft.tool("dev", "w", "get", schema={"type": "object", "properties": {"id": {"type": "string"}}})
    draft.key("ann", "user:ann")
    draft.grant("all", "user:ann")
    plan = spending(recorded(draft, path=str(tmp_path / "ledger")), BUDGETS, {tool: price(USD // 4)})
    (tmp_path / "plan").write_text(pack(plan))
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": "get", "arguments": {"id": "1"}, "_meta": meta}
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "get"}
    made = 0
    with collecting() as collected:
        env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_TRACES_EXPORTER": "none"}
        with serving("--plan", tmp_path / "plan", "--workers", workers, env=env) as found:
            for number in range(200):
                body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                answer = httpx2.post(
                    f"{found.base}/mcp/dev", json=body, headers={"accept": ACCEPT, **headers, **bearer("ann")}
                ).json()
                made += "result" in answer
                if made == 3:
                    break
            families = list(text_string_to_metric_families(httpx2.get(f"{found.admin}/metrics").text))
    seen = {
        (sample.name, sample.labels["budget"], sample.labels.get("scope")): (sample.labels["unit"], sample.value)
        for family in families
        for sample in family.samples
        if sample.name.startswith("mesh_budget")
    }
    assert made == 3
    assert seen == {
        ("mesh_budget_limit", "burst", None): ("calls", 8),
        ("mesh_budget_limit", "month", None): ("usd", 10),
        ("mesh_budget_limit", "unused", None): ("calls", 5),
        ("mesh_budget_usage", "burst", "user:ann"): ("calls", 3),
        ("mesh_budget_usage", "month", "*"): ("usd", 0.75),
        ("mesh_budget_utilization_ratio", "burst", None): ("calls", 0.375),
        ("mesh_budget_utilization_ratio", "month", None): ("usd", 0.075),
        ("mesh_budget_utilization_ratio", "unused", None): ("calls", 0),
    }
    sent = {
        (name, *attributes(point.attributes).values()): point.as_double
        for name in ("mesh.budget.limit", "mesh.budget.usage", "mesh.budget.utilization")
        for point in collected.metrics[name].gauge.data_points
    }
    assert sent["mesh.budget.usage", "month", "usd", "month", "*"] == 0.75
    assert sent["mesh.budget.usage", "burst", "calls", "hour", "user:ann"] == 3
    assert sent["mesh.budget.utilization", "burst", "calls", "hour"] == 0.375
    assert len(sent) == 8
    assert collected.metrics["mesh.budget.utilization"].unit == "1"
