"""`mesh fmt`: which files, what is written, streams and exit codes."""

import os
import stat

import pytest

from meshplan.compiler.cli import run

TIDY = "a: 1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mesh.yaml").write_text("a:   1\ninclude: [parts/*.yaml]\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "one.yaml").write_text("b:   1\ninclude: [deep/two.yaml, ../mesh.yaml, 7]\n")
    (tmp_path / "parts" / "deep").mkdir()
    (tmp_path / "parts" / "deep" / "two.yaml").write_text("c:   1\n")
    (tmp_path / "access.mesh-test.yaml").write_text("d:   1\n")
    (tmp_path / "other.yaml").write_text("e:   1\n")
    for hidden in (".venv", "node_modules"):
        (tmp_path / hidden).mkdir()
        (tmp_path / hidden / "x.mesh-test.yaml").write_text("f:   1\n")
    return tmp_path


@pytest.fixture
def mesh(folder, capsys):
    def call(*words):
        code = run(["-C", str(folder), *words])
        return code, *capsys.readouterr()

    return call


OURS = ["mesh.yaml", "parts/one.yaml", "parts/deep/two.yaml", "access.mesh-test.yaml"]


def test_without_files_it_takes_the_mesh_its_includes_and_its_tests(mesh, folder):
    assert mesh("fmt", "--check")[:2] == (1, "".join(f"{name}\n" for name in OURS))
    assert mesh("fmt") == (0, "", "4 laid out\n")
    assert (folder / "parts" / "deep" / "two.yaml").read_text() == "c: 1\n"
    assert (folder / "other.yaml").read_text() == "e:   1\n"
    assert mesh("fmt", "--check") == (0, "", "4 left as they are\n")


def test_named_files_only(mesh, folder):
    assert mesh("fmt", "other.yaml", str(folder / "other.yaml"), "parts/one.yaml")[0] == 0
    assert (folder / "other.yaml").read_text() == "e: 1\n"
    assert (folder / "mesh.yaml").read_text().startswith("a:   1")


def test_the_diff_is_printed_and_nothing_is_written(mesh, folder):
    code, out, err = mesh("fmt", "--diff", "other.yaml")
    assert (code, out) == (0, "--- a/other.yaml\n+++ b/other.yaml\n@@ -1 +1 @@\n-e:   1\n+e: 1\n")
    assert err == "1 would change\n"
    assert (folder / "other.yaml").read_text() == "e:   1\n"
    assert mesh("fmt", "--diff", "--check", "other.yaml")[0] == 1


def test_a_file_with_errors_is_shown_and_left_alone_and_the_others_are_written(mesh, folder):
    (folder / "mesh.yaml").write_text("a:   no\n")
    code, out, err = mesh("fmt", "mesh.yaml", "other.yaml")
    assert (code, out) == (1, "")
    assert "error[MESH031]" in err
    assert "mesh.yaml:1:6" in err
    assert err.endswith("1 laid out, 1 refused\n")
    assert (folder / "mesh.yaml").read_text() == "a:   no\n"
    assert (folder / "other.yaml").read_text() == "e: 1\n"


def test_bytes_that_are_not_utf_8_are_left_alone(mesh, folder):
    (folder / "other.yaml").write_bytes(b"e:   \xff\n")
    code, _, err = mesh("fmt", "other.yaml")
    assert code == 1
    assert "`other.yaml` is not UTF-8 text" in err
    assert (folder / "other.yaml").read_bytes() == b"e:   \xff\n"


def test_mode_and_links_are_kept_and_an_unchanged_file_is_not_touched(mesh, folder):
    (folder / "other.yaml").chmod(0o600)
    (folder / "link.yaml").symlink_to("other.yaml")
    (folder / "tidy.yaml").write_text(TIDY)
    os.utime(folder / "tidy.yaml", (1, 1))
    assert mesh("fmt", "link.yaml", "tidy.yaml")[0] == 0
    assert (folder / "link.yaml").is_symlink()
    assert (folder / "other.yaml").read_text() == "e: 1\n"
    assert stat.S_IMODE((folder / "other.yaml").stat().st_mode) == 0o600
    assert (folder / "tidy.yaml").stat().st_mtime == 1


def test_crlf_and_a_byte_order_mark_are_differences(mesh, folder):
    (folder / "other.yaml").write_bytes("\ufeffa: 1\r\n".encode())
    assert mesh("fmt", "--check", "other.yaml")[:2] == (1, "other.yaml\n")
    mesh("fmt", "other.yaml")
    assert (folder / "other.yaml").read_bytes() == b"a: 1\n"


@pytest.mark.parametrize("words", [["nothing.yaml"], ["parts"]])
def test_what_cannot_be_read_is_a_usage_error(mesh, words):
    code, out, err = mesh("fmt", *words)
    assert (code, out) == (64, "")
    assert f"`{words[0]}` cannot be read" in err


def test_a_folder_without_files_is_a_usage_error(tmp_path, capsys):
    assert run(["-C", str(tmp_path), "fmt"]) == 64
    assert "name the files" in capsys.readouterr().err
