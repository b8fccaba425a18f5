"""`mesh test`, as an author meets it: in a folder, with its exit codes, its reports and its advice."""

import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from meshes import lock_texts

from meshplan.compiler.cli import run

ROOT = Path(__file__).parents[3]
MESH = """\
mesh: v1
name: acme
servers:
  notes: {stdio: [python, notes.py]}
  tickets: {stdio: [python, tickets.py]}
virtual:
  desk:
    include:
      - {server: notes, tools: all, prompts: all, resources: live, templates: all}
      - {server: tickets, tools: all, prefix: t_}
  reading: {include: [{server: notes, tools: {effect: read}}]}
identity:
  teams: {eng: {}, ext: {}}
  agents: {ci: {}}
  users: {named: [ana]}
  keys: {nightly: {sha256: "0000000000000000000000000000000000000000000000000000000000000000", teams: [eng], agent: ci}}
roles:
  reader:
    allow: [{id: read, server: notes, effect: read}]
  writer:
    extends: [reader]
    allow:
      - {id: write, endpoint: desk, server: notes, tools: {effect: write}}
      - {id: file, server: tickets, tools: [create_ticket], when: "args.owner == 'acme' && size(args.title) < 20"}
    deny:
      - {id: no-bulk, server: notes, tools: [list_notes], when: "args.limit > 100"}
  outside:
    deny: [{id: no-search, server: notes, tools: [search]}]
grants:
  - {role: writer, to: [{team: eng}, {user: ana, agent: ci}]}
  - {role: outside, to: [{team: ext}]}
  - {role: reader, to: [{team: ext}], expires: 2027-01-01}
environments:
  prod: {patch: [{remove: "virtual.reading"}]}
"""
WEAK = """\
mesh-test: v1
now: 2026-11-22
tests:
  - name: engineers write
    endpoint: desk
    as: team:eng
    call: create_note
    expect: allow
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mesh.yaml").write_text(MESH)
    (tmp_path / "mesh.lock").mkdir()
    for name, text in lock_texts(MESH).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "access.mesh-test.yaml").write_text(WEAK)
    return tmp_path


def mesh(folder, capsys, *words):
    code = run(["-C", str(folder), *words])
    return code, *capsys.readouterr()


@pytest.fixture
def example(tmp_path):
    for name in ("mesh.yaml.example", "mesh.mesh-test.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "mesh.lock", tmp_path / "mesh.lock")
    return tmp_path


def test_the_example_has_all_rules_covered_and_every_mutant_killed(example, capsys):
    code, out, err = mesh(
        example, capsys, "-f", "mesh.yaml.example", "test", "--mutate", "--min-coverage", "100", "--format", "json"
    )
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert report["coverage"]["percent"] == 100
    assert report["coverage"]["idle"] == report["mutation"]["survivors"] == []
    assert report["mutation"]["killed"] >= 20


RULES = [line for line in (ROOT / "mesh.yaml.example").read_text().splitlines() if re.match(r" +- \{(id|role): ", line)]


@pytest.mark.parametrize("line", RULES, ids=lambda line: line.split()[2].strip(","))
def test_removing_a_rule_or_a_grant_of_the_example_by_hand_fails(example, capsys, line):
    path = example / "mesh.yaml.example"
    path.write_text(path.read_text().replace(line + "\n", "").replace("    deny:\n\n", "\n"))
    code, out, err = mesh(example, capsys, "-f", "mesh.yaml.example", "test")
    if "MESH705" in err:  # the test names the rule that is gone
        assert (code, out) == (4, "")
        assert re.search(r"error\[MESH705\]: there is no rule `desk-worker#", err)
        path = example / "mesh.mesh-test.yaml"
        path.write_text(re.sub(r"\{(allow|deny): [a-z-]+#[a-z-]+\}", r"\1", path.read_text()))
        code, out, err = mesh(example, capsys, "-f", "mesh.yaml.example", "test")
    if "no-destruction" in line:
        assert code == 0, "nobody is allowed what this deny takes, so only the reason tells"
    else:
        assert code == 4
        assert "FAIL" in out
        assert "checks failed" in err


def test_there_is_something_to_remove():
    assert len(RULES) == 6


def test_what_survives_is_named_with_the_test_that_kills_it(folder, capsys, snapshot):
    code, out, err = mesh(folder, capsys, "test", "--mutate", "--min-coverage", "100")
    assert code == 4
    assert out == snapshot
    assert err == (
        "coverage is 25.0 %, and 100 % are wanted\na mutant survived: a rule or grant can change and no test notices\n"
    )


def test_the_tests_that_are_proposed_kill_what_survived(folder, capsys):
    """Taken over as they are, again and again, they end with every mutant dead."""
    path = folder / "access.mesh-test.yaml"
    for round in range(6):
        code, out, _ = mesh(folder, capsys, "test", "--mutate", "--format", "json")
        survivors = json.loads(out)["mutation"]["survivors"]
        if not survivors:
            break
        assert code == 4
        tests = {json.dumps(s["test"], sort_keys=True): s["test"] for s in survivors}
        assert all(test["certain"] for test in tests.values())
        for number, test in enumerate(tests.values()):
            kept = {key: value for key, value in test.items() if key not in ("certain", "now") and value is not None}
            line = f"  - {json.dumps({'name': f'{round}.{number}', **kept})}\n"
            later = folder / f"{test['now']}.mesh-test.yaml"
            if test["now"] is None:
                path.write_text(path.read_text() + line)
            elif later.exists():
                later.write_text(later.read_text() + line)
            else:
                later.write_text(f"mesh-test: v1\nnow: {test['now']}\ntests:\n{line}")
    assert (survivors, code) == ([], 0)
    assert round >= 1


def test_a_check_that_fails_says_what_it_got(folder, capsys, snapshot):
    (folder / "access.mesh-test.yaml").write_text("""\
mesh-test: v1
now: 2026-11-22
tests:
  - {name: a, endpoint: desk, as: team:ext, call: [search, get_note, create_note], expect: allow}
  - {name: b, endpoint: desk, as: team:eng, call: create_note, expect: deny}
  - {name: c, endpoint: desk, as: team:eng, call: create_note, expect: {allow: reader#read}}
  - {name: d, endpoint: reading, as: [team:eng, team:ext], tools: [get_note, search]}
  - {name: e, endpoint: desk, as: nightly, call: t_create_ticket, arguments: {titel: x}, expect: allow}
  - {name: f, endpoint: reading, as: "", call: notes.delete_note, expect: no_allow}
  - {name: g, endpoint: desk, as: "", read: {server: notes, uri: "note://7"}, expect: allow}
""")
    code, out, err = mesh(folder, capsys, "test")
    assert code == 4
    assert out == snapshot
    assert err == "9 of 10 checks failed\n"


def test_junit_has_a_case_for_each_check(folder, capsys):
    (folder / "access.mesh-test.yaml").write_text(
        WEAK + '  - {name: "<b> & \\u202E", endpoint: desk, as: "", call: create_note, expect: allow}\n'
    )
    code, out, _ = mesh(folder, capsys, "test", "--junit", str(folder / "out.xml"))
    assert code == 4
    assert "FAIL" in out
    root = ET.fromstring((folder / "out.xml").read_text())
    assert (root.attrib["tests"], root.attrib["failures"]) == ("2", "1")
    cases = root.findall("testsuite/testcase")
    assert [len(case) for case in cases] == [0, 1]
    assert cases[1][0].attrib["message"] == "expected allow, got deny: no_allow"
    assert cases[1].attrib["name"].startswith("<b> & \\u202e")
    assert cases[1].attrib["line"] == "9"
    code, out, _ = mesh(folder, capsys, "test", "--format", "junit")
    assert (code, out) == (4, (folder / "out.xml").read_text())


def test_files_run_in_the_environments_that_they_name(folder, capsys):
    reading = "tests: [{name: read, endpoint: reading, as: team:eng, call: get_note, expect: allow}]\n"
    (folder / "reading.mesh-test.yaml").write_text(f"mesh-test: v1\n{reading}")
    (folder / "deep").mkdir()
    (folder / "deep/both.mesh-test.yaml").write_text(WEAK.replace("tests:", "environments: [prod]\ntests:"))
    (folder / ".hidden").mkdir()
    (folder / ".hidden/not.mesh-test.yaml").write_text("nonsense")
    code, out, err = mesh(folder, capsys, "test")
    assert (code, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("ok")] == [
        "ok   access.mesh-test.yaml",
        "ok   reading.mesh-test.yaml",
        "ok   deep/both.mesh-test.yaml in `prod`",
    ]
    code, _, err = mesh(folder, capsys, "--env", "prod", "test")
    assert code == 1
    assert "error[MESH206]: there is no endpoint `reading`" in err
    (folder / "reading.mesh-test.yaml").write_text(f"mesh-test: v1\nenvironments: [prodd]\n{reading}")
    code, _, err = mesh(folder, capsys, "test")
    assert code == 1
    assert "there is no environment `prodd`" in err
    assert "did you mean `prod`?" in err


def test_without_a_test_nothing_is_proved(folder, capsys):
    (folder / "access.mesh-test.yaml").unlink()
    assert mesh(folder, capsys, "test") == (
        4,
        "",
        "there is no test: write one into a file that ends in `.mesh-test.yaml`\n",
    )
    code, _, err = mesh(folder, capsys, "test", "missing.mesh-test.yaml")
    assert code == 1
    assert "there is no file `missing.mesh-test.yaml`" in err


def test_a_mesh_with_a_mistake_is_not_tested(folder, capsys):
    (folder / "mesh.yaml").write_text(MESH.replace("role: outside", "role: outsider"))
    code, out, err = mesh(folder, capsys, "test", "--format", "json")
    assert (code, out) == (1, "")
    assert "there is no role `outsider`" in err


def test_the_same_run_gives_the_same_bytes(folder, capsys):
    runs = [mesh(folder, capsys, "test", "--mutate", "--format", form) for form in ("text", "json") * 2]
    assert runs[:2] == runs[2:]


def test_a_mesh_that_only_its_guards_hold_is_tested_all_the_same(folder, capsys):
    (folder / "mesh.yaml").write_text(
        MESH + "invariants: [{name: never, never: {who: {team: eng}, reach: {effect: write}}}]\n"
    )
    assert mesh(folder, capsys, "plan")[0] == 3
    assert mesh(folder, capsys, "test")[0] == 0
