"""The command line: streams, exit codes, and no traceback."""

import json

import pytest
from meshes import BASE, lock_texts, with_sections

from meshplan.compiler.cli import COMMANDS, run


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mesh.lock").mkdir()
    (tmp_path / "mesh.yaml").write_text(BASE)
    for name, text in lock_texts(BASE).items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def mesh(folder, capsys):
    def call(*words):
        code = run(["-C", str(folder), *words])
        return code, *capsys.readouterr()

    return call


def test_a_good_mesh_is_ok_and_says_nothing_on_stdout(mesh):
    assert mesh("validate")[:2] == (0, "")


def test_errors_exit_1_and_are_printed(mesh, folder):
    (folder / "mesh.yaml").write_text(BASE.replace("servers:", "serverz:"))
    code, out, _ = mesh("validate")
    assert code == 1
    assert "error[MESH101]: unknown key `serverz`" in out
    assert "mesh.yaml:3:1" in out
    assert "did you mean `servers`?" in out


def test_json_is_json_whatever_happens(mesh, folder):
    for text in (BASE, BASE.replace("acme", "ACME"), "\t"):
        (folder / "mesh.yaml").write_text(text)
        _, out, _ = mesh("validate", "--format", "json")
        assert json.loads(out)["format"] == "mesh.dev/diagnostics/v1"


def test_advice_fails_never(mesh, folder):
    text = with_sections(
        "servers: {worker: {http: 'http://127.0.0.1:8802/mcp'}}\n"
        "virtual: {desk: {include: [{server: worker, tools: all}]}}\n"
        "roles: {reader: {allow: [{server: worker, tools: all}]}}\n"
    )
    for name, content in {"mesh.yaml": text, **lock_texts(text)}.items():
        (folder / name).write_text(content)
    code, said, _ = mesh("validate", "--strict")
    assert (code, "advice[MESH905]" in said) == (0, True)


def test_warnings_fail_only_when_strict(mesh, folder):
    (folder / "mesh.yaml").write_text(BASE + "  - {role: reader, to: [{team: writers}], expires: 2020-01-01}\n")
    assert mesh("validate")[0] == 0
    assert mesh("validate", "--strict")[0] == 1
    assert mesh("validate", "--strict", "--now", "2019-12-31")[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["validate", "--nonsense"],
        ["validate", "--now", "soon"],
        ["apply", "--channel", "../x"],
        ["serve"],
    ],
)
def test_usage_errors_exit_64(mesh, words):
    code, out, err = mesh(*words)
    assert (code, out) == (64, "")
    assert "Error" in err


def test_plan_writes_a_file_that_apply_publishes(mesh, folder):
    assert mesh("plan", "--out", str(folder / "p.mesh"))[0] == 0
    code, out, _ = mesh("apply", str(folder / "p.mesh"))
    assert code == 0
    assert out.startswith("published: main #1 sha256:")
    assert mesh("apply")[1].startswith("already current: main #1")
    assert mesh("apply", "--expect-seq", "7")[0] == 5


def test_an_edited_plan_file_is_refused(mesh, folder):
    mesh("plan", "--out", str(folder / "p.mesh"))
    text = (folder / "p.mesh").read_text()
    (folder / "p.mesh").write_text(text.replace("get_note", "get_nope", 1))
    code, _, err = mesh("apply", str(folder / "p.mesh"))
    assert code == 6
    assert "refused (" in err
    assert not (folder / ".mesh").exists()


def test_an_unexpected_failure_is_said_without_a_traceback(mesh, monkeypatch):
    def broken(*_args, **_kwargs):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("meshplan.compiler.variants.compile_mesh", broken)
    code, _, err = mesh("validate")
    assert code == 70
    assert "internal error: ZeroDivisionError" in err
    assert "Traceback" not in err


def test_a_file_that_may_not_be_read_is_named(mesh, monkeypatch):
    def locked(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.read_bytes", locked)
    code, _, err = mesh("validate")
    assert code == 7
    assert err.endswith("mesh.yaml` cannot be used: permission denied\n")
    assert "bug" not in err


def test_every_command_has_help(mesh):
    for name in COMMANDS:
        code, out, _ = mesh(name, "--help")
        assert code == 0
        assert out.startswith(f"Usage: mesh {name}")


@pytest.mark.parametrize(("said", "meant"), [("valdate", "validate"), ("aply", "apply")])
def test_a_slip_in_the_command_is_understood(mesh, said, meant):
    assert f"did you mean `{meant}`?" in mesh(said)[2]


def test_explain_knows_codes_and_names(mesh):
    assert "a key is given twice" in mesh("explain", "mesh023")[1]
    assert mesh("explain", "duplicate-key")[1] == mesh("explain", "MESH023")[1]
    assert mesh("explain", "MESH024x")[0] == 64
