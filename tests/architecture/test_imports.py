"""What a process must not have loaded, asked of the process itself (import-linter sees only import statements)."""

import json
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


@pytest.mark.parametrize("file", ["none.yaml", "mesh.yaml.example"])
def test_validate_loads_neither_the_runtime_nor_anything_of_the_network(file):
    arguments = ["-C", str(ROOT), "-f", file, "validate"]
    modules = loaded(f"from meshplan.compiler.cli import run; assert run({arguments!r}) == {file == 'none.yaml'}")
    assert "meshplan.schemas.plan" not in modules
    assert not [m for m in modules if m.startswith("meshplan.runtime")]
    assert roots(modules).isdisjoint(
        {"mcp", "jinja2", "deepdiff", "jsonschema", "anyio", "httpx2", "starlette", "uvicorn"}
    )
    assert not [m for m in modules if m.startswith(("meshplan.compiler.importers", "meshplan.compiler.clients"))]


def test_the_runtime_loads_no_compiler():
    modules = loaded("import meshplan.runtime.app")
    assert not [m for m in modules if m.startswith(("meshplan.compiler", "meshplan.policies"))]
    assert roots(modules).isdisjoint({"yaml", "jinja2", "jsonschema", "deepdiff"})
