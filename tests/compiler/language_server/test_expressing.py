"""Inside an expression: members, functions and values are offered, and names explained, also while it is no expression yet."""

from __future__ import annotations

import json

import pytest
from meshes import BASE, TODAY, lock_texts, tool

from meshplan.compiler.language_server.session import Session
from meshplan.compiler.language_server.texts import Change
from meshplan.compiler.lockfile import ServerLock, lock_path, locked, write_lock
from meshplan.schemas.capability import CapabilityKey

FILE = tool(
    "file_ticket",
    {
        "title": {"type": "string", "description": "What it is *about*"},
        "priority": {"enum": ["low", "urgent"]},
        "labels": {"type": "array", "items": {"$ref": "#/$defs/label"}},
        "due-date": {"type": "string"},
    },
    ["title"],
)
FILE["inputSchema"]["$defs"] = {"label": {"type": "object", "properties": {"color": {"type": "string"}}}}
FILE["outputSchema"] = {
    "type": "object",
    "properties": {"number": {"type": "integer"}, "usage": {"type": "object", "properties": {"tokens": {}}}},
    "required": ["number"],
}
CLOSE = tool("close_ticket", {"number": {"type": "integer"}, "title": {"type": "string"}}, ["number"])

MESH = BASE.replace("servers:\n", "servers:\n  tickets: {http: https://t.example/mcp}\n").replace(
    "teams: {writers: {}}", "teams: {writers: {}, night: {}}"
)
RULE = MESH.replace(
    "    allow: [{server: notes, tools: {effect: read}}]\n",
    "    allow:\n      - {server: notes, tools: {effect: read}}\n      - {server: tickets, tools: [file_*], when: WHEN}\n",
)
MORE = (
    MESH
    + """\
prices:
  tickets.file_ticket: {per_call: 1 usd, usage: USAGE}
contracts:
  desk/v1:
    operations:
      OPEN: {input: {type: object, properties: {subject: {type: string}}}, output: {type: object}}
bindings:
  desk:
    contract: desk/v1
    as: desk
    provider: tickets
    map:
      OPEN: {tool: file_ticket, in: {title: IN}, out: {ok: OUT}}
workflows:
  triage:
    input: {type: object, properties: {what: {type: string, description: what happened}}}
    steps:
      - {name: first, call: tickets.file_ticket, with: {title: FIRST}}
      - {name: second, call: tickets.close_ticket, with: {number: SECOND}, when: ALSO}
    output: LAST
"""
)


def lock(name, tools):
    definitions = {CapabilityKey(name, "tool", one["name"]): locked(one) for one in tools}
    identity = {"kind": "http", "url": "https://t.example/mcp"}
    return ServerLock(name, identity, "2026-07-28", {}, {"tools": {}}, None, definitions)


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "mesh.lock").mkdir()
    (tmp_path / "mesh.yaml").write_text(MESH)
    for name, text in lock_texts(MESH).items():
        (tmp_path / name).write_text(text)
    (tmp_path / lock_path("tickets")).write_text(write_lock(lock("tickets", [FILE, CLOSE])))
    found = Desk(tmp_path)
    found.session.open(found.path, MORE, 1)
    job = found.session.job(tmp_path)
    found.session.accept(job, job.run())
    return found


class Desk:
    """One file in an editor; `|` is where the cursor is, and the compiler gets no time to look."""

    def __init__(self, folder):
        self.session, self.path = Session("mesh.yaml", lambda: TODAY), folder / "mesh.yaml"

    def put(self, text):
        offset = text.index("\u00a6")
        self.session.change(self.path, [Change(None, text.replace("\u00a6", "", 1))], 2)
        return self.session.buffers[self.path].document.position(offset)

    def items(self, mesh, place, text):
        self.text = mesh.replace(place, text)
        return {item.label: item for item, _ in self.session.complete(self.path, self.put(self.text))}

    def fields(self, mesh, place, text):
        return [label for label, item in self.items(mesh, place, text).items() if item.kind == "field"]

    def applied(self, label, mesh, place, text):
        item = self.items(mesh, place, text)[label]
        plain = self.text.replace("\u00a6", "", 1)
        return plain[: item.start] + item.text + plain[item.end :]

    def hover(self, mesh, place, text):
        found = self.session.hover(self.path, self.put(mesh.replace(place, text)))
        return found and found[0]


@pytest.mark.parametrize(
    "written",
    [
        '"args.¦"',
        "args.¦",
        "'args.¦'",
        '"args.¦',
        "'args.¦",
        '"args.ti¦tle == 1"',
        '"has(args.¦',
        "\"args.title == 'a' && args.¦\"",
    ],
)
def test_the_arguments_of_the_tools_that_a_rule_means(desk, written):
    fields = ["due-date", "labels", "priority", "title"]
    found = desk.fields(RULE, "WHEN", written)
    assert found == (fields if written.startswith('"') else fields[1:])  # `['due-date']` cannot be written there


def test_types_and_descriptions_come_from_the_lock(desk):
    found = desk.items(RULE, "WHEN", '"args.¦"')
    assert (found["title"].detail, found["title"].about) == ("string", "```text\nWhat it is *about*\n```")
    assert found["priority"].detail == "string, may be absent"
    assert found["priority"].about == "One of `low`, `urgent`."


def test_what_only_some_of_the_tools_have_says_so(desk):
    found = desk.items(RULE.replace("file_*", "'*'"), "WHEN", '"args.¦"')
    assert found["number"].detail == "int, only 1 of the 2 that are meant here have it"
    assert found["title"].detail == "string, may be absent"


def test_what_is_chosen_is_put_where_the_name_is(desk):
    assert 'when: "args.title == 1"' in desk.applied("title", RULE, "WHEN", '"args.ti¦ == 1"')
    assert 'when: "args.title == 1"' in desk.applied("title", RULE, "WHEN", '"args.ti¦tel == 1"')
    assert "when: \"args['due-date']\"" in desk.applied("due-date", RULE, "WHEN", '"args.¦"')
    assert "when: \"args.priority == 'urgent'\"" in desk.applied("urgent", RULE, "WHEN", "\"args.priority == 'ur¦'\"")
    assert "when: \"args.priority == 'urgent'\"" in desk.applied("'urgent'", RULE, "WHEN", '"args.priority == ¦"')


def test_the_caller(desk):
    assert desk.fields(RULE, "WHEN", '"principal.¦"') == ["issuer", "sub", "user", "teams", "agents", "applications"]
    assert "the teams that the credential proves" in desk.items(RULE, "WHEN", '"principal.¦"')["teams"].about
    assert list(desk.items(RULE, "WHEN", '"principal.teams.exists(t, t == \'¦"')) == ["writers", "night"]


def test_variables_and_functions_at_a_beginning(desk):
    found = desk.items(RULE, "WHEN", '"¦"')
    assert list(found)[:2] == ["args", "principal"]
    assert {"has", "size", "true"} <= found.keys()
    assert not {"startsWith", "steps", "input"} & found.keys()
    assert desk.items(RULE, "WHEN", '"args.title ¦"') == {}
    assert desk.items(RULE, "WHEN", "\"args.title == 'wh¦'\"") == {}


def test_functions_of_a_text_and_of_a_list(desk):
    found = desk.items(RULE, "WHEN", '"args.title.¦"')
    assert found["startsWith"].text == "startsWith("
    assert "exists" not in found
    found = desk.items(RULE, "WHEN", '"args.labels.¦"')
    assert {"exists", "size"} <= found.keys()
    assert "startsWith" not in found


@pytest.mark.parametrize(
    "written",
    ['"args.labels[0].¦"', '"args.labels.exists(l, l.¦"', "\"args.labels.filter(x, x.color == 'a').all(l, has(l.¦\""],
)
def test_through_lists_and_macros(desk, written):
    assert desk.fields(RULE, "WHEN", written) == ["color"]


@pytest.mark.parametrize(
    ("place", "written", "fields"),
    [
        ("USAGE", '"result.¦"', ["number", "usage"]),
        ("USAGE", '"result.usage.¦"', ["tokens"]),
        ("IN", '"args.¦"', ["subject"]),
        ("OUT", '"result.¦"', ["number", "usage"]),
        ("FIRST", '"input.¦"', ["what"]),
        ("FIRST", '"steps.¦"', []),
        ("SECOND", '"steps.¦"', ["first"]),
        ("SECOND", '"steps.first.¦"', ["number", "usage"]),
        ("ALSO", '"steps.first.¦"', ["number", "usage"]),
        ("LAST", '"steps.¦"', ["first", "second"]),
        ("LAST", ">-\n      {'n': steps.first.number,\n       'm': steps.first.¦", ["number", "usage"]),
    ],
)
def test_mappings_steps_results_and_prices(desk, place, written, fields):
    assert desk.fields(MORE, place, written) == fields


def test_hover_tells_the_type(desk):
    said = desk.hover(RULE, "WHEN", "\"has(args.title) && args.ti¦tle == 'a'\"")
    assert said == "`args.title`: string\n\n```text\nWhat it is *about*\n```"
    assert desk.hover(RULE, "WHEN", "\"ar¦gs.title == 'a'\"").startswith("`args`: map\n\nthe arguments, exactly")
    assert "title.startsWith" not in desk.hover(RULE, "WHEN", "\"args.title.starts¦With('a')\"")
    assert "function `startsWith`" in desk.hover(RULE, "WHEN", "\"args.title.starts¦With('a')\"")
    assert desk.hover(MORE, "LAST", '"steps.second.¦"') is not None  # the key itself
    assert desk.hover(MORE, "LAST", '"steps.sec¦ond"') == "`steps.second`: any value, may be absent"


def test_an_upstreams_words_are_only_text(desk):
    nasty = json.loads(json.dumps(FILE))
    nasty["inputSchema"]["properties"] = {"a": {"type": "string", "description": "```\n[x](http://evil.example)"}}
    (desk.path.parent / lock_path("tickets")).write_text(write_lock(lock("tickets", [nasty, CLOSE])))
    job = desk.session.job(desk.path.parent)
    desk.session.accept(job, job.run())
    assert desk.items(RULE, "WHEN", '"args.¦"')["a"].about.startswith("````text\n")


@pytest.mark.parametrize(
    "written", ['"args.' + "a." * 2000 + '¦"', '"' + "(" * 500 + "args.¦", '"args' + "[0]" * 700 + '.¦"']
)
def test_nothing_is_too_deep(desk, written):
    assert isinstance(desk.items(RULE, "WHEN", written), dict)
