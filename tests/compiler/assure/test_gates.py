"""The guards of the base judge a change: it can neither delete its own gate nor argue its way past."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from meshes import TODAY, compile_text, lock_texts

from meshplan.compiler.assure.gates import Sides, gated
from meshplan.compiler.cli import run
from meshplan.compiler.diff.compare import Acknowledged, as_agreed
from meshplan.compiler.diff.provenance import both_sides
from meshplan.compiler.diff.resources import resource_changes

BASE = """\
mesh: v1
name: acme
servers:
  notes:
    stdio: [python, notes.py]
    effects: {destructive: [create_note]}
    tags: {outbound: [search]}
virtual:
  desk: {include: [{server: notes, tools: all}]}
identity:
  teams: {writers: {}, guests: {}, admins: {}}
  exclusive: [[{team: guests}, {team: admins}]]
roles:
  reader: {allow: [{server: notes, tools: {effect: read}}]}
  admin: {allow: [{server: notes, tools: [delete_note]}]}
grants:
  - {role: reader, to: [{team: writers}, {team: guests}]}
  - {role: admin, to: [{team: admins}]}
policies: {files: [own.yaml]}
invariants:
  - {name: guests-never-destroy, never: {who: {team: guests}, reach: {effect: destructive}}}
  - {name: readers-send-nothing, never: {who: {team: admins}, reach: {server: notes, tag: outbound, tools: [create_note]}, unless: "args.body == ''"}}
"""
BASE = BASE.replace("outbound: [search]", "outbound: [search, create_note]")
OWN = """\
policies:
  - {name: few-tools, for: endpoint, level: mandatory, require: endpoint.tools <= 6, says: has too many tools}
"""
WRITES = BASE.replace("roles:\n", "roles:\n  writer: {allow: [{server: notes, tools: [create_note]}]}\n").replace(
    "grants:\n", "grants:\n  - {role: writer, to: [{team: guests}]}\n"
)
MILDER = WRITES.replace("effects: {destructive: [create_note]}", "effects: {write: [create_note]}")


def compiled(text, own=OWN):
    return compile_text(text, files={"own.yaml": own})


def judged(base, head, agreed=(), own=OWN, sources=True):
    """Names of the gates that are open, and the summaries of what is not acknowledged, ours first."""
    old, new = compiled(base), compiled(head, own)
    before, after = (side.bundle or side.held for side in (old, new))
    known = {mark: Acknowledged("agreed", TODAY.replace(year=2030)) for mark in agreed}
    changes = tuple(as_agreed(c, known, TODAY) for c in resource_changes(*both_sides(before, after)))
    drafts = (old.draft, new.draft) if sources else (None, None)
    gates, broken = gated(Sides(before, after, *drafts), changes, TODAY)
    return {g.name: g for g in gates}, [as_agreed(c, known, TODAY) for c in broken]


def test_every_guard_of_the_base_is_listed():
    gates, broken = judged(BASE, BASE)
    assert {(g.name, g.holds, g.open) for g in gates.values()} == {
        ("invariant guests-never-destroy", True, False),
        ("invariant readers-send-nothing", True, False),
        ("policy few-tools", True, False),
    }
    assert broken == []


@pytest.mark.parametrize("sources", [True, False])
def test_another_effect_is_no_argument(sources):
    assert compiled(MILDER).bundle is not None
    gates, (broken,) = judged(BASE, MILDER, sources=sources)
    assert gates["invariant guests-never-destroy"].open
    assert "by the rules before this change, invariant `guests-never-destroy` does not hold" in broken.summary
    assert "`team:guests` can reach `notes.create_note` through `desk`" in broken.summary
    assert (broken.widening, broken.acknowledged) == (True, None)
    assert broken.place is not None


def test_another_promise_is_no_argument():
    """The base did not promise that nobody is both, and what the head promises now it promises to itself."""
    base = BASE.replace("  exclusive: [[{team: guests}, {team: admins}]]\n", "").replace(
        "[{team: admins}]}\npol", "[{team: writers}]}\npol"
    )
    base = base.replace("  - {role: admin, to: [{team: writers}]}\n", "")
    base = base.replace(
        "admin: {allow: [{server: notes, tools: [delete_note]}]}\n",
        "admin: {allow: [{server: notes, tools: [search]}]}\n",
    )
    assert compiled(base).bundle is not None, [d.message for d in compiled(base).diagnostics]
    gates, broken = judged(base, BASE)
    assert gates["invariant guests-never-destroy"].open
    assert len(broken) == 1


def test_a_new_servers_own_word_is_not_taken_for_what_it_does():
    head = BASE.replace("servers:\n", "servers:\n  tickets: {stdio: [python, t.py], effects: {read: [close_ticket]}}\n")
    head = head.replace("tools: all}]", "tools: all}, {server: tickets, tools: [close_ticket]}]")
    head = head.replace("reader: {allow: [", "reader: {allow: [{server: tickets, tools: {effect: read}}, ")
    made = compiled(head)
    assert made.bundle is not None, [d.message for d in made.diagnostics]
    _, broken = judged(BASE, head)
    assert any("tickets.close_ticket" in change.summary for change in broken)


def test_a_gate_that_is_taken_away_still_judges_until_that_is_agreed():
    gone = MILDER.replace(
        "  - {name: guests-never-destroy, never: {who: {team: guests}, reach: {effect: destructive}}}\n", ""
    )
    gates, (broken,) = judged(BASE, gone)
    assert gates["invariant guests-never-destroy"].text.startswith("is taken away; as it was, it does not hold")
    old, new = compiled(BASE).bundle, compiled(gone).bundle
    (removal,) = [c for c in resource_changes(*both_sides(old, new)) if c.subject == "invariant:guests-never-destroy"]
    assert (removal.widening, removal.acknowledged) == (True, None)
    gates, changes = judged(BASE, gone, agreed=[removal.fingerprint])
    assert changes == []
    assert not gates["invariant guests-never-destroy"].open
    gates, changes = judged(BASE, gone, agreed=[broken.fingerprint])
    assert [c.acknowledged for c in changes] == ["agreed"]


def test_an_agreement_is_to_these_principals_and_capabilities_only():
    _, (one,) = judged(BASE, MILDER)
    also = MILDER.replace("tools: [create_note]}]}", "tools: [create_note, delete_note]}]}").replace(
        "reach: {effect: destructive}", "reach: {tools: [delete_note]}, unless: 'args.id == 1'"
    )
    _, changes = judged(BASE, also, agreed=[one.fingerprint])
    assert [c.acknowledged for c in changes if "guests" in c.summary] == [None]


def test_the_bases_policies_judge_with_the_bases_levels():
    lax = OWN.replace("mandatory", "advisory").replace("<= 6", "<= 500")
    more = BASE.replace("servers:\n", "servers:\n  tickets: {stdio: [python, t.py]}\n")
    more = more.replace("tools: all}]", "tools: all}, {server: tickets, tools: all, prefix: t_}]")
    gates, changes = judged(BASE, more, own=lax)
    assert gates["policy few-tools"].open
    assert [c.subject for c in changes] == ["gate:few-tools"]
    assert "endpoint `desk` has too many tools" in changes[0].summary


@pytest.fixture
def repository(tmp_path, monkeypatch):
    import subprocess

    def commit(text):
        for name, content in {"mesh.yaml": text, "own.yaml": OWN, **lock_texts(text)}.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)

    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=tmp_path, check=True)

    commit(BASE)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "base")
    return tmp_path, commit


def test_a_change_that_removes_its_own_invariant_exits_3_and_says_which(repository, capsys):
    folder, commit = repository
    gone = BASE.replace(
        "  - {name: guests-never-destroy, never: {who: {team: guests}, reach: {effect: destructive}}}\n", ""
    )
    commit(gone)
    for command in (["diff", "git:HEAD"], ["plan", "--against", "git:HEAD"]):
        assert run(["-C", str(folder), *command, "--now", "2026-11-22"]) == 3
        out, err = capsys.readouterr()
        assert "invariant guests-never-destroy is taken away" in out.replace("`", "")
        assert "invariant `guests-never-destroy` is gone: acknowledge `" in err
    mark = err.rsplit("acknowledge `", 1)[1][:16]
    commit(gone + f"acknowledge:\n  - {{change: {mark}, reason: agreed, until: 2026-12-31}}\n")
    assert run(["-C", str(folder), "diff", "git:HEAD", "--now", "2026-11-22"]) == 0
    assert "as was agreed" in capsys.readouterr().out


def test_a_head_that_its_own_guards_refuse_is_compared_and_refused(repository, capsys):
    folder, commit = repository
    commit(WRITES)
    assert run(["-C", str(folder), "diff", "git:HEAD", "--now", "2026-11-22"]) == 3
    out, err = capsys.readouterr()
    assert "MESH533" in err
    assert "team:guests gains" in out
    commit(BASE)
    assert run(["-C", str(folder), "diff", "git:HEAD", "--now", "2026-11-22"]) == 0
