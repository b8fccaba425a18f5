"""`mesh diff` and `mesh plan --against`, as a reviewer meets them: in a repository, between commits."""

import copy
import json
import subprocess

import meshes
import pytest
from commits import committed, mesh, write
from meshes import BASE, DEFINITIONS, tool

OLD = """\
mesh: v1
name: acme
servers:
  notes: {stdio: [python, notes.py]}
  tickets: {stdio: [python, tickets.py]}
virtual:
  desk:
    include:
      - {server: notes, tools: [get_*, list_*, search], prefix: n_}
      - {server: tickets, tools: all}
    tools:
      create_ticket: {name: open_ticket}
identity: {teams: {eng: {}, ext: {}}}
roles:
  eng:
    allow:
      - {server: notes, tools: {effect: read}}
      - {id: tickets, server: tickets, tools: all}
  ext:
    deny:
      - {id: no-tickets, server: tickets, tools: [create_ticket]}
grants:
  - {role: eng, to: [{team: eng}]}
  - {role: ext, to: [{team: ext}]}
"""


def test_a_base_that_does_not_compile_is_repaired_by_who_answers_for_all_of_it(repository, capsys):
    folder = committed(repository, OLD.replace("role: ext", "role: ex"))
    write(folder, OLD)
    code, out, err = mesh(folder, capsys, "diff", "git:HEAD", "--format", "json")
    (diff,) = json.loads(out)["diffs"]
    (base,) = [change for change in diff["changes"] if change["subject"] == "base:unknown"]
    assert code == 3
    assert (base["place"]["line"], base["widening"], diff["before"]["digest"]) == (24, True, None)
    assert "MESH" in base["summary"]
    assert base["fingerprint"] in err
    assert {change["widening"] for change in diff["access"]} == {True}
    assert len(diff["access"]) == 7
    agreed = f"acknowledge: [{{change: {base['fingerprint']}, reason: repaired, until: 2099-01-01}}]\n"
    write(folder, OLD + agreed)
    assert mesh(folder, capsys, "diff", "git:HEAD", "--exit-code")[0] == 2
    write(folder, OLD.replace("tools: {effect: read}}", "tools: all}") + agreed)
    assert mesh(folder, capsys, "diff", "git:HEAD")[0] == 3


def test_the_four_causes_of_one_pull_request(repository, capsys, monkeypatch):
    """Rename a tool, add an upstream tool under a glob, flip an annotation, remove a deny rule."""
    folder = committed(repository, OLD)
    upstream = copy.deepcopy(DEFINITIONS)
    upstream["notes"]["tool"].append(tool("get_tags", readOnlyHint=True))
    search = next(t for t in upstream["notes"]["tool"] if t["name"] == "search")
    search["annotations"] = {"readOnlyHint": False, "destructiveHint": False}
    monkeypatch.setattr(meshes, "DEFINITIONS", upstream)
    new = OLD.replace("open_ticket", "new_ticket").replace(
        "  ext:\n    deny:\n      - {id: no-tickets, server: tickets, tools: [create_ticket]}\n", "  ext: {}\n"
    )
    write(folder, new)
    code, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--format", "json", "--exit-code")
    assert code == 3
    (diff,) = json.loads(out)["diffs"]
    found = {
        change["capability"]: {
            (cause["kind"], cause["place"]["file"], cause["place"]["line"])
            for causes in change["causes"]
            for cause in causes
        }
        for change in diff["access"]
    }
    assert found["notes/tool/get_tags"] == {("upstream added", "mesh.lock/notes.json", 114)}
    assert found["notes/tool/search"] == {("effect flip", "mesh.lock/notes.json", 149)}
    assert found["tickets/tool/create_ticket"] == {("policy edit", "mesh.yaml", 21), ("policy edit", "mesh.yaml", 19)}
    assert set(found) == {"notes/tool/get_tags", "notes/tool/search", "tickets/tool/create_ticket"}
    (renamed,) = [change for change in diff["changes"] if change["subject"].startswith("name:")]
    assert renamed["subject"] == "name:desk/tool/open_ticket"
    assert renamed["breaking"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "# a comment\n" + text,
        lambda text: text.replace("{team: eng}", "{  team:  eng  }"),
        lambda text: text.replace(
            "      - {server: notes, tools: {effect: read}}\n      - {id: tickets, server: tickets, tools: all}\n",
            "      - {id: tickets, server: tickets, tools: all}\n      - {server: notes, tools: {effect: read}}\n",
        ),
    ],
    ids=["comment", "format", "order"],
)
def test_what_does_not_matter_is_no_change(repository, capsys, change):
    folder = committed(repository, OLD)
    assert change(OLD) != OLD
    write(folder, change(OLD))
    code, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--exit-code")
    assert code == 0
    assert "no change" in out


def test_a_change_is_acknowledged_by_its_fingerprint_until_a_date(repository, capsys):
    folder = committed(repository, BASE)
    new = BASE.replace("grants:\n", "grants:\n  - {role: reader, to: [{anyone: authenticated}]}\n")
    write(folder, new)
    code, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--format", "json", "--exit-code")
    assert code == 3
    marks = [change["fingerprint"] for diff in json.loads(out)["diffs"] for change in diff["access"]]
    assert len(marks) == len(set(marks)) == 3
    agreed = "".join(f"  - {{change: {mark}, reason: agreed, until: 2099-01-01}}\n" for mark in marks)
    write(folder, f"{new}acknowledge:\n{agreed}")
    assert mesh(folder, capsys, "diff", "git:HEAD", "--exit-code")[0] == 2
    assert mesh(folder, capsys, "diff", "git:HEAD", "--now", "2099-01-01")[0] == 3
    stale = agreed.replace(marks[0], "0123456789abcdef")
    write(folder, f"{new}acknowledge:\n{stale}")
    code, _, err = mesh(folder, capsys, "diff", "git:HEAD", "--exit-code")
    assert code == 3
    assert "`0123456789abcdef` is for a change that is not there" in err


def test_environments_are_compared_and_equal_ones_said_together(repository, capsys):
    envs = "environments:\n  eu: {patch: []}\n  us: {patch: [{set: 'grants[reader].to', to: []}]}\n"
    envs = envs.replace("to: []}]}", "to: [{team: writers}, {team: writers}]}]}")
    folder = committed(repository, BASE + envs)
    new = BASE.replace("tools: {effect: read}}\nid", "tools: [get_note]}\nid")
    write(folder, new + envs)
    _, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--format", "json")
    diffs = json.loads(out)["diffs"]
    assert [sorted(diff["environments"]) for diff in diffs] == [["eu", "us"]]
    _, out, _ = mesh(folder, capsys, "--env", "eu", "diff", "git:HEAD", "--format", "json")
    assert [diff["environments"] for diff in json.loads(out)["diffs"]] == [["eu"]]


def test_plan_files_and_stores_are_sides_too(repository, capsys):
    folder = committed(repository, BASE)
    assert mesh(folder, capsys, "plan", "--out", str(folder / "old.mesh"))[0] == 0
    assert mesh(folder, capsys, "apply", "--store", "store")[0] == 0
    write(folder, BASE.replace("[{team: writers}]", "[{anyone: authenticated}]"))
    for side in ("old.mesh", "store", "store@main", "git:HEAD"):
        code, out, _ = mesh(folder, capsys, "plan", "--against", side, "--exit-code")
        assert code == 3
        assert "every known caller" in out
    assert mesh(folder, capsys, "diff", ".", ".", "--exit-code")[0] == 0


def test_a_side_that_cannot_be_had_is_not_a_clean_one(repository, capsys, tmp_path):
    folder = committed(repository, BASE)
    code, _, err = mesh(folder, capsys, "diff", "git:nothing")
    assert (code, "there is no commit `nothing`" in err) == (7, True)
    code, _, err = mesh(folder, capsys, "diff", "git:--output=x")
    assert code == 7
    assert mesh(folder, capsys, "diff", "no-such-file")[0] == 7
    (folder / "bad.mesh").write_text("{}")
    assert mesh(folder, capsys, "diff", "bad.mesh")[0] == 6
    _, git = repository
    git("commit", "--allow-empty", "-qm", "another")
    shallow = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", f"file://{folder}", str(shallow)], check=True, capture_output=True
    )
    first = git("rev-parse", "HEAD~1").strip()
    code, _, err = mesh(shallow, capsys, "diff", f"git:{first}")
    assert code == 7
    assert "this clone is shallow" in err


def test_a_change_of_the_lock_has_a_line_and_is_acknowledged_like_any_other(repository, capsys, monkeypatch):
    folder = committed(repository, BASE)
    upstream = copy.deepcopy(DEFINITIONS)
    upstream["notes"]["tool"][0]["description"] = "other words"
    monkeypatch.setattr(meshes, "DEFINITIONS", upstream)
    write(folder, BASE)
    code, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--format", "json", "--exit-code")
    (change,) = json.loads(out)["diffs"][0]["lock"]
    assert (code, change["classes"], change["place"]["file"]) == (3, ["description"], "mesh.lock/notes.json")
    lines = (folder / "mesh.lock/notes.json").read_text().splitlines()
    assert lines[change["place"]["line"] - 1] == '    "list_notes": {'
    agreed = f"acknowledge:\n  - {{change: {change['fingerprint']}, reason: read it, until: 2099-01-01}}\n"
    write(folder, BASE + agreed)
    assert mesh(folder, capsys, "diff", "git:HEAD", "--exit-code")[0] == 2
    upstream["notes"]["tool"][0]["description"] = "yet other words"
    write(folder, BASE + agreed)
    assert mesh(folder, capsys, "diff", "git:HEAD", "--exit-code")[0] == 3


def test_a_plan_file_is_compared_by_its_definitions(repository, capsys, monkeypatch):
    folder = committed(repository, BASE)
    assert mesh(folder, capsys, "plan", "--out", str(folder / "old.mesh"))[0] == 0
    assert mesh(folder, capsys, "diff", "old.mesh", "--exit-code")[0] == 0
    upstream = copy.deepcopy(DEFINITIONS)
    upstream["notes"]["tool"][0]["description"] = "other words"
    monkeypatch.setattr(meshes, "DEFINITIONS", upstream)
    write(folder, BASE)
    code, out, _ = mesh(folder, capsys, "diff", "old.mesh", "--format", "json", "--exit-code")
    (change,) = json.loads(out)["diffs"][0]["lock"]
    assert (code, change["capability"], change["classes"]) == (3, "notes/tool/list_notes", ["description"])


def test_what_a_name_sends_is_never_no_change(repository, capsys):
    hidden = BASE.replace("effect: read}}\nid", "effect: read}}\n    tools: {list_notes: {hide: [tag]}}\nid")
    folder = committed(repository, hidden)
    write(folder, BASE)
    code, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--format", "json", "--exit-code")
    (change,) = [c for c in json.loads(out)["diffs"][0]["changes"] if c["subject"] == "name:desk/tool/list_notes"]
    assert (code, change["breaking"], change["widening"]) == (3, True, True)
    write(folder, hidden.replace("allow: [{server", "allow: [{id: named, server"))
    code, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--exit-code")
    assert (code, "written differently" in out) == (2, True)


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "sarif"])
def test_every_format_is_printed(repository, capsys, form):
    folder = committed(repository, BASE)
    write(folder, BASE.replace("[{team: writers}]", "[{anyone: authenticated}]"))
    code, out, _ = mesh(folder, capsys, "diff", "git:HEAD", "--format", form)
    assert code == 0
    assert "get_note" in out
