"""Stdio upstreams: what the child sees, where its standard error goes, and children that misbehave."""

import os
from pathlib import Path

import anyio
import pytest
from msgspec import structs

from meshplan.runtime.upstream import negotiate
from meshplan.runtime.upstream.pool import open_upstreams
from meshplan.runtime.upstream.port import UpstreamUnavailable
from meshplan.schemas.plan import FromEnv, FromFile, Literally, Server, StdioTransport


async def failure(upstream, request) -> UpstreamUnavailable:
    with anyio.fail_after(15), pytest.raises(UpstreamUnavailable) as caught:
        await upstream.request(request)
    return caught.value


async def test_a_child_gets_what_is_declared_and_nothing_else(kit, tmp_path, monkeypatch):
    monkeypatch.setenv("MESH_SECRET_OF_OURS", "hidden")
    monkeypatch.setenv("MESH_GIVEN", "given")
    (tmp_path / "work").mkdir()
    (tmp_path / "key").write_text("from file\n")
    env = {"A": Literally(value="1"), "B": FromEnv(name="MESH_GIVEN"), "C": FromFile(path="key")}
    async with open_upstreams({"s": kit.stdio_server("modern", env=env, cwd="work")}, tmp_path) as upstreams:
        found = await upstreams.get("s").request(kit.call("environment"))

    assert {key: found["env"][key] for key in "ABC"} == {"A": "1", "B": "given", "C": "from file"}
    assert found["env"].keys() <= {"A", "B", "C", "PATH", "HOME", "LOGNAME", "SHELL", "TERM", "USER", "LC_CTYPE"}
    assert Path(found["cwd"]) == (tmp_path / "work").resolve()


async def test_standard_error_appears_under_the_servers_name(kit, tmp_path, capfd):
    async with open_upstreams({"notes": kit.stdio_server("modern", "noise")}, tmp_path) as upstreams:
        await upstreams.get("notes").request(kit.call("echo"))
        await failure(upstreams.get("notes"), kit.call("die"))

    lines = capfd.readouterr().err.splitlines()
    assert "[notes] [31mstarting    up" in lines
    assert "[notes] so long" in lines
    assert max(len(line) for line in lines) < 8 * 1024 + 20


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_child_that_dies_in_a_call_is_started_again(kit, tmp_path, era):
    async with open_upstreams({"s": kit.stdio_server(era)}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        first = (await upstream.request(kit.call("seen")))["pid"]
        failed = await failure(upstream, kit.call("die"))
        assert failed.sent
        assert failed.reason == "the connection was closed before the answer"
        second = (await upstream.request(kit.call("seen")))["pid"]
        assert first != second
        assert upstream.health().state == "connected"


async def test_a_child_that_was_killed_while_idle_costs_no_call(kit, tmp_path):
    async with open_upstreams({"s": kit.stdio_server("modern")}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        first = (await upstream.request(kit.call("seen")))["pid"]
        session = upstream._attempt.session
        os.kill(first, 9)
        with anyio.fail_after(5):
            await session.gone.wait()
        assert (await upstream.request(kit.call("seen")))["pid"] != first


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Server(transport=StdioTransport(argv=("no-such-command",), env={}, cwd="."), timeout_ms=1, relays=()),
         "command `no-such-command` does not start: no such file or directory"),
        (Server(transport=StdioTransport(argv=("true",), env={}, cwd="gone"), timeout_ms=1, relays=()),
         "working directory `gone` does not exist"),
        (Server(transport=StdioTransport(argv=("true",), env={"A": FromEnv(name="MESH_UNSET")}, cwd="."), timeout_ms=1,
                relays=()),
         "environment variable `MESH_UNSET` is not set"),
    ],
)  # fmt: skip
async def test_a_child_that_cannot_start_says_why(kit, tmp_path, server, reason):
    async with open_upstreams({"s": server}, tmp_path) as upstreams:
        assert (await failure(upstreams.get("s"), kit.call("echo"))).reason == reason


async def test_a_child_that_dies_at_once_is_not_started_in_a_tight_loop(kit, tmp_path):
    async with open_upstreams({"s": kit.stdio_server("modern", "die-at-start")}, tmp_path) as upstreams:
        upstream = upstreams.get("s")
        assert (await failure(upstream, kit.call("echo"))).reason in {
            "the server closed the connection",
            "the connection was closed before the answer",
        }
        began = anyio.current_time()
        for _ in range(3):
            await failure(upstream, kit.call("echo"))
        assert anyio.current_time() - began > 0.1


async def test_a_child_that_hangs_fails_calls_in_time_and_others_not_at_all(kit, tmp_path):
    servers = {"hangs": kit.stdio_server("modern", "hang"), "works": kit.stdio_server("modern")}
    with anyio.fail_after(20):
        async with open_upstreams(servers, tmp_path) as upstreams:
            await upstreams.get("works").request(kit.call("echo"))
            with anyio.fail_after(3):
                failed = await failure(upstreams.get("hangs"), kit.call("echo", timeout=0.3))
            assert failed.reason == "not connected within 0.3 s"
            assert {name: health.state for name, health in upstreams.health().items()} == {
                "hangs": "connecting",
                "works": "connected",
            }


@pytest.mark.parametrize(
    ("era", "mode", "version"), [("legacy", "silent-probe", "2025-11-25"), ("modern", "late-probe", "2026-07-28")]
)
async def test_a_probe_without_an_answer_does_not_settle_the_era(kit, tmp_path, monkeypatch, era, mode, version):
    monkeypatch.setattr(negotiate, "PROBE_SECONDS", 0.3)
    async with open_upstreams({"s": kit.stdio_server(era, mode)}, tmp_path) as upstreams:
        await upstreams.get("s").request(kit.call("echo"))
        assert upstreams.health()["s"].protocol_version == version


async def test_a_log_message_that_could_be_anyones_goes_to_nobody(kit, tmp_path):
    notices = []

    async def on_notify(method, params):
        notices.append((method, params))

    async with open_upstreams({"s": kit.stdio_server("legacy")}, tmp_path) as upstreams:
        request = structs.replace(kit.call("log"), log_level="debug", on_notify=on_notify)
        await upstreams.get("s").request(request)
    assert notices == []


async def test_a_changed_list_is_announced(kit, tmp_path):
    heard = []
    servers = {"s": kit.stdio_server("legacy")}
    async with open_upstreams(servers, tmp_path, on_list_changed=lambda *what: heard.append(what)) as upstreams:
        await upstreams.get("s").request(kit.call("changed"))
    assert heard == [("s", "notifications/tools/list_changed")]
