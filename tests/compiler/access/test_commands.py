"""`mesh why` and `mesh who-can`: what they say, about everybody, and about words that mean nobody."""

import itertools
import json

import pytest
from meshes import TODAY, compile_text, lock_texts

from meshplan.compiler.access.judge import Judge
from meshplan.compiler.access.whocan import who_can
from meshplan.compiler.cli import run
from meshplan.schemas.decide import Principal

MESH = """\
mesh: v1
name: acme
servers:
  notes: {stdio: [python, notes.py]}
  tickets: {stdio: [python, tickets.py]}
virtual:
  desk:
    include:
      - {server: notes, tools: all, except: [search]}
      - {server: tickets, tools: all, prefix: t_}
      - {binding: docs}
      - {workflow: triage}
  reading: {include: [{server: notes, tools: {effect: read}}]}
bindings:
  docs:
    contract: collection/v1
    as: doc
    provider: notes
    map:
      LIST: {tool: list_notes, in: {limit: args.limit}, out: {items: result.notes}}
      GET: {tool: get_note, in: {id: int(args.id)}, out: {item: result}}
workflows:
  triage:
    run_as: workflow
    input: {type: object, properties: {number: {type: integer}}, required: [number]}
    steps: [{name: ticket, call: tickets.get_ticket, with: {id: input.number}}]
    output: steps.ticket
identity:
  users: {named: [ana]}
  teams: {eng: {}, ext: {}}
  agents: {ci: {}}
  keys: {nightly: {sha256: "0000000000000000000000000000000000000000000000000000000000000000", teams: [eng], agent: ci}}
roles:
  reader:
    allow: [{id: read, server: notes, effect: read}]
  writer:
    extends: [reader]
    allow:
      - {id: file, server: tickets, tools: [create_ticket], when: "args.owner == 'acme' && !('ext' in principal.teams)"}
      - {id: docs, binding: docs}
      - {id: triage, workflow: triage}
  outside:
    deny: [{id: no-notes, server: notes, tools: [get_note]}]
grants:
  - {role: writer, to: [{team: eng}, {user: ana, agent: ci}]}
  - {role: outside, to: [{team: ext}]}
  - {role: reader, to: [{user: ana}], expires: 2027-01-01}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mesh.yaml").write_text(MESH)
    (tmp_path / "mesh.lock").mkdir()
    for name, text in lock_texts(MESH).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def mesh(folder, capsys, *words):
    code = run(["-C", str(folder), *words])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    "words",
    [
        ("team:eng", "get_note"),
        ("user:ana", "agent:ci", "t_create_ticket"),
        ("team:eng", "t_create_ticket", "--args", '{"title": "t", "owner": "acme"}'),
        ("team:eng", "t_create_ticket", "--args", '{"title": "t", "owner": "other"}'),
        ("team:eng", "t_create_ticket", "--args", '{"title": "t", "ower": "acme"}'),
        ("team:eng team:ext", "t_create_ticket"),
        ("team:eng", "team:ext", "doc_get"),
        ("user:ana", "get_note", "--endpoint", "reading", "--now", "2027-01-01"),
        ("user:ana", "agent:ci", "notes.get_note", "--endpoint", "reading"),
        ("nightly", "notes.search", "--endpoint", "desk"),
        ("get_note", "--endpoint", "reading"),
        ("nightly", "triage"),
    ],
    ids=" ".join,
)
def test_why(folder, capsys, snapshot, words):
    code, out, err = mesh(folder, capsys, "why", *words)
    assert (code, err) == (0, "")
    assert out == snapshot


@pytest.mark.parametrize("words", ["get_note", "tickets.create_ticket", "tickets.get_ticket", "notes.delete_note"])
def test_who_can(folder, capsys, snapshot, words):
    code, out, err = mesh(folder, capsys, "who-can", words)
    assert (code, err) == (0, "")
    assert out == snapshot


def test_programs_get_the_same(folder, capsys):
    code, out, _ = mesh(folder, capsys, "why", "team:ext", "get_note", "--endpoint", "desk", "--format", "json")
    answer = json.loads(out)["answers"][0]
    assert (code, answer["code"], answer["rule"]) == (0, "denied_by_rule", "outside#no-notes")
    assert [edit["op"] for edit in answer["edits"]] == ["remove", "add"]
    assert answer["chains"][0]["steps"][0]["place"]["file"] == "mesh.yaml"
    code, out, _ = mesh(folder, capsys, "who-can", "get_note", "--endpoint", "reading", "--format", "json")
    who = json.loads(out)["ways"][0]["who"]
    assert [entry["atoms"] for entry in who] == [
        ["team:eng"],
        ["user:ana", "before:2027-01-01"],
        ["agent:ci", "user:ana"],
    ]
    assert [entry["unless"] for entry in who] == [[["team:ext"]]] * 3
    assert who[0]["by"][0]["rule"] == "reader#read"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("why", "team:enk", "get_note"), "there is no team `enk`: did you mean `eng`?"),
        (("why", "eng", "get_note"), "there is no key and no principal `eng`: did you mean `team:eng`?"),
        (("why", "team:eng", "get_nite"), "nothing is called `get_nite`; did you mean `get_note`?"),
        (("why", "team:eng", "get_note", "--endpoint", "desc"), "there is no endpoint `desc`; did you mean `desk`?"),
        (("why", "team:eng", "get_note", "--args", "[1]"), "--args wants an object"),
        (("why", "team:eng", "get_note", "--args", '{"a": 1, "a": 2}'), "--args is not JSON"),
        (("who-can", "notes.get_nite"), "did you mean `notes.get_note`?"),
        (("why",), "say who calls what"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_words_that_mean_nothing_are_told(folder, capsys, words, said):
    code, out, err = mesh(folder, capsys, *words)
    assert (code, out) == (64, "")
    assert said in err


def test_what_nobody_offers_nobody_reaches(folder, capsys):
    assert mesh(folder, capsys, "who-can", "notes/prompt/summarize_note") == (
        0,
        "",
        "no endpoint offers `notes/prompt/summarize_note`, so nobody reaches it\n",
    )


def test_who_can_is_exact_for_every_principal():
    """Against the decision itself, for every set of subjects; conditions on the principal are left out of this mesh."""
    compiled = compile_text(MESH.replace(" && !('ext' in principal.teams)", ""))
    bundle = compiled.bundle
    judge = Judge(bundle.plan, bundle.definitions, TODAY)
    subjects = ["user:ana", "user:bo", "team:eng", "team:ext", "agent:ci", "agent:other"]
    asked = 0
    for endpoint, made in bundle.plan.endpoints.items():
        for offer in made.offers:
            ways = [w for w in who_can(bundle, offer.capability, endpoint, TODAY) if not w.via]
            for count in range(len(subjects) + 1):
                for held in map(set, itertools.combinations(subjects, count)):
                    if {"user:ana", "user:bo"} <= held or {"agent:ci", "agent:other"} <= held:
                        continue
                    allowed = judge.call(endpoint, Principal("i", "s", frozenset(held)), offer.capability, None).allowed
                    assert allowed == any(_means(r, held) for w in ways for r in w.reaching), (offer, held)
                    asked += 1
    assert asked > 400


def _means(reaching, held):
    acting = any(s.startswith("user:") for s in held) and any(s.startswith("agent:") for s in held)
    if (acting and not reaching.acting) or reaching.who.delegated > acting:
        return False
    atoms = held | ({"user:*", "agent:*"} if acting else set())
    certain = [u for u in reaching.who.unless if not any(a.startswith("unless:") for a in u)]
    wanted = {a for a in reaching.who.atoms if not a.startswith(("if:", "before:"))}
    return wanted <= atoms and not any(set(u) <= atoms for u in certain)
