"""Whatever the environment and the input files hold as secrets appears in nothing that a command prints or writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from imported import CONFIGS, compiled, rendered, synthetic_locks

from meshplan.compiler.clients import CLIENTS

TOKEN = "ghp_CANARY0123456789abcdefghijklmnop"
THEIRS = {
    "json": f'// {TOKEN}\n{{"mcpServers": {{"theirs": {{"command": "CANARY", "args": ["CANARY"], "env": {{"A": "CANARY"}}}}}}}}\n',
    "toml": f'# {TOKEN}\nmodel = "CANARY"\n[mcp_servers.theirs]\ncommand = \'CANARY\'\nenv = {{ A = """CANARY""" }}\n',
}


def _environment(text):
    """Every variable that anything could ask for holds a canary; the few that a process needs stay."""
    names = set(os.environ) | set(re.findall(r"\b[A-Z][A-Z0-9_]{2,}\b", text)) | {"MESH_TOKEN", "MESH_KEY"}
    kept = {"PATH", "HOME", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR"}
    python = {name for name in names if name.startswith(("PYTHON", "LD_", "COV", "MESH_TRACEBACK"))}
    return {name: f"CANARY{name}" for name in names - kept - python} | {
        name: os.environ[name] for name in kept & set(os.environ)
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One folder with every configuration, and a way to run `mesh` in it as a process of its own."""
    folder = tmp_path_factory.mktemp("canaries") / "mesh"
    folder.mkdir()
    (folder / "secret.txt").write_text("CANARY")
    (folder / ".mesh").mkdir()
    (folder / ".mesh/local-secret").write_text("CANARYlocal")
    inputs = tmp_path_factory.mktemp("inputs")
    texts = []
    for number, path in enumerate(CONFIGS):
        if "openapi:" in rendered(path) and _unsupported(path):
            continue
        copy = inputs / str(number) / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)
        texts.append((path.parent.name, copy, path.read_text(encoding="utf-8")))
    environment = _environment("\n".join(text for _, _, text in texts)) | {"HOME": str(folder.parent)}

    def call(*words, code=0):
        command = [sys.executable, "-m", "meshplan.compiler", *map(str, words)]
        done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, timeout=60)
        said = (done.stdout + done.stderr).decode()
        assert done.returncode == code, said
        assert "canary" not in said.lower()
        return done.stdout.decode()

    return folder, call, [(form, copy) for form, copy, _ in texts]


def _unsupported(path):
    return any(d.code.startswith(("MESH0", "MESH1")) for d in compiled(rendered(path)).diagnostics)


def _written(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.name not in ("secret.txt", "local-secret")]


def test_no_command_repeats_what_is_secret(world):
    folder, call, inputs = world
    half = [copy for _, copy in inputs][::2]
    rest = [copy for _, copy in inputs][1::2]
    call("init", *half)
    call("import", *rest)
    assert json.loads(call("import", *rest, "--format", "json"))["servers"]
    call("import", *rest, "--write")
    call("import", inputs[0][1], "--from", inputs[0][0], "--out", "out.yaml")
    call("validate", code=1)
    call("validate", "--format", "json", code=1)
    found = compiled((folder / "mesh.yaml").read_text())
    for name, text in synthetic_locks(found).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    for words in (
        ["validate"],
        ["plan"],
        ["plan", "--format", "json"],
        ["plan", "--out", "p"],
        ["schema"],
        ["explain"],
    ):
        call(*words)
    for client, known in CLIENTS.items():
        file = folder.parent / f"theirs-{client}"
        file.write_text(THEIRS[known.language].replace("mcpServers", known.section))
        words = ["client", client, "main", *([] if client == "claude-desktop" else ["--key-env", "MESH_KEY"])]
        call(*words)
        call(*words, "--file", file)
        call(*words, "--file", file, "--write")
        call(*words, "--write")
        call("client", client, "main", "--stdio", "--file", file, "--write")
    written = _written(folder)
    assert {"mesh.yaml", "p", "config.toml"} <= {path.name for path in written}
    assert [path for path in written if b"canary" in path.read_bytes().lower()] == []


def test_a_mesh_with_a_secret_in_it_is_refused_without_repeating_it(world):
    folder, call, inputs = world
    other = folder / "other.yaml"
    other.write_text(
        f"# {TOKEN}\nmesh: v1\nname: x\nservers:\n  a:\n    http: https://a.example/mcp\n    auth: {{bearer: CANARY}}\n"
        f"    # password: CANARY\n"
    )
    call("-f", "other.yaml", "validate", code=1)
    call("-f", "other.yaml", "validate", "--format", "json", code=1)
    call("-f", "other.yaml", "plan", code=1)
    call("-f", "other.yaml", "import", inputs[0][1], "--from", inputs[0][0])
    other.unlink()
