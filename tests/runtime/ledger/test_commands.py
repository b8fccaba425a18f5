"""`mesh usage`, `mesh tail`, `mesh trace` and `mesh ledger export`, as their users see them."""

import base64
import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from meshplan.compiler.cli import run
from meshplan.runtime.ledger.file import Keeping, LedgerFile
from meshplan.schemas.ledger.entry import Entry

START = datetime(2026, 5, 1, 10, tzinfo=UTC)


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def attempt(second, decision, outcome="ok", seconds=1, **more):
    fields = {"decision": decision, "call": f"call-{decision}", "capability": "notes.get", "endpoint": "dev"}
    arguments = {"arguments": more.pop("arguments")} if "arguments" in more else {}
    results = {"results": more.pop("results")} if "results" in more else {}
    yield Entry("intent", at(second), **(fields | more | arguments))
    if outcome is not None:
        reason = None if outcome == "ok" else "upstream_timeout"
        yield Entry(
            "outcome", at(second + seconds), outcome=outcome, reason=reason, total_us=1500, **(fields | more | results)
        )


@pytest.fixture
def file(tmp_path):
    """A strategy's call with three inner calls, one of which made another, and an attempt of somebody else."""
    opened = LedgerFile(tmp_path / "ledger", lambda: at(0), Keeping(largest=4))
    opened.append([*attempt(0, "other", user="bob", teams="a,b")])
    inner = {"parent": "outer", "user": "ann"}
    steps = [
        *attempt(1, "outer", "tool_error", 8, user="ann", capability="desk.run"),
        *attempt(2, "first", **inner, arguments='{"id":{"value":1}}', results='{"n":{"value":"\\u001b[31m"}}'),
        *attempt(4, "second", "timeout", **inner),
        *attempt(5, "deep", parent="second"),
        *attempt(6, "third", None, **inner),
    ]
    opened.append(sorted(steps, key=lambda entry: entry.at))
    opened.fold()
    yield opened
    opened.close()


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_trace_shows_the_whole_chain_from_any_of_its_ids(file, tmp_path, capsys, snapshot):
    told = set()
    for wanted in ("outer", "call-outer", "second", "call-deep", "third"):
        assert run(["trace", wanted, "--ledger", str(tmp_path / "ledger")]) == 0
        told.add(capsys.readouterr().out)
    assert len(told) == 1
    assert told.pop() == snapshot


def test_trace_as_json_has_every_entry(file, tmp_path, capsys):
    assert run(["trace", "deep", "--ledger", str(tmp_path / "ledger"), "--format", "json"]) == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert len(entries) == 9
    assert {entry["decision"] for entry in entries} == {"outer", "first", "second", "deep", "third"}


def test_tail_shows_the_newest_that_match(file, tmp_path, capsys):
    folder = ["--ledger", str(tmp_path / "ledger"), "--no-follow", "--format", "jsonl"]
    assert run(["tail", *folder, "-n", "2"]) == 0
    assert [json.loads(line)["decision"] for line in lines(capsys)] == ["deep", "outer"]
    for only, found in (("outcome=t*", ["second", "outer"]), ("team=b", ["other"]), ("user=", ["deep"])):
        assert run(["tail", *folder, "--only", only]) == 0
        assert [json.loads(line)["decision"] for line in lines(capsys)] == found
    assert run(["tail", *folder, "-n", "0"]) == 0
    assert lines(capsys) == []
    assert run(["tail", *folder, "--only", "colour=red"]) == 64
    assert "`colour=red` is not DIMENSION=GLOB" in capsys.readouterr().err


def test_which_budget_had_no_room_is_said(file, tmp_path, capsys):
    refused = Entry("outcome", at(20), decision="full", call="full", outcome="over_budget", reason="over_budget")
    refused.detail = json.dumps({"budget": "month"})
    file.append([refused])
    assert run(["tail", "--ledger", str(tmp_path / "ledger"), "--no-follow", "-n", "1"]) == 0
    assert "because over_budget of budget month" in lines(capsys)[0]
    assert run(["trace", "full", "--ledger", str(tmp_path / "ledger")]) == 0
    assert "because over_budget of budget month" in lines(capsys)[0]


def test_a_window_that_ends_before_it_begins_is_a_mistake(file, tmp_path, capsys):
    window = ["--since", "2026-05-02", "--until", "2026-05-01"]
    assert run(["usage", "--ledger", str(tmp_path / "ledger"), *window]) == 64
    assert "the window is empty" in capsys.readouterr().err


def test_a_reader_that_has_enough_of_an_export_is_no_error(file, tmp_path):
    for number in range(200):
        file.append([*attempt(30 + number, f"n{number}", user="x" * 500)])
    command = [sys.executable, "-m", "meshplan.compiler", "ledger", "export", "--ledger", str(tmp_path / "ledger")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""


def test_tail_follows_into_new_segments(file, tmp_path):
    command = [sys.executable, "-m", "meshplan.compiler", "tail", "--ledger", str(tmp_path / "ledger")]
    command += ["-n", "1", "--format", "jsonl", "--only", "user=ann"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        overdue = threading.Timer(60, process.kill)
        overdue.start()
        try:
            told = [json.loads(process.stdout.readline())["decision"]]
            for number in range(3):
                list(file.tend())
                file.append([*attempt(10 + number, f"new{number}", user="ann"), *attempt(10, f"else{number}")])
                told.append(json.loads(process.stdout.readline())["decision"])
        finally:
            overdue.cancel()
            process.kill()
    assert told == ["outer", "new0", "new1", "new2"]
    assert len(list((tmp_path / "ledger").glob("*.db"))) == 4


def exported(tmp_path, *more):
    return run(["ledger", "export", "--ledger", str(tmp_path / "ledger"), *map(str, more)])


def test_export_as_parquet_has_typed_columns(file, tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "entries.parquet"
    assert exported(tmp_path, "--format", "parquet", "--to", path) == 0
    assert exported(tmp_path) == 0
    plain = [json.loads(line) for line in lines(capsys)]
    table = parquet.read_table(path)
    types = {
        name: str(table.schema.field(name).type) for name in ("at", "seq", "total_us", "cost_nano", "user", "hash")
    }
    assert types == {
        "at": "timestamp[ms, tz=UTC]",
        "seq": "int64",
        "total_us": "int64",
        "cost_nano": "int64",
        "user": "string",
        "hash": "string",
    }
    rows = table.to_pylist()
    assert [row["at"].isoformat(timespec="milliseconds") for row in rows] == [row["at"] for row in plain]
    same = [{name: value for name, value in row.items() if value is not None and name != "at"} for row in rows]
    for row in plain:
        del row["at"]
    assert same == plain
    assert sorted(one.name for one in tmp_path.iterdir()) == ["entries.parquet", "ledger"]


def test_export_as_parquet_says_what_it_needs(file, tmp_path, capsys, monkeypatch):
    assert exported(tmp_path, "--format", "parquet") == 64
    assert "name one with `--to FILE`" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert exported(tmp_path, "--format", "parquet", "--to", tmp_path / "x") == 7
    assert capsys.readouterr().err == "error: Parquet needs a library; install `meshplan[parquet]`\n"
    assert exported(tmp_path, "--to", tmp_path / "no" / "x") == 7
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


class Collector(BaseHTTPRequestHandler):
    """Takes OTLP logs, and decodes them as the protocol's own definition has it."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        for record in records(body):
            if "traceId" in record:  # hex in OTLP's JSON, base64 in protobuf's
                record["traceId"] = base64.b64encode(bytes.fromhex(record["traceId"])).decode()
        found = json_format.ParseDict(body, ExportLogsServiceRequest())
        self.server.taken.append((self.path, self.headers["content-type"], self.headers["x-key"], found))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


def records(body):
    return [one for logs in body["resourceLogs"] for scope in logs["scopeLogs"] for one in scope["logRecords"]]


@pytest.fixture
def collector():
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.taken, server.status = [], 200
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_export_to_a_collector(file, tmp_path, capfd, collector, monkeypatch):
    file.append([*attempt(20, "traced", "denied", trace="0af7651916cd43dd8448eb211c80319c")])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
    url = f"http://127.0.0.1:{collector.server_port}/v1/logs"
    assert exported(tmp_path, "--format", "otlp", "--to", url) == 0
    [(path, kind, key, request)] = collector.taken
    assert (path, kind, key) == ("/v1/logs", "application/json", "a b")
    found = request.resource_logs[0].scope_logs[0].log_records
    assert [record.event_name for record in found][:3] == [
        f"meshplan.ledger.{k}" for k in ("opened", "intent", "outcome")
    ]
    newest = found[-1]
    assert (newest.severity_text, newest.trace_id.hex()) == ("WARN", "0af7651916cd43dd8448eb211c80319c")
    assert newest.time_unix_nano == round((START + timedelta(seconds=21)).timestamp()) * 10**9
    attributes = {one.key: one.value for one in newest.attributes}
    assert attributes["meshplan.decision"].string_value == "traced"
    assert attributes["meshplan.total_us"].int_value == 1500
    collector.status = 503
    assert exported(tmp_path, "--format", "otlp", "--to", url) == 7
    assert "the collector answered 503 to request 1" in capfd.readouterr().err
    assert exported(tmp_path, "--format", "otlp", "--since", at(20)) == 0
    assert [one["eventName"] for one in records(json.loads(capfd.readouterr().out))] == [
        "meshplan.ledger.intent",
        "meshplan.ledger.outcome",
    ]
