"""`mesh drift` and `mesh lock --check` against the example's servers: as locked, changed, and not there."""

import json
import os
import pty
import subprocess
import sys
from contextlib import ExitStack

import pytest
import worlds


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    ports = {8700: worlds.free_port(), 8701: worlds.free_port(), 8702: worlds.free_port()}
    worlds.example_folder(folder, ports)
    with ExitStack() as stack:
        stack.enter_context(worlds.example_server("tickets", ports[8701], folder / "data"))
        stack.enter_context(worlds.example_server("catalog", ports[8702], folder / "data"))
        yield folder


@pytest.fixture
def lock_file(example):
    """A lock file that a test may change: given back as it was."""
    path = example / "mesh.lock/catalog.json"
    before = path.read_text()
    yield path
    path.write_text(before)


def test_the_example_has_not_drifted(example):
    done = worlds.mesh(example, "drift", "--exit-code")
    assert done.stdout.splitlines() == ["      same  catalog", "      same  notes", "      same  tickets"]
    assert worlds.mesh(example, "lock", "--check").returncode == 0


def test_a_tool_that_is_not_in_the_lock_is_new(example, lock_file):
    recorded = json.loads(lock_file.read_text())
    recorded["tools"].pop("set_price")
    lock_file.write_text(json.dumps(recorded))
    text = lock_file.read_text()
    done = worlds.mesh(example, "drift", "catalog", "--exit-code", "--format", "json", check=False)
    assert done.returncode == 2, done.stderr
    (server,) = json.loads(done.stdout)["servers"]
    assert (server["server"], server["state"]) == ("catalog", "drifted")
    (change,) = server["changes"]
    assert (change["capability"], change["classes"]) == ("catalog/tool/set_price", ["new"])
    assert change["details"] == [{"path": "effect", "before": None, "after": "destructive"}]
    checked = worlds.mesh(example, "lock", "--check", "--update", "catalog", check=False)
    assert checked.returncode == 2
    assert "tool set_price: new" in checked.stderr
    assert lock_file.read_text() == text


def test_a_server_that_is_not_there_is_exit_7(example, tmp_path):
    text = (example / "mesh.yaml").read_text()
    port = worlds.free_port()
    other = tmp_path / "mesh.yaml"
    here = next(line for line in text.splitlines() if "/mcp" in line and "http" in line)
    other.write_text(text.replace(here, here.split("http://")[0] + f"http://127.0.0.1:{port}/mcp"))
    (tmp_path / "examples").symlink_to(example / "examples")
    (tmp_path / "mesh.lock").symlink_to(example / "mesh.lock")
    for words in (["drift"], ["drift", "tickets", "--exit-code"], ["lock", "--check"]):
        done = worlds.mesh(tmp_path, *words, check=False)
        assert done.returncode == 7, done.stdout + done.stderr
    assert "   unknown  tickets: unreachable" in worlds.mesh(tmp_path, "drift", check=False).stdout


def test_progress_is_on_a_terminal_only(example):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "meshplan.compiler", "drift"]
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        done = subprocess.run(
            command, check=False, cwd=example, env=worlds.ENVIRONMENT, stdout=subprocess.PIPE, stderr=theirs, timeout=90
        )
        os.close(theirs)
        shown = terminal.read(65536).decode()
    assert done.returncode == 0
    assert "asking 0/3: notes, tickets, catalog" in shown
    assert "asking 2/3: " in shown
    assert shown.endswith("\r\x1b[K")
    assert b"\x1b" not in done.stdout
    assert worlds.mesh(example, "drift").stderr == ""
