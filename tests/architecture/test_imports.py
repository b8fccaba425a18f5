"""What a process must not have loaded, asked of the process itself (import-linter sees only import statements)."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ASK = "import json, sys; {0}; print(json.dumps(sorted(sys.modules)))"


def loaded(statement):
    command = [sys.executable, "-I", "-c", ASK.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def roots(modules):
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("module", ["plan", "bundle", "store", "decide", "surface", "expr", "jsontext", "capability"])
def test_the_contract_loads_nothing_heavy_and_nothing_of_ours(module):
    modules = loaded(f"import meshplan.schemas.{module}")
    assert roots(modules).isdisjoint(
        {"yaml", "click", "jinja2", "jsonschema", "deepdiff", "mcp", "anyio", "httpx2", "starlette"}
    )
    assert not [m for m in modules if m.startswith(("meshplan.compiler", "meshplan.runtime"))]


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file", ["none.yaml", "plain.yaml", "mesh.yaml.example"])
def test_validate_loads_neither_the_runtime_nor_anything_of_the_network(file, tmp_path):
    """Without guards (`plain.yaml`) it does not make a plan either, so it loads nothing of its models."""
    text = (ROOT / "mesh.yaml.example").read_text()
    shutil.copytree(ROOT / "mesh.lock", tmp_path / "mesh.lock")
    (tmp_path / "mesh.yaml.example").write_text(text)
    (tmp_path / "plain.yaml").write_text(text[: text.index("policies:")] + text[text.index("runtime:") :])
    arguments = ["-C", str(tmp_path), "-f", file, "validate"]
    modules = loaded(f"from meshplan.compiler.cli import run; assert run({arguments!r}) == {file == 'none.yaml'}")
    assert ("meshplan.schemas.plan" in modules) == (file == "mesh.yaml.example")
    assert not [m for m in modules if m.startswith("meshplan.runtime")]
    assert roots(modules).isdisjoint(
        {"mcp", "jinja2", "deepdiff", "jsonschema", "anyio", "httpx2", "starlette", "uvicorn"}
    )
    other = ("meshplan.compiler.clients", *(() if file == "mesh.yaml.example" else ("meshplan.compiler.importers",)))
    assert not [m for m in modules if m.startswith(other)]


@pytest.mark.parametrize("command", ["usage", "tail --no-follow", "trace d1"])
def test_commands_that_read_a_named_ledger_compile_nothing(command, tmp_path):
    arguments = [*command.split(), "--ledger", str(tmp_path)]
    modules = loaded(f"from meshplan.compiler.cli import run; assert run({arguments!r}) == 7")
    assert "meshplan.schemas.ledger.book" in modules
    assert not [m for m in modules if m.startswith(("meshplan.compiler.pipeline", "meshplan.compiler.syntax"))]
    assert roots(modules).isdisjoint({"yaml", "pydantic", "mcp"})


def test_the_runtime_loads_no_compiler():
    modules = loaded("import meshplan.runtime.app")
    assert not [m for m in modules if m.startswith(("meshplan.compiler", "meshplan.policies"))]
    assert roots(modules).isdisjoint({"yaml", "jinja2", "jsonschema", "deepdiff"})
