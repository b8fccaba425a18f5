"""`mesh why --decision`: what the ledger recorded, explained by the plan that decided it, or by the one at hand."""

import json

import pytest
from meshes import lock_texts

from meshplan.compiler.cli import run
from meshplan.compiler.project import Project
from meshplan.compiler.store import publish
from meshplan.runtime.ledger.writer import Writer
from meshplan.schemas.ledger.entry import Entry

MESH = """\
mesh: v1
name: acme
servers: {tickets: {stdio: [python, tickets.py]}}
virtual: {desk: {include: [{server: tickets, tools: all}]}}
identity:
  issuers: {corp: {jwt: 'https://idp.example'}}
  teams: {eng: {issuer: corp, claim: groups, has: eng}}
roles: {writer: {allow: [{id: file, server: tickets, tools: [create_ticket], when: "args.owner == 'acme'"}]}}
grants: [{role: writer, to: [{team: eng}], expires: 2027-01-01}]
runtime: {ledger: {path: ./ledger}}
"""
REFUSED = {"outcome": "denied", "reason": "no_allow"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"mesh.yaml": MESH, **lock_texts(MESH)}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def plan(folder):
    return Project(folder, "mesh.yaml").compile("2026-05-01").bundle


def record(folder, digest=None, **more):
    """One decision, as the runtime writes it."""
    said = {
        "at": "2026-05-01T10:00:00.000+00:00",
        "decision": "d1",
        "plan": digest or plan(folder).digest,
        "endpoint": "desk",
        "principal": "https://idp.example:7:a",
        "teams": "eng",
        "method": "tools/call",
        "capability": "tickets/tool/create_ticket",
        "inputs": json.dumps({"owner": {"value": "acme"}}),
        "outcome": "ok",
        "reason": "allowed",
        "rule": "writer#file",
    }
    writer = Writer(folder / "ledger", lambda *_: None, now=lambda: "2026-05-01T00:00:00.000+00:00")
    writer.put(Entry("outcome", **said | more))
    writer.close()


def why(capsys, *words, code=0):
    assert run(["why", "--decision", "d1", *words]) == code
    return capsys.readouterr()


def test_the_plan_that_decided_explains_it_with_the_places(folder, capsys):
    record(folder)
    said = why(capsys).out
    assert "decision d1 at 2026-05-01T10:00:00.000+00:00: allowed by rule `writer#file`, outcome ok" in said
    assert "https://idp.example:7:a (team:eng) calls create_ticket at desk" in said
    assert "if `args.owner == 'acme'`: true, since `args.owner` is `\"acme\"` (mesh.yaml:8)" in said
    assert "differs" not in said
    assert "not at hand" not in said


def test_a_refusal_says_what_it_rests_on_and_what_would_change_it(folder, capsys):
    record(folder, **REFUSED, rule=None, inputs=json.dumps({"owner": {"value": "evil"}}))
    said = why(capsys).out
    assert "refused (no_allow), outcome denied" in said
    assert "no: if `args.owner == 'acme'`: false" in said
    assert "the smallest edit that would allow it" in said


def test_expiries_are_judged_as_of_the_day_of_the_decision(folder, capsys):
    record(folder, **REFUSED, rule=None, at="2027-02-01T10:00:00.000+00:00", digest=plan(folder).digest)
    said = why(capsys).out
    assert "which ended on 2027-01-01" in said
    assert "differs" not in said


def test_after_an_edit_the_store_still_has_the_plan_and_its_places(folder, capsys):
    record(folder)
    publish(folder / ".mesh/store", plan(folder), channel="main")
    (folder / "mesh.yaml").write_text("# a line more\n" + MESH.replace("'acme'\"", "'other'\""))
    publish(folder / ".mesh/store", plan(folder), channel="main")
    said = why(capsys).out
    assert 'true, since `args.owner` is `"acme"` (mesh.yaml:8)' in said
    assert "not at hand" not in said


def test_without_that_plan_it_says_so_and_that_the_one_at_hand_differs(folder, capsys):
    record(folder)
    (folder / "mesh.yaml").write_text(MESH.replace("'acme'\"", "'other'\""))
    said = why(capsys).out
    assert f"that plan is not at hand; what follows is by {plan(folder).digest}" in said
    assert "it differs: this plan refuses it (no_allow)" in said
    found = json.loads(why(capsys, "--format", "json").out)
    assert (found["recorded"]["differs"], found["answers"][0]["allowed"]) == (True, False)


def test_a_plan_file_is_taken_as_it_is(folder, capsys):
    record(folder)
    assert run(["plan", "--out", "plan.mesh", "--now", "2026-05-01"]) == 0
    (folder / "mesh.yaml").write_text("not a mesh")
    capsys.readouterr()
    assert "allowed: " in why(capsys, "--plan", "plan.mesh", "--ledger", "ledger").out
    (folder / "plan.mesh").write_text("{}")
    assert "the plan is refused" in why(capsys, "--plan", "plan.mesh", "--ledger", "ledger", code=6).err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"inputs": None}, "conditions read `owner`, and the ledger kept nothing of that"),
        ({"inputs": '{"owner": {"redacted": "secret"}}'}, "did not keep, since it looks like a secret"),
        ({"inputs": '{"owner": {"digest": "x", "bytes": 600}}'}, "did not keep, since it is too long"),
        ({"decision": "other"}, "the ledger has no decision `d1`"),
        ({"outcome": "invalid", "reason": "invalid_params"}, "nothing was decided about a capability"),
        ({"capability": None}, "nothing was decided about a capability"),
        ({"endpoint": "gone"}, "the plan at hand has no endpoint `gone`"),
        ({"capability": "tickets/tool/gone"}, "the plan at hand does not know `tickets/tool/gone`"),
    ],
)
def test_what_cannot_be_explained_is_exit_7_and_says_why(folder, capsys, more, said):
    record(folder, **more)
    assert said in why(capsys, code=7).err


def test_an_optional_argument_that_was_not_sent_was_not_sent(folder, capsys):
    record(folder, **REFUSED, rule=None, inputs="{}")
    assert "refused (no_allow)" in why(capsys).out


def test_nothing_else_is_said_beside_it(folder, capsys):
    assert run(["why", "--decision", "d1", "local", "create_ticket"]) == 64
    assert run(["why"]) == 64
