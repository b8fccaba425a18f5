"""Invariants of meshes as people write them: what is meant, what stands behind a tool, what excuses, and what is said."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from meshes import TODAY, compile_text

from meshplan.compiler import exits
from meshplan.compiler.assure import judge
from meshplan.compiler.assure.cells import Atlas
from meshplan.compiler.assure.invariants import judge_all
from meshplan.compiler.assure.labels import labels_of, matches
from meshplan.compiler.assure.statement import statement
from meshplan.compiler.assure.words import result
from meshplan.compiler.cli import run
from meshplan.compiler.diagnostics import has_errors
from meshplan.compiler.resolve.context import Context
from meshplan.compiler.resolve.select import reached
from meshplan.compiler.syntax.access import Reach

MESH = """\
mesh: v1
name: acme
servers:
  notes:
    stdio: [python, notes.py]
    effects: {write: [create_note]}
    tags: {private-data: [get_note], outbound: [create_note]}
virtual:
  desk:
    include:
      - {server: notes, tools: all, prompts: all, resources: live}
  docs:
    include:
      - {binding: docs}
bindings:
  docs:
    contract: collection/v1
    as: doc
    provider: notes
    map:
      LIST: {tool: list_notes, in: {limit: args.limit}, out: {items: result.notes}}
      GET: {tool: get_note, in: {id: int(args.id)}, out: {item: result}}
identity:
  users: {named: [ann, bob]}
  teams: {writers: {}, guests: {}, admins: {}}
  agents: {ci: {}}
roles:
  reader: {allow: [{server: notes, tools: {effect: read}}]}
  documented: {allow: [{binding: docs}]}
  admin: {allow: [{id: all, server: notes, tools: all}]}
grants:
  - {role: reader, to: [{team: writers}]}
  - {role: documented, to: [{user: bob}, {team: guests}]}
  - {role: admin, to: [{agent: ci}]}
"""


def compiled(invariants="", mesh=MESH):
    return compile_text(mesh + ("invariants:\n" + invariants if invariants else ""))


def holds(never, mesh=MESH):
    made = compiled(f"  - {{name: a, never: {{{never}}}}}\n", mesh)
    codes = {d.code for d in made.diagnostics if d.severity == "error"}
    assert codes <= {"MESH533"}, made.diagnostics
    assert (made.bundle is None) == bool(codes) == (made.held is not None)
    return not codes


@pytest.mark.parametrize(
    ("never", "expected"),
    [
        ("who: {team: guests}, reach: {tools: [delete_note]}", False),  # with agent:ci
        ("who: {user: ann}, reach: {server: notes, tools: [delete_note]}", True),  # through ci both must be allowed
        ("who: {user: ann}, reach: {binding: docs}", False),  # with team:guests
        ("who: {user: bob}, reach: {tools: [get_note]}", False),  # by way of the binding
        ("who: anyone, reach: {prompts: all}", True),
        ("who: anyone, reach: {server: notes, resources: live}", True),
        ("who: {agent: ci}, reach_all: [{tag: private-data}, {tag: outbound}], within: endpoint", False),
        ("who: {user: ann, agent: ci}, reach: {tag: outbound}", True),
    ],
)
def test_what_an_invariant_means(never, expected):
    assert holds(never) is expected


def test_two_users_are_never_one_principal():
    only_bob = MESH.replace("[{user: bob}, {team: guests}]", "[{user: bob}]")
    assert holds("who: {user: ann}, reach: {binding: docs}", only_bob)
    assert not holds("who: {user: bob}, reach: {binding: docs}", only_bob)


def test_a_deny_on_what_is_behind_a_binding_holds_it_back():
    denied = MESH.replace(
        "documented: {allow: [{binding: docs}]}",
        "documented: {allow: [{binding: docs}], deny: [{server: notes, tools: [get_note]}]}",
    )
    assert holds("who: {user: bob}, reach: {server: notes, tools: [get_note]}", denied)
    assert not holds("who: {user: bob}, reach: {server: notes, tools: [list_notes]}", denied)


DATED = MESH.replace(
    "grants:\n",
    "  shut: {deny: [{server: notes, tools: [delete_note]}]}\ngrants:\n  - {role: shut, to: [{team: guests}], expires: %s}\n",
).replace("[{agent: ci}]}", "[{agent: ci}]%s}")


@pytest.mark.parametrize(
    ("deny_ends", "allow_ends", "expected"),
    [
        ("2027-01-01", "", False),
        ("2027-01-01", ", expires: 2027-01-01", True),
        ("2027-01-01", ", expires: 2027-01-02", False),
        ("2027-01-01", ", expires: 2026-11-22", True),
        ("2026-11-22", ", expires: 2027-01-01", False),
    ],
)
def test_a_deny_protects_until_it_ends(deny_ends, allow_ends, expected):
    mesh = DATED % (deny_ends, allow_ends)
    assert holds("who: {team: guests}, reach: {tools: [delete_note]}", mesh) is expected


def test_live_resources_count():
    live = MESH.replace(
        "reader: {allow: [{server: notes, tools: {effect: read}}]}",
        "reader: {allow: [{server: notes, tools: {effect: read}, resources: ['note://public/*']}]}",
    )
    assert not holds("who: {team: guests}, reach: {server: notes, resources: all}", live)
    shut = live.replace("admin: {allow", "shut: {deny: [{server: notes, resources: live}]}\n  admin: {allow")
    shut = shut.replace("grants:\n", "grants:\n  - {role: shut, to: [{team: guests}]}\n")
    assert holds("who: {team: guests}, reach: {server: notes, resources: all}", shut)


@pytest.mark.parametrize(
    ("rule", "unless", "expected"),
    [
        ('allow: [{server: notes, tools: [delete_note], when: "args.id == 3"}]', None, False),
        ('allow: [{server: notes, tools: [delete_note], when: "args.id == 3"}]', "args.id == 3", True),
        ('allow: [{server: notes, tools: [delete_note], when: "args.id == 3"}]', "args.id == 4", False),
        ('allow: [{server: notes, tools: [delete_note], when: "args.id > 0 && args.id == 3"}]', "args.id == 3", True),
        ('allow: [{server: notes, tools: [delete_note], when: "args.id == 3 || args.id == 4"}]', "args.id == 3", False),
        (
            'allow: [{server: notes, tools: [delete_note]}], deny: [{server: notes, tools: [delete_note], when: "args.id != 3"}]',
            "args.id == 3",
            True,
        ),
        (
            'allow: [{server: notes, tools: [delete_note]}], deny: [{server: notes, tools: [delete_note], when: "args.id != 3"}]',
            None,
            False,
        ),
    ],
)
def test_only_a_condition_that_is_named_is_enough(rule, unless, expected):
    mesh = MESH.replace("admin: {allow: [{id: all, server: notes, tools: all}]}", f"admin: {{{rule}}}")
    excuse = "" if unless is None else f', unless: "{unless}"'
    assert holds(f"who: anyone, reach: {{tools: [delete_note]}}{excuse}", mesh) is expected


def test_a_counterexample_names_who_what_the_grant_and_the_rule():
    made = compiled("  - {name: guests, never: {who: {team: guests}, reach: {effect: destructive}}}\n")
    (said,) = [d for d in made.diagnostics if d.severity == "error"]
    assert said.message == (
        "`guests` does not hold: `agent:ci` with `team:guests` can reach `notes.delete_note` "
        "through `desk`; it rests on 6 annotated effects"
    )
    places = {made.texts["mesh.yaml"].splitlines()[label.span.line - 1].strip(): label.text for label in said.labels}
    assert places == {
        "admin: {allow: [{id: all, server: notes, tools: all}]}": "this allows `notes.delete_note`",
        "- {role: admin, to: [{agent: ci}]}": "this grants `admin` to `agent:ci`",
    }
    assert made.held is not None
    assert made.bundle is None


def test_verdicts_say_on_what_they_rest():
    made = compiled("  - {name: a, never: {who: {user: ann}, reach: {effect: destructive}}}\n")
    assert [result(verdict) for verdict in made.draft.verdicts] == [
        "holds; 1 capability in its way; rests on 6 annotated effects"
    ]
    named = compiled("  - {name: a, never: {who: {user: ann}, reach: {tools: [delete_note]}}}\n")
    assert [result(verdict) for verdict in named.draft.verdicts] == ["holds; 1 capability in its way"]


def test_what_takes_too_many_steps_is_not_proved(monkeypatch):
    monkeypatch.setattr(judge, "MAX_STEPS", 0)
    made = compiled("  - {name: a, never: {who: {team: guests}, reach: {effect: destructive}}}\n")
    assert [d.code for d in made.diagnostics if d.severity == "error"] == ["MESH534"]
    assert made.bundle is None


REACHES = [
    {"server": "notes"},
    {"server": ["notes"], "tools": "all"},
    {"tools": {"effect": ["read", "write"]}},
    {"effect": "read"},
    {"effect": ["destructive"], "tag": "outbound"},
    {"tag": "private-data"},
    {"tools": ["get_*"], "prompts": "all"},
    {"resources": "all"},
    {"resources": "live"},
    {"templates": ["note://*"]},
    {"binding": "docs"},
    {"binding": "docs", "operations": ["GET"]},
    {},
]


@pytest.mark.parametrize("data", REACHES, ids=str)
def test_selectors_mean_in_a_plan_what_they_mean_in_a_file(data):
    draft = compiled().draft
    context = Context.of(draft)
    context.capabilities = dict(draft.resolved.capabilities)
    for key in context.capabilities:
        if ":" in key.server:
            context.made.setdefault(key.server, []).append(key)
    reach = Reach.model_validate(data)
    labels = labels_of(draft.resolved)
    meant = {key for key in draft.resolved.capabilities if matches(reach, key, labels[key.id])}
    assert meant == set(reached(context, reach, ()))


def test_guards_alone_exit_3(tmp_path, capsys):
    made = compiled("  - {name: a, never: {who: {team: guests}, reach: {effect: destructive}}}\n")
    assert exits.of(made.diagnostics) == 3
    other = compiled("  - {name: a, never: {who: {team: guests}, reach: {effect: gone}}}\n")
    assert exits.of(other.diagnostics) == 1
    assert has_errors(other.diagnostics)
    for path, text in made.draft.reader.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    for command in (["validate"], ["plan"], ["plan", "--out", str(tmp_path / "out.mesh")]):
        code = run(["-C", str(tmp_path), *command])
        assert (code, "MESH533" in "".join(capsys.readouterr())) == (3, True)
    assert not (tmp_path / "out.mesh").exists()


def test_an_empty_list_of_statements_judges_nothing():
    plan = compiled().bundle.plan
    assert judge_all(Atlas(plan, TODAY), [], [], ()) == ()
    assert statement("a", {"who": "anyone", "reach": {"effect": "read"}}).who == frozenset()
