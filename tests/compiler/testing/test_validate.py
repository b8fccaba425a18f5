"""`mesh validate` says what is wrong in the access tests beside a mesh, and runs none of them."""

import pytest
from meshes import BASE, lock_texts

from meshplan.compiler.cli import run

TESTS = "mesh-test: v1\ntests:\n  - {name: reads, endpoint: desk, as: 'team:writers', call: get_note, expect: deny}\n"


@pytest.fixture
def validate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def go(mesh=BASE, tests=TESTS, *more):
        for name, text in {"mesh.yaml": mesh, "access/desk.mesh-test.yaml": tests, **lock_texts(BASE)}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        code = run(["validate", "--format", "concise", *more])
        return code, capsys.readouterr().out

    return go


def test_tests_without_a_mistake_are_fine_whether_they_pass_or_not(validate):
    assert validate() == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "get_note",
            "get_nite",
            "access/desk.mesh-test.yaml:3:61: error[MESH702] `desk` offers nothing called `get_nite`",
        ),
        ("team:writers", "team:writer", "there is no team `writer`"),
        ("endpoint: desk", "endpoint: desc", "`desc`"),
        ("expect", "expects", "`expects`"),
        ("mesh-test: v1\n", "mesh-test: v1\nenvironments: [prod]\n", "there is no environment `prod`"),
        ("tests:", "tests: [", "access/desk.mesh-test.yaml:"),
    ],
)
def test_a_mistake_in_a_test_is_told_at_its_place(validate, old, new, said):
    code, out = validate(BASE, TESTS.replace(old, new))
    assert (code, said in out) == (1, True), out


def test_a_mesh_with_errors_is_told_alone(validate):
    code, out = validate(BASE.replace("server: notes", "server: nots", 1), TESTS.replace("get_note", "get_nite"))
    assert (code, "mesh-test" in out) == (1, False)
