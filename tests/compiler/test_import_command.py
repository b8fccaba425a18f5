"""`mesh import` and `mesh init`: what they print, where, and with which exit code."""

from __future__ import annotations

import json
import stat
import subprocess

import pytest

from meshplan.compiler.cli import run

CURSOR = (
    '{"mcpServers": {"notes": {"url": "https://notes.example/mcp"}, "run": {"command": "uvx", "args": ["x==1.0"]}}}'
)
MESH = "# ours\nmesh: v1\nname: acme\nservers:\n  notes: {http: https://other.example/mcp} # first\n"


@pytest.fixture
def mesh(tmp_path, capsys):
    (tmp_path / "mcp.json").write_text(CURSOR)

    def call(*words):
        code = run(["-C", str(tmp_path), *map(str, words)])
        return code, *capsys.readouterr()

    return call


def test_without_a_mesh_the_whole_file_is_printed(mesh, tmp_path):
    code, out, err = mesh("import", tmp_path / "mcp.json", "--from", "cursor")
    assert code == 0
    assert out.startswith("# yaml-language-server")
    assert "  notes:\n    http: https://notes.example/mcp\n" in out
    assert "`mesh init` or --write makes it" in err
    assert not (tmp_path / "mesh.yaml").exists()
    assert mesh("import", tmp_path / "mcp.json", "--from", "cursor", "--write")[0] == 0
    assert (tmp_path / "mesh.yaml").read_text() == out


def test_the_difference_is_one_that_patch_applies(mesh, tmp_path):
    (tmp_path / "mesh.yaml").write_text(MESH)
    code, out, err = mesh("import", tmp_path / "mcp.json", "--from", "cursor")
    assert code == 0
    assert "info: notes-2: `notes` became `notes-2`: another server has that name" in err
    assert (tmp_path / "mesh.yaml").read_text() == MESH
    assert mesh("import", tmp_path / "mcp.json", "--from", "cursor", "--out", tmp_path / "out.yaml")[0] == 0
    subprocess.run(["patch", "-p1", "--quiet"], input=out, text=True, cwd=tmp_path, check=True)
    assert (tmp_path / "mesh.yaml").read_text() == (tmp_path / "out.yaml").read_text() != MESH


def test_write_keeps_the_rest_the_mode_and_the_link(mesh, tmp_path):
    (tmp_path / "real.yaml").write_text(MESH)
    (tmp_path / "real.yaml").chmod(0o640)
    (tmp_path / "mesh.yaml").symlink_to("real.yaml")
    code, out, err = mesh("import", tmp_path / "mcp.json", "--from", "cursor", "--write")
    assert (code, out) == (0, "")
    assert "+  notes-2:" in err
    assert (tmp_path / "mesh.yaml").is_symlink()
    assert stat.S_IMODE((tmp_path / "real.yaml").stat().st_mode) == 0o640
    assert (tmp_path / "real.yaml").read_text().startswith(MESH)
    again = mesh("import", tmp_path / "mcp.json", "--from", "cursor", "--write")
    assert "nothing to add" in again[2]
    assert "`notes` was not added: `notes-2` is the same server with the same settings" in again[2]


def test_json_is_a_versioned_report(mesh, tmp_path):
    (tmp_path / "mesh.yaml").write_text(MESH)
    code, out, err = mesh("import", tmp_path / "mcp.json", "--from", "cursor", "--format", "json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["format"] == "mesh.dev/import/v1"
    assert [server["name"] for server in report["servers"]] == ["notes-2", "run"]
    assert {note["level"] for note in report["notes"]} <= {"info", "warning", "question"}
    assert report["diff"].startswith("--- a/mesh.yaml\n")
    assert report["written"] is None


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_file_that_cannot_be_read_has_a_place_and_exits_1(mesh, tmp_path, output):
    broken = tmp_path / "broken.json"
    broken.write_text('{\n  "mcpServers": {,\n')
    code, out, err = mesh("import", broken, "--from", "cursor", "--format", output)
    assert code == 1
    if output == "text":
        assert out == ""
        assert err.startswith(f"error: {broken}:2:18: ")
        assert "expected here" in err
    else:
        problem = json.loads(out)["problem"]
        assert (problem["file"], problem["line"], problem["column"]) == (str(broken), 2, 18)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("servers: {a: 012}\n", "mesh.yaml:1:14: `012` means different things to different YAML readers"),
        ("servers: [a]\n", "mesh.yaml:1:10: `servers` is not a mapping; add the servers by hand"),
        ("\tservers:\n", "mesh.yaml:1:1: "),
    ],
)
def test_a_mesh_that_cannot_be_added_to_says_where(mesh, tmp_path, text, said):
    (tmp_path / "mesh.yaml").write_text(text)
    code, out, err = mesh("import", tmp_path / "mcp.json", "--from", "cursor", "--write")
    assert (code, out) == (1, "")
    assert said in err
    assert (tmp_path / "mesh.yaml").read_text() == text


def test_an_unknown_file_asks_for_its_format(mesh, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    code, _, err = mesh("import", tmp_path / "x.json")
    assert code == 1
    assert "this is no configuration that is known here; name its format with `--from`: cursor," in err
    assert mesh("import", tmp_path / "x.json", "--from", "nothing")[0] == 64
    assert mesh("import")[0] == 64
    assert mesh("import", tmp_path / "mcp.json", "--write", "--out", "y")[0] == 64


def test_init_writes_once_and_points_to_import(mesh, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / ".cursor").mkdir()
    (tmp_path / "mcp.json").rename(tmp_path / ".cursor/mcp.json")
    (tmp_path / ".mcp.json").write_text("{ not closed")
    code, out, err = mesh("init")
    assert (code, out) == (0, "")
    assert "warning: left out: " in err
    assert "wrote mesh.yaml with 2 servers" in err
    assert "`mesh import FILE` adds to it" in mesh("init")[2]
    assert mesh("init", tmp_path / ".mcp.json", "--force")[0] == 1
