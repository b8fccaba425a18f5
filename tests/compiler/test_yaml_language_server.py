"""The draft-7 profile in the editors' own server, yaml-language-server, by the first line that `mesh init` writes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lsp_editor import Editor

from meshplan.compiler.starter import starter_text, write_schema

LOCAL = Path(__file__).parents[2] / "build/node/node_modules/.bin/yaml-language-server"
PROGRAM = str(LOCAL) if LOCAL.exists() else shutil.which("yaml-language-server")


@pytest.fixture
def editor(tmp_path):
    if PROGRAM is None or shutil.which("node") is None:
        pytest.skip("LOUD SKIP: yaml-language-server is not installed; CI has it")
    write_schema(tmp_path)
    pipe = subprocess.PIPE
    process = subprocess.Popen([PROGRAM, "--stdio"], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    client = Editor(tmp_path, process)
    try:
        client.start()
        yield client
    finally:
        process.kill()
        process.wait()
        client.listener.join()
        process.stdin.close()
        process.stdout.close()


def test_the_start_has_no_finding_and_a_slip_has_one(editor):
    editor.open("mesh.yaml", starter_text("demo"))
    assert editor.told("mesh.yaml") == []
    editor.open("slip.yaml", starter_text("demo").replace("    strategy:", "    stratgey:"))
    (found,) = editor.told("slip.yaml")
    assert "stratgey" in found["message"]


def test_the_keys_of_a_server_are_completed(editor):
    text = starter_text("demo").replace("    effects: {", "    \n    effects: {")
    editor.open("mesh.yaml", text)
    line = text.split("\n").index("    ")
    answer = editor.at("textDocument/completion", "mesh.yaml", line, 4)
    labels = {item["label"] for item in (answer["items"] if isinstance(answer, dict) else answer)}
    assert {"timeout", "env", "sessions"} <= labels
