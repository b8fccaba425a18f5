import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "compiler")]


@pytest.fixture
def repository(tmp_path):
    """One commit on `main`, with the mesh of tests/compiler/meshes.py."""
    from meshes import BASE
    from small_runner import Repository

    folder = tmp_path / "repository"
    folder.mkdir()
    made = Repository(folder)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("config", "uploadpack.allowAnySHA1InWant", "true")
    made.commit(BASE)
    return made
