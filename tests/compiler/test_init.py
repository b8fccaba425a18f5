"""The first run: what `mesh init` leaves in a folder compiles, is laid out, and is never written over anything."""

from __future__ import annotations

import json

import meshes
import pytest

from meshplan.compiler.cli import run
from meshplan.compiler.importers.write import SCHEMA
from meshplan.compiler.schema import schema_text
from meshplan.compiler.starter import starter_text

REFERENCE = {"tool": [meshes.tool("echo", {"message": meshes.TEXT}), meshes.tool("get-sum"), meshes.tool("zip")]}


@pytest.fixture
def mesh(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()

    def call(*words, folder="work"):
        code = run(["-C", str(tmp_path / folder), *map(str, words)])
        return code, *capsys.readouterr()

    return call


def test_an_empty_folder_gets_a_start_that_wants_only_its_lock(mesh, tmp_path):
    code, out, err = mesh("init")
    assert (code, out) == (0, "")
    assert "next: `mesh lock`, then `mesh up`" in err
    text = (tmp_path / "work/mesh.yaml").read_text()
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA}\n")
    assert (tmp_path / "work" / SCHEMA).read_text() == schema_text("mesh", "7")
    code, out, _ = mesh("validate", "--format", "json")
    assert [found["code"] for found in json.loads(out)["diagnostics"]] == ["MESH901"]
    assert mesh("fmt", "--check")[0] == 0


def test_the_start_compiles_with_its_lock_and_offers_what_only_reads(monkeypatch):
    monkeypatch.setitem(meshes.DEFINITIONS, "reference", REFERENCE)
    compiled = meshes.compile_text(starter_text("demo"))
    assert compiled.diagnostics == ()
    assert compiled.bundle is not None
    assert sorted(offer.name for offer in compiled.bundle.plan.endpoints["main"].offers) == ["echo", "get-sum"]


@pytest.mark.parametrize("folder", ["no", "012", "My Mesh!", "é", "1e3"])
def test_any_name_of_a_folder_gives_a_mesh(mesh, tmp_path, folder):
    (tmp_path / folder).mkdir()
    assert mesh("init", folder=folder)[0] == 0
    out = mesh("validate", "--format", "json", folder=folder)[1]
    assert [found["code"] for found in json.loads(out)["diagnostics"]] == ["MESH901"]


def test_nothing_is_written_over(mesh, tmp_path):
    (tmp_path / "work/schemas").mkdir()
    (tmp_path / "work" / SCHEMA).write_text("{}")
    assert mesh("init")[0] == 0
    assert (tmp_path / "work" / SCHEMA).read_text() == "{}"
    (tmp_path / "work/mesh.yaml").write_text("")
    code, _, err = mesh("init")
    assert code == 1
    assert "is there already" in err
    assert (tmp_path / "work/mesh.yaml").read_text() == ""
    assert "delete it and run `mesh init`" in mesh("validate")[2] + mesh("validate")[1]


def test_a_configuration_without_servers_is_said_and_a_start_is_written(mesh, tmp_path):
    (tmp_path / "work/.mcp.json").write_text('{"mcpServers": {}}')
    code, _, err = mesh("init")
    assert code == 0
    assert "read " in err
    assert "no configuration of a client with servers was found" in err
    assert (tmp_path / "work/mesh.yaml").exists()


def test_a_folder_of_that_name_is_called_a_folder(mesh, tmp_path):
    (tmp_path / "work/mesh.yaml").mkdir()
    for words in (("init",), ("init", "--force"), ("up",), ("validate",)):
        code, out, err = mesh(*words)
        assert code == 1
        assert "`mesh.yaml` is a folder, not a file" in out + err


@pytest.mark.parametrize("file", ["../mesh.yaml", "/nowhere/mesh.yaml"])
def test_a_path_outside_of_the_folder_says_how_to_name_it(mesh, file):
    code, out, err = mesh("-f", file, "validate")
    assert code == 1
    assert "is not a path inside of the mesh's folder" in out + err
    assert "`--directory`" in out + err
