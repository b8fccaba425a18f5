"""One trace from the client through the mesh to the server, in a collector; names as the conventions have them; no secrets."""

import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from collector import attributes, collecting
from convention import check_metrics, check_names
from plans import Draft, recorded
from processes import serving
from sites import ACCEPT, bearer

from meshplan.runtime.telemetry.context import Parent, parent_of
from meshplan.runtime.telemetry.otlp import wanted
from meshplan.schemas.bundle import pack
from meshplan.schemas.plan import BearerAuth, FromEnv, HttpTransport, Literally, Search, StdioTransport

WITNESS = Path(__file__).parents[2] / "servers" / "witness.py"
MODERN = "2026-07-28"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CANARY = "CANARY"


@contextmanager
def witness(log, kind):
    """A server that writes down what it gets; yields how to reach it."""
    if kind == "stdio":
        yield StdioTransport(argv=(sys.executable, str(WITNESS), str(log), "stdio"), env={}, cwd=".")
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, str(WITNESS), str(log), str(port)]) as process:
        try:
            auth = BearerAuth(token=FromEnv(name="UPSTREAM_TOKEN"))
            yield HttpTransport(url=f"http://127.0.0.1:{port}/mcp", headers={"x-own": Literally(value="y")}, auth=auth)
        finally:
            process.kill()


@contextmanager
def mesh(tmp_path, kind, url, workers=1, strategy=None):
    """A runtime whose spans go to a collector."""
    log = tmp_path / "witness.jsonl"
    with witness(log, kind) as transport:
        draft = Draft(strategies={"dev": strategy} if strategy else {})
        draft.admin_listen = "127.0.0.1:0"
        draft.server("w", transport)
        draft.tool("dev", "w", "get", schema={"type": "object", "properties": {"id": {"type": "string"}}})
        key = draft.define("w", "resource", {"uri": "note://all?token=x", "name": "all"})
        draft.offer("dev", key)
        draft.allow("all", key)
        draft.key("ann", "user:ann")
        draft.grant("all", "user:ann")
        (tmp_path / "plan").write_text(pack(recorded(draft, path=str(tmp_path / "ledger"))))
        env = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": url, "UPSTREAM_TOKEN": f"{CANARY}upstream"}
        env |= {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_SERVICE_NAME": "acme-mesh"}
        with serving("--plan", tmp_path / "plan", "--workers", workers, "--root", tmp_path, env=env) as found:
            found.log = log
            yield found


def call(found, name, arguments, *, meta=None, headers=None, number=7):
    """One tools/call of 2026-07-28, again until the server is connected."""
    own = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": name, "arguments": arguments, "_meta": {**own, **(meta or {})}}
    sent = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": name, "accept": ACCEPT}
    body = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
    for _ in range(200):
        answer = httpx2.post(
            f"{found.base}/mcp/dev", json=body, headers={**sent, **bearer("ann"), **(headers or {})}, timeout=30
        ).json()
        if "unavailable" not in json.dumps(answer):
            break
    return answer


def seen_upstream(found, method="tools/call"):
    return [line["params"] for line in map(json.loads, found.log.read_text().splitlines()) if line["method"] == method]


@pytest.mark.parametrize(("kind", "workers"), [("http", 1), ("stdio", 1), ("stdio", 2)])
def test_a_call_through_a_strategy_is_one_trace_from_client_to_server(tmp_path, kind, workers):
    strategy = Search(max_results=5, pinned=())
    with collecting() as collected, mesh(tmp_path, kind, collected.url, workers, strategy) as found:
        meta = {"traceparent": PARENT, "tracestate": "acme=1"}
        answer = call(
            found, "call_tool", {"tool": "get", "arguments": {"id": "1"}}, meta=meta, headers={"traceparent": OTHER}
        )
        assert answer["result"]["content"], answer
    ours = [span for span in collected.spans if span.trace == TRACE and span.failed is None]
    outer, inner, client = (
        next(span for span in ours if span.kind == kind) for kind in ("server", "internal", "client")
    )
    assert [span.name for span in (outer, inner, client)] == [
        "tools/call call_tool",
        "tools/call get",
        "tools/call get",
    ]
    assert [outer.parent, inner.parent, client.parent] == [SPAN, outer.id, inner.id]
    assert outer.links == [tuple(OTHER.split("-")[1:3])]
    assert outer.seconds >= inner.seconds >= client.seconds > 0
    sent = seen_upstream(found)[-1]["_meta"]
    assert (sent["traceparent"], sent["tracestate"]) == (f"00-{TRACE}-{client.id}-01", "acme=1")
    check_names(collected.spans)
    assert outer.attributes["jsonrpc.request.id"] == "7"
    assert outer.attributes["mcp.protocol.version"] == MODERN
    assert outer.attributes["network.transport"] == "tcp"
    assert client.attributes["network.transport"] == ("tcp" if kind == "http" else "pipe")
    assert collected.resources[0]["service.name"] == "acme-mesh"
    logged = [json.loads(line) for line in found.lines if line.startswith('{"event":"attempt"')]
    assert {
        line["decision"]: line["trace"] for line in logged if line.get("parent") is None and line["outcome"] == "ok"
    }
    assert {line["trace"] for line in logged} == {TRACE}
    assert inner.attributes["mesh.decision"] in {line["decision"] for line in logged}
    check_metrics(collected.metrics)
    assert {"mcp.server.operation.duration", "mcp.client.operation.duration"} <= collected.metrics.keys()
    if kind == "stdio":
        (point,) = collected.metrics["mcp.client.session.duration"].histogram.data_points
        assert attributes(point.attributes) == {"network.transport": "pipe", "mcp.protocol.version": "2025-11-25"}


def test_without_meta_the_http_request_is_the_parent_and_errors_are_named(tmp_path):
    with collecting() as collected, mesh(tmp_path, "http", collected.url) as found:
        assert "result" in call(found, "get", {"id": "1"}, headers={"traceparent": PARENT})
        assert "error" in call(found, "nothing", {})
    server = next(span for span in collected.spans if span.name == "tools/call get" and span.kind == "server")
    assert (server.trace, server.parent, server.links) == (TRACE, SPAN, [])
    refused = next(span for span in collected.spans if span.name == "tools/call")
    said = ("rpc.response.status_code", "mesh.outcome", "gen_ai.tool.name")
    assert [refused.attributes[name] for name in said] == ["-32602", "denied", "nothing"]
    assert (refused.failed, refused.parent) == (None, "")
    check_names(collected.spans)


@pytest.mark.parametrize(("workers", "deleted"), [(1, True), (1, False), (2, False)])
def test_a_session_has_its_number_and_its_duration(tmp_path, workers, deleted):
    with collecting() as collected, mesh(tmp_path, "http", collected.url, workers) as found:
        sent = {"accept": ACCEPT, **bearer("ann")}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        opened = httpx2.post(f"{found.base}/mcp/dev", json=body, headers=sent)
        sent["mcp-session-id"] = opened.headers["mcp-session-id"]
        body = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "get", "arguments": {}}}
        httpx2.post(f"{found.base}/mcp/dev", json=body, headers=sent)
        if deleted:
            httpx2.delete(f"{found.base}/mcp/dev", headers=sent)
    opened, called = (
        next(span for span in collected.spans if span.name == name) for name in ("initialize", "tools/call get")
    )
    for span in (opened, called):
        assert span.attributes["mcp.protocol.version"] == "2025-11-25"
        assert span.attributes["mcp.session.id"] == called.attributes["mcp.session.id"] != sent["mcp-session-id"]
    (point,) = collected.metrics["mcp.server.session.duration"].histogram.data_points
    assert point.count == 1
    check_metrics(collected.metrics)
    assert sent["mcp-session-id"].encode() not in b"".join(collected.bodies)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_secret_is_in_logs_spans_metrics_or_pages(tmp_path, workers):
    with collecting() as collected, mesh(tmp_path, "http", collected.url, workers) as found:
        meta = {"baggage": f"a={CANARY}", "acme/secret": CANARY}
        assert "result" in call(found, "get", {"id": f"{CANARY}argument"}, meta=meta, headers={"cookie": f"a={CANARY}"})
        call(found, "get", {"id": CANARY}, headers={"authorization": f"Bearer {CANARY}"})
        call(found, "get", {"id": CANARY, CANARY: 1}, headers={"tracestate": CANARY, "traceparent": CANARY})
        pages = [httpx2.get(f"{found.admin}/{page}").content for page in ("metrics", "status")]
    assert len(seen_upstream(found)) == 2
    told = [*collected.bodies, *pages, "".join(found.lines).encode()]
    assert collected.spans
    assert collected.metrics
    assert [text for text in told if CANARY.lower().encode() in text.lower() or b"secret-ann" in text] == []


@pytest.mark.parametrize(
    ("environ", "signals"),
    [
        ({}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, {"TRACES", "METRICS"}),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, {"TRACES"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_METRICS_EXPORTER": "none"}, {"TRACES"}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "TRUE"}, set()),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, set()),
    ],
)
def test_what_is_sent_is_what_the_environment_says(environ, signals):
    assert wanted(environ) == signals


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (PARENT, Parent(TRACE, SPAN, 1)),
        (f"cc-{TRACE}-{SPAN}-01-more", Parent(TRACE, SPAN, 1)),
        (f"cc-{TRACE}-{SPAN}-00", Parent(TRACE, SPAN, 0)),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        ("", None),
        (7, None),
    ],
)
def test_a_traceparent_is_read_as_the_recommendation_says(sent, read):
    assert parent_of({"traceparent": sent}) == read


def test_the_sdk_is_not_loaded_unless_somebody_collects():
    code = "import sys, meshplan.runtime.app; print(any(n.startswith('opentelemetry.sdk') for n in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
