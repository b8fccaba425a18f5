"""What a patch of an environment does to access, as a reviewer meets it: first, and at the patch's own line."""

import json

import pytest
from commits import committed, mesh, write
from meshes import BASE

OLD = BASE.replace("tools: {effect: read}}\nid", "tools: all}\nid").replace(
    "allow: [{server: notes, tools: {effect: read}}]",
    """\
allow:
      - {id: own, server: notes, tools: {effect: read}}
    deny:
      - {id: never, server: notes, tools: [delete_note]}
  writer:
    allow: [{id: all, server: notes, tools: all}]""",
)
OLD += "  - {role: writer, to: [{team: writers}]}\n"
OLD = OLD.replace("teams: {writers: {}}", "teams: {writers: {}, others: {}}")


def patched(text, *patches):
    lines = "".join(f"      - {patch}\n" for patch in patches) or "      []\n"
    return f"{text}environments:\n  eu: {{patch: []}}\n  prod:\n    patch:\n{lines}  us: {{patch: []}}\n"


def line_of(text, part):
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def differences(folder, capsys, *words):
    code, out, err = mesh(folder, capsys, *words, "git:HEAD", "--format", "json", "--exit-code")
    assert out, err
    return code, {tuple(diff["environments"]): diff for diff in json.loads(out)["diffs"]}


def causes(diff, tool):
    (change,) = [change for change in diff["access"] if change["capability"] == f"notes/tool/{tool}"]
    return {(cause["kind"], cause["place"]["line"]) for causes in change["causes"] for cause in causes}


PATCHES = {
    "add: roles.reader.deny, value: {id: more, server: notes, tools: [create_note]}": "create_note",
    "set: 'roles.reader.deny[never].tools', to: [list_notes]": "delete_note",
    "set: roles.reader.deny, to: []": "delete_note",
    "remove: 'roles.reader.deny[never]'": "delete_note",
    "remove: 'grants[writer]'": "create_note",
    "set: 'grants[reader].to', to: [{team: others}]": "delete_note",
    "set: 'virtual.desk.include[notes].tools', to: [list_notes]": "create_note",
    "set: 'servers.notes.effects.destructive', to: [search, list_notes]": "list_notes",
}


@pytest.mark.parametrize("patch", PATCHES)
def test_a_patch_is_the_cause_at_its_own_line(repository, capsys, patch):
    before = OLD
    if "effects" in patch:
        before = OLD.replace("notes.py]}", "notes.py], effects: {destructive: [search]}}")
        before = before.replace("  - {role: writer, to: [{team: writers}]}\n", "")
    folder = committed(repository, patched(before))
    after = patched(before, f"{{{patch}}}")
    write(folder, after)
    code, found = differences(folder, capsys, "--env", "prod", "diff")
    assert (code, set(found)) == (3, {("prod",)})
    assert causes(found["prod",], PATCHES[patch]) == {("environment patch", line_of(after, patch))}


@pytest.mark.parametrize("words", [("diff",), ("plan", "--against")], ids=["diff", "plan"])
def test_every_environment_is_compared_and_what_a_patch_does_stands_first(repository, capsys, words):
    allowed = "{set: 'roles.writer.allow[all].tools', to: [delete_note]}"
    folder = committed(repository, patched(OLD, allowed))
    new = OLD.replace("deny:\n      - {id: never, server: notes, tools: [delete_note]}", "deny: []")
    added = "{add: roles.reader.allow, value: {id: more, server: notes, tools: [create_note]}}"
    after = patched(new, allowed, added)
    write(folder, after)
    code, found = differences(folder, capsys, *words)
    assert (code, set(found)) == (3, {("eu", "us"), ("prod",)})
    order = [(change["capability"], change["effect"]) for change in found["prod",]["access"]]
    assert order == [("notes/tool/create_note", "write"), ("notes/tool/delete_note", "destructive")]
    assert causes(found["prod",], "create_note") == {("environment patch", line_of(after, added))}
    removed = {cause[0] for cause in causes(found["prod",], "delete_note")}
    assert removed == {cause[0] for cause in causes(found["eu", "us"], "delete_note")} == {"policy edit"}
    text = mesh(folder, capsys, *words, "git:HEAD")[1]
    assert text.count("\nenvironments eu and us\n") == text.count("\nenvironment prod\n") == 1
    prod = text.split("environment prod")[1]
    assert 0 < prod.index("gains notes.create_note (write)") < prod.index("gains notes.delete_note (destructive)")
    assert f"environment patch: allow rule `reader#more` added (mesh.yaml:{line_of(after, added)})" in prod


def test_a_patch_that_was_there_before_is_not_the_cause_of_an_edit(repository, capsys):
    text = OLD.replace("{id: all, server: notes, tools: all}", "{id: all, server: notes, tools: [create_note]}")
    patch = "{set: 'roles.writer.allow[all].tools', to: [create_note]}"
    folder = committed(repository, patched(text, patch))
    after = patched(text.replace("tools: [create_note]}", "tools: [create_note], when: \"args.title == 'x'\"}"), patch)
    write(folder, after)
    _, found = differences(folder, capsys, "--env", "prod", "diff")
    assert causes(found["prod",], "create_note") == {("policy edit", line_of(after, "id: all"))}


def test_environments_that_are_equal_are_said_once(repository, capsys):
    folder = committed(repository, patched(OLD))
    write(folder, patched(OLD.replace("  - {role: writer, to: [{team: writers}]}\n", "")))
    _, found = differences(folder, capsys, "diff")
    assert set(found) == {("eu", "prod", "us")}


def test_an_invariant_that_a_patch_takes_away_stands_first_at_the_patch(repository, capsys):
    guard = "invariants:\n  - {name: none, never: {who: {team: others}, reach: {effect: destructive}}}\n"
    folder = committed(repository, patched(OLD + guard))
    after = patched(OLD + guard, "{remove: 'invariants[none]'}")
    write(folder, after)
    code, found = differences(folder, capsys, "--env", "prod", "diff")
    (gone,) = [change for change in found["prod",]["changes"] if change["subject"] == "invariant:none"]
    assert (code, gone["verb"], gone["place"]["line"]) == (3, "removed", line_of(after, "remove: 'invariants"))
