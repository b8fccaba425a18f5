"""What `mesh up` watches: every source that was compiled, the locks, and the folders where a new include may appear."""

import pytest

from meshplan.compiler.project import Project
from meshplan.compiler.watching import Watcher

MESH = "mesh: v1\nname: w\ninclude: [parts/*.yaml]\n"


@pytest.fixture
def watcher(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/one.yaml").write_text("identity: {teams: {a: {}}}\n")
    (tmp_path / "mesh.yaml").write_text(MESH)
    found = Watcher(Project(tmp_path, "mesh.yaml"), listen=None, client="cursor")
    found._publish()
    return found


@pytest.mark.parametrize("name", ["mesh.yaml", "parts/one.yaml", "parts/two.yaml"])
def test_a_source_that_changes_or_appears_is_noticed(watcher, tmp_path, name):
    before = watcher._stamp()
    with (tmp_path / name).open("a") as file:
        file.write("# one more line\n")
    assert watcher._stamp() != before


def test_a_source_that_goes_is_noticed(watcher, tmp_path):
    before = watcher._stamp()
    (tmp_path / "parts/one.yaml").unlink()
    assert watcher._stamp() != before


def test_what_is_no_source_is_not_watched(watcher, tmp_path):
    (tmp_path / "data").mkdir()
    before = watcher._stamp()
    (tmp_path / "data" / "other").write_text("x")
    assert watcher._stamp() == before
