"""Whatever is refused comes with an edit: made in the file and asked again, it is allowed."""

import copy
import itertools
import json

import pytest
import yaml
from meshes import TODAY, compile_text

from meshplan.compiler.access.callers import Caller, read_caller, subjects_declared
from meshplan.compiler.access.remedy import Healer
from meshplan.compiler.access.why import Explainer, Question

MESH = """\
mesh: v1
name: acme
servers:
  notes: {stdio: [python, notes.py]}
  tickets: {stdio: [python, tickets.py]}
virtual:
  desk:
    include:
      - {server: notes, tools: all, except: [search, delete_*], prompts: all}
      - {server: tickets, tools: [get_ticket, create_ticket], prefix: t_}
      - {binding: docs}
  reading: {include: [{server: notes, tools: {effect: read}}]}
bindings:
  docs:
    contract: collection/v1
    as: doc
    provider: notes
    map:
      LIST: {tool: list_notes, in: {limit: args.limit}, out: {items: result.notes}}
      GET: {tool: get_note, in: {id: int(args.id)}, out: {item: result}}
identity:
  users: {named: [ana]}
  teams: {eng: {}, ext: {}}
  agents: {ci: {}}
roles:
  reader:
    allow: [{server: notes, tools: {effect: read}}]
  writer:
    extends: [reader]
    allow:
      - {server: notes, tools: {effect: write}}
      - {server: tickets, tools: [create_ticket], when: "args.owner == 'acme' && size(args.title) < 20"}
    deny:
      - {server: notes, tools: [list_notes, get_note], when: "principal.user == 'ana'"}
  outside:
    deny:
      - {server: notes, tools: [get_note, create_note]}
      - {server: tickets, tools: [create_ticket], when: "args.urgent"}
  late:
    allow: [{binding: docs}]
grants:
  - {role: writer, to: [{team: eng}]}
  - {role: outside, to: [{team: ext}]}
  - {role: late, to: [{team: ext}], expires: 2026-01-01}
"""
CALLERS = [
    "",
    "team:eng",
    "team:ext",
    "team:eng team:ext",
    "user:ana",
    "user:ana team:eng agent:ci",
    "agent:ci",
    "user:ana agent:ci",
]
CALLS = [
    ("notes/tool/get_note", {"id": 7}),
    ("notes/tool/list_notes", {}),
    ("notes/tool/create_note", {"title": "t"}),
    ("notes/tool/delete_note", {"id": 7}),
    ("notes/tool/search", {"query": "q"}),
    ("notes/prompt/summarize_note", None),
    ("tickets/tool/create_ticket", {"title": 'it\'s "quoted"', "owner": "other", "urgent": True}),
    ("tickets/tool/create_ticket", {"title": "t"}),
    ("tickets/tool/close_ticket", {"id": 1}),
    ("binding:docs/tool/LIST", {"limit": 3}),
]


@pytest.fixture(scope="module")
def compiled():
    found = compile_text(MESH)
    assert found.bundle is not None, found.diagnostics
    return found


def ask(compiled, endpoint, words, capability, arguments):
    bundle = compiled.bundle
    caller = read_caller(words, bundle.plan, subjects_declared(compiled.draft.mesh), TODAY)
    assert isinstance(caller, Caller)
    explainer = Explainer(bundle, TODAY)
    why = explainer.why(Question(endpoint, capability, caller, arguments))
    return why, Healer(explainer, compiled.draft.root, compiled.draft.resolved).remedy(why.question, why.ruling)


def edited(text, edits):
    """The file with the edits made, removals last so that positions stay true."""
    document = json.loads(json.dumps(yaml.safe_load(text), default=str))
    removals = sorted((edit for edit in edits if edit.op == "remove"), key=lambda edit: str(edit.path), reverse=True)
    for edit in [*(edit for edit in edits if edit.op != "remove"), *removals]:
        node, value = document, copy.deepcopy(edit.value)
        if edit.op == "add":
            for part in edit.path:
                node = node[part]
            node.append(value)
            continue
        for part in edit.path[:-1]:
            node = node[part]
        if edit.op == "set":
            node[edit.path[-1]] = value
        else:
            assert json.dumps(node[edit.path[-1]]) == json.dumps(value)
            del node[edit.path[-1]]
    return json.dumps(document)


@pytest.mark.parametrize("words", CALLERS, ids=lambda words: words or "a stranger")
def test_the_edit_turns_the_refusal_into_an_access(compiled, words):
    refused = set()
    for endpoint, (capability, arguments) in itertools.product(("desk", "reading"), CALLS):
        for given in (arguments, None) if arguments else (arguments,):
            why, edits = ask(compiled, endpoint, words, capability, given)
            assert bool(edits) == (not why.ruling.allowed), why
            assert all(edit.place.file == "mesh.yaml" and edit.place.line > 0 for edit in edits)
            if edits:
                refused.add(why.ruling.code)
                again = compile_text(edited(MESH, edits))
                assert again.bundle is not None, (edits, again.diagnostics)
                after, _ = ask(again, endpoint, words, capability, given)
                assert after.ruling.allowed, (why.question, edits)
    assert "not_offered" in refused


def test_every_refusal_and_every_kind_of_edit_occurs(compiled):
    codes, ops = set(), set()
    for words, endpoint, (capability, arguments) in itertools.product(CALLERS, ("desk", "reading"), CALLS):
        why, edits = ask(compiled, endpoint, words, capability, arguments)
        codes.add(why.ruling.code)
        ops |= {(edit.op, edit.path[0], edit.path[-1] if isinstance(edit.path[-1], str) else "item") for edit in edits}
    assert codes == {"allowed", "not_offered", "no_allow", "denied_by_rule"}
    assert {
        ("add", "virtual", "tools"), ("remove", "virtual", "item"), ("add", "virtual", "include"),
        ("remove", "roles", "item"), ("set", "roles", "when"), ("add", "roles", "allow"), ("set", "roles", "access"),
        ("add", "grants", "grants"), ("remove", "grants", "expires"),
    } <= ops, ops  # fmt: skip


def test_what_decided_is_what_is_told(compiled):
    for words, endpoint, (capability, arguments) in itertools.product(CALLERS, ("desk", "reading"), CALLS):
        why, _ = ask(compiled, endpoint, words, capability, arguments)
        deciding = {chain.rule for chain in why.chains if chain.applies}
        if why.ruling.rule is not None and "docs" not in capability:
            assert why.ruling.rule in deciding
        if why.ruling.code == "no_allow" and not why.sides:
            assert not deciding
        assert all(step.place is not None for chain in why.chains for step in chain.steps)


def test_the_callers_own_mistake_is_no_matter_of_the_mesh(compiled):
    why, edits = ask(compiled, "desk", "team:eng", "tickets/tool/create_ticket", {"title": "t", "ownr": "acme"})
    assert (why.ruling.code, edits) == ("invalid_arguments", ())
    assert why.ruling.why == "argument `ownr` is not declared by this tool"
