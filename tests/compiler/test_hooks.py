"""`.pre-commit-hooks.yaml`: each hook is run as pre-commit runs it, on a repository that is broken and then mended."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from meshes import BASE, lock_texts

ROOT = Path(__file__).parents[2]
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
FILES = [
    "mesh.yaml",
    "parts/servers.yml",
    "a/b.mesh-test.yaml",
    "mesh.lock/notes.json",
    "sub/mesh.lock/prod/notes.json",
]
OTHERS = ["README.md", "package.json", "mesh.yaml.example", "mesh.lock/notes.txt", "xmesh.lock/a.json", "yaml"]


@pytest.fixture
def repository(tmp_path):
    """A git repository with a mesh in it, and what runs a hook over what is staged, with more arguments."""
    for name, text in {"mesh.yaml": BASE, **lock_texts(BASE)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    def hook(name, *arguments):
        subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
        staged = subprocess.run(
            ["git", "diff", "--cached", "--name-only"], cwd=tmp_path, check=True, capture_output=True
        )
        chosen = [path for path in staged.stdout.decode().split("\n") if re.search(HOOKS[name]["files"], path)]
        if not chosen:
            return None
        entry = shlex.split(HOOKS[name]["entry"])
        assert entry[0] == "mesh"
        names = chosen if HOOKS[name].get("pass_filenames", True) else []
        command = [sys.executable, "-m", "meshplan.compiler", *entry[1:], *arguments, *names]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)

    return tmp_path, hook


def test_the_file_has_what_pre_commit_asks_for():
    assert set(HOOKS) == {"mesh-validate", "mesh-fmt"}
    for hook in HOOKS.values():
        assert {"id", "name", "entry", "language"} <= set(hook)
        assert hook["language"] == "python"
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^mesh = "meshplan\.compiler\.cli:main"$', project, re.MULTILINE)


def test_the_hooks_run_for_the_files_of_a_mesh_only():
    validate, fmt = (re.compile(HOOKS[name]["files"]) for name in ("mesh-validate", "mesh-fmt"))
    assert [name for name in (*FILES, *OTHERS) if validate.search(name)] == FILES
    assert [name for name in (*FILES, *OTHERS) if fmt.search(name)] == FILES[:3]


def test_validate_fails_on_a_slip_and_takes_arguments(repository):
    folder, hook = repository
    right = hook("mesh-validate", "--strict")
    assert right.returncode == 0, right.stdout + right.stderr
    (folder / "mesh.yaml").write_text(BASE.replace("server: notes", "server: noets", 1))
    wrong = hook("mesh-validate")
    assert wrong.returncode == 1
    assert "did you mean `notes`?" in wrong.stdout


def test_fmt_writes_the_layout_and_then_has_nothing_to_do(repository):
    folder, hook = repository
    (folder / "mesh.yaml").write_text(BASE.replace("servers:\n  notes: {", "servers:\n    notes:   { "))
    assert hook("mesh-fmt", "--check").returncode == 1
    assert hook("mesh-fmt").returncode == 0
    assert hook("mesh-fmt", "--check").returncode == 0
    assert (folder / "mesh.yaml").read_text() == BASE


def test_a_commit_without_a_file_of_a_mesh_runs_nothing(tmp_path, repository):
    folder, hook = repository
    for path in ("mesh.yaml", *lock_texts(BASE)):
        (folder / path).unlink()
    (folder / "README.md").write_text("words\n")
    assert hook("mesh-validate") is None
    assert hook("mesh-fmt") is None
