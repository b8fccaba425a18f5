"""The runtime as a process: exit codes, what it says, and how it stops."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import anyio
import httpx2
import pytest
from plans import publish, simple
from sites import ACCEPT, bearer, request

from meshplan.runtime.app import StartError, binding_of, listen_on
from meshplan.runtime.front.guard import Binding
from meshplan.runtime.identity.local import LOCAL_FILE
from meshplan.schemas.bundle import pack

INITIALIZE = request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})


def run(*args, text="", cwd=None):
    command = [sys.executable, "-m", "meshplan.runtime", *map(str, args)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, cwd=cwd, check=False)


@contextmanager
def serving(*args, cwd=None):
    """A server that has said where it serves; yields the process and its base URL."""
    command = [sys.executable, "-m", "meshplan.runtime", "serve", "--listen", "127.0.0.1:0", *map(str, args)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd) as process:
        try:
            for line in process.stderr:
                if line.startswith("serving "):
                    yield process, "/".join(line.split()[1].split("/")[:3]).rstrip(","), line
                    break
        finally:
            process.kill()


@pytest.fixture
def plan(tmp_path):
    draft = simple()
    draft.local = ("user:ann",)
    path = tmp_path / "plan"
    path.write_text(pack(draft.bundle()))
    return path


@pytest.mark.parametrize(
    "args", [(), ("serve",), ("serve", "--plan", "a", "--store", "b"), ("dance",), ("stdio", "--plan", "a")]
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(args):
    done = run(*args)
    assert (done.returncode, done.stdout) == (64, "")


def test_a_refused_plan_is_a_matter_of_trust(tmp_path, plan):
    (tmp_path / "bad").write_text(plan.read_text().replace("get_note", "got_note", 1))
    for command in (("serve",), ("stdio", "dev")):
        done = run(*command, "--plan", tmp_path / "bad")
        assert done.returncode == 6
        assert done.stderr.startswith("the plan is refused (digest): ")
        assert "Traceback" not in done.stderr


def test_other_machines_are_not_served_an_unsigned_plan(plan):
    done = run("serve", "--plan", plan, "--listen", "0.0.0.0:0")
    assert done.returncode == 6
    assert "--insecure-unsigned" in done.stderr


def test_the_local_profile_needs_a_loopback_address(plan):
    assert run("serve", "--plan", plan, "--listen", "0.0.0.0:0", "--insecure-unsigned", "--local").returncode == 64


def test_an_address_in_use_is_said(plan):
    with serving("--plan", plan) as (_, base, _):
        done = run("serve", "--plan", plan, "--listen", base.removeprefix("http://"))
    assert (done.returncode, "cannot listen on" in done.stderr) == (64, True)


def test_an_unknown_virtual_mcp_is_named(plan):
    done = run("stdio", "nothing", "--plan", plan)
    assert (done.returncode, done.stderr.strip()) == (64, "there is no virtual MCP `nothing`; there is `dev`")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_says_where_it_serves_and_stops_when_told(plan, number, code):
    with serving("--plan", plan) as (process, base, line):
        assert line == f"serving {base}/mcp/dev\n"
        assert httpx2.get(f"{base}/readyz").status_code == 200
        process.send_signal(number)
        assert process.wait(20) == code


def test_open_streams_do_not_hold_up_the_end(plan):
    headers = {"accept": ACCEPT, **bearer("ann")}
    with serving("--plan", plan) as (process, base, _), httpx2.Client(timeout=20) as client:
        opened = client.post(f"{base}/mcp/dev", json=INITIALIZE, headers=headers)
        headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        with client.stream("GET", f"{base}/mcp/dev", headers=headers) as stream:
            assert stream.status_code == 200
            process.send_signal(signal.SIGTERM)
            list(stream.iter_lines())
        assert process.wait(20) == 0


def test_the_local_profile_has_a_secret_on_disk(tmp_path, plan):
    with serving("--plan", plan, "--local", "--root", tmp_path) as (_, base, line):
        assert line.endswith(f"; local secret in {LOCAL_FILE}\n")
        secret = (tmp_path / LOCAL_FILE).read_text().strip()
        headers = {"accept": ACCEPT, "authorization": f"Bearer {secret}"}
        assert httpx2.post(f"{base}/mcp/dev", json=INITIALIZE, headers=headers).status_code == 200


def test_a_store_without_a_plan_is_served_as_soon_as_there_is_one(tmp_path):
    with serving("--store", tmp_path) as (_, base, line):
        assert line == f"serving {base} (no plan yet)\n"
        assert httpx2.get(f"{base}/readyz").status_code == 503
        publish(tmp_path, simple().bundle(), 1)
        for _ in range(2000):
            if httpx2.get(f"{base}/readyz").status_code == 200:
                break
        assert httpx2.get(f"{base}/status").json()["active"]["seq"] == 1


def test_standard_output_holds_messages_only(plan):
    lines = [INITIALIZE, request("tools/list", {}, 2)]
    done = run("stdio", "dev", "--plan", plan, text="".join(json.dumps(line) + "\n" for line in lines))
    assert done.returncode == 0
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 2]
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "attempt"


def test_probing_reads_what_to_probe_from_standard_input():
    done = run("probe", text="{}")
    assert (done.returncode, done.stdout) == (64, "")


@pytest.mark.parametrize(("listen", "host", "port"), [("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:0", "::1", 0)])
def test_addresses(listen, host, port):
    found = binding_of(listen)
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize("listen", ["", "8700", ":8700", "host:", "host:port", "host:99999"])
def test_what_is_no_address(listen):
    with pytest.raises(StartError):
        binding_of(listen)


async def test_answers_do_not_wait_for_acknowledgements():
    with listen_on(Binding("127.0.0.1", 0)) as listener:
        accepted = anyio.create_memory_object_stream[int](1)

        async def on_connect(_reader, writer):
            options = writer.get_extra_info("socket")
            accepted[0].send_nowait(options.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        server = await asyncio.start_server(on_connect, sock=listener)
        async with server, await anyio.connect_tcp("127.0.0.1", listener.getsockname()[1]):
            with anyio.fail_after(5), accepted[0], accepted[1]:
                assert await accepted[1].receive() != 0
