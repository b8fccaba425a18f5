"""What an editor is told of a mesh: names from the locks, keys of the language, and where things are declared."""

from __future__ import annotations

from pathlib import Path

import pytest
from meshes import BASE, READ, TODAY, lock_texts, tool

from meshplan.compiler.language_server.session import Session
from meshplan.compiler.language_server.texts import Change, Range
from meshplan.compiler.lockfile import ServerLock, lock_path, locked, write_lock
from meshplan.schemas.capability import CapabilityKey

TWO = BASE.replace("servers:\n", "servers:\n  tickets: {http: https://t.example/mcp}\n")


@pytest.fixture
def session(tmp_path):
    (tmp_path / "mesh.lock").mkdir()
    (tmp_path / "mesh.yaml").write_text(TWO)
    for name, text in lock_texts(TWO).items():
        (tmp_path / name).write_text(text)
    return Session("mesh.yaml", lambda: TODAY)


class Desk:
    """One file in an editor; `|` in a text is where the cursor is."""

    def __init__(self, session, folder, name="mesh.yaml"):
        self.session, self.path, self.version = session, folder / name, 0

    def know(self, text):
        self.version += 1
        self.session.open(self.path, text, self.version)
        job = self.session.job(self.session.mesh_of(self.path))
        return self.session.accept(job, job.run())

    def put(self, text):
        """Type a text without giving the compiler time to look."""
        self.version += 1
        offset = text.index("|")
        self.session.change(self.path, [Change(None, text.replace("|", "", 1))], self.version)
        return self.session.buffers[self.path].document.position(offset)

    def items(self, text):
        return {item.label: item for item, _ in self.session.complete(self.path, self.put(text))}

    def hover(self, text):
        found = self.session.hover(self.path, self.put(text))
        return found and found[0]

    def define(self, text):
        found = self.session.definitions(self.path, self.put(text))
        return [(path.relative_to(self.path.parent).as_posix(), place.start.line) for path, place in found]


@pytest.fixture
def desk(session, tmp_path):
    found = Desk(session, tmp_path)
    found.know(TWO)
    return found


def within(old, new, text=TWO):
    assert old in text
    return text.replace(old, new, 1)


INCLUDE = "{server: notes, tools: {effect: read}}\nidentity"
NOTES = ["create_note", "delete_note", "get_note", "list_notes", "search"]


@pytest.mark.parametrize(
    ("old", "new", "labels"),
    [
        (INCLUDE, "{server: |}\nidentity", ["notes", "tickets"]),
        (INCLUDE, "{server: no|", ["notes", "tickets"]),
        (INCLUDE, "{server: notes, tools: [|\nidentity", NOTES),
        (INCLUDE, "{server: notes, tools: |}\nidentity", ["all"]),
        (INCLUDE, "{server: notes, tools: {effect: |}}\nidentity", ["read", "write", "destructive"]),
        (INCLUDE, "{server: notes, prompts: [|]}\nidentity", ["summarize_note"]),
        (INCLUDE, "{server: tickets, templates: [|]}\nidentity", ["ticket://{id}"]),
        (INCLUDE, "{tools: [|], server: notes}\nidentity", NOTES),
        (
            INCLUDE,
            "\n        server: tickets\n        tools:\n          - |\nidentity",
            ["close_ticket", "create_ticket"],
        ),
        (INCLUDE, "{server: notes, tools: all}\n    tools:\n      |\nidentity", NOTES),
        (
            INCLUDE,
            "{server: notes, tools: all, prefix: n_}\n    tools:\n      n_g|\nidentity",
            [f"n_{n}" for n in NOTES],
        ),
        (INCLUDE, "{server: notes, tools: all}\n    tools:\n      get_note: {|}\nidentity", ["name", "set", "hide"]),
        (INCLUDE, "{server: notes, tools: all}\n    tools:\n      get_note: {hide: [|]}\nidentity", ["id"]),
        (INCLUDE, "{server: notes, tools: all}\n    tools:\n      search: {set: {|}}\nidentity", ["query"]),
        (INCLUDE, "{server: notes, tools: all}\n    strategy: |\nidentity", ["passthrough", "search", "code"]),
        ("to: [{team: writers}]", "to: [{|}]", ["user", "team", "agent", "application"]),
        ("{team: writers}", "{team: |}", ["writers"]),
        ("grants:\n  - {role: reader", "grants:\n  - {role: |", ["reader"]),
        ("allow: [", "extends: [|]\n    allow: [", ["reader"]),
        ("allow: [{server", "allow: [{endpoint: |, server", ["desk"]),
        (
            "allow: [{server: notes, tools: {effect: read}}]",
            "allow: [{server: tickets, tools: [|",
            ["get_ticket", "search"],
        ),
        ("notes: {stdio: [python, notes.py]}", "notes: {stdio: [python, notes.py], |}", ["env", "cwd", "effects"]),
        (
            "notes: {stdio: [python, notes.py]}",
            "notes: {stdio: [python, notes.py], effects: {destructive: [|]}}",
            ["delete_note"],
        ),
        ("name: acme", "na|", ["name"]),
        ("grants:", "r|\ngrants:", ["runtime"]),
        ("mesh: v1", "mesh: |", ["v1"]),
    ],
)
def test_completion_knows_what_belongs_there(desk, old, new, labels):
    found = desk.items(within(old, new))
    assert [label for label in labels if label not in found] == [], sorted(found)


def test_what_is_there_already_is_not_proposed_and_other_servers_tools_are_not(desk):
    assert "tools" not in desk.items(within(INCLUDE, "{server: notes, tools: all, |}\nidentity"))
    assert "get_ticket" not in desk.items(within(INCLUDE, "{server: notes, tools: [|]}\nidentity"))
    assert "http" not in desk.items(within("notes: {stdio: [python, notes.py]}", "notes: {stdio: [x], |}"))


def test_a_proposal_fits_where_it_is_put(desk):
    assert desk.items(within("grants:", "r|\ngrants:"))["runtime"].text == "runtime:"
    assert desk.items(within("name: acme", "na|"))["name"].text == "name: "
    templates = "{server: notes, templates: [|]}\nidentity"
    assert desk.items(within(INCLUDE, templates))["note://{id}"].text == '"note://{id}"'
    quoted = desk.items(within(INCLUDE, templates.replace("|", '"no|"')))["note://{id}"]
    assert quoted.text == "note://{id}"


def test_names_stay_known_while_the_document_is_broken(desk):
    broken = within("identity:", "broken: {[\nidentity:")
    assert any(desk.know(broken).values())
    assert list(desk.items(within("{team: writers}", "{team: |", broken))) == ["writers"]
    assert set(NOTES) <= set(desk.items(within(INCLUDE, "{server: notes, tools: [|")))


def test_nothing_is_proposed_in_comments_and_prose(desk):
    assert desk.items(within("name: acme", "name: acme # se|")) == {}
    assert desk.items(within("name: acme", "name: acme\ndescription: we se|rve")) == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("server: notes", "server: no|tes", "stdio server `notes`, locked with 5 tools"),
        ("tools: {effect: read}", "to|ols: {effect: read}", "Tools: `all`, names and globs"),
        ("tools: {effect: read}", "tools: [get_n|ote]", "effect **read** (annotated)"),
        ("tools: {effect: read}", "tools: [get_n|ote]", "```text\nthe tool get_note\n```"),
        ("tools: {effect: read}", "tools: [get_n|ote]", "id: integer (required)"),
        ("tools: {effect: read}", "tools: ['*_no|te']", "`*_note` matches 3 in the lock"),
        ("{team: writers}", "{team: wri|ters}", "team `writers`"),
        ("tools: {effect: read}}\nid", "tools: all}\n    tools: {search: {set: {que|ry: a}}}\nid", "argument `query`"),
        ("tools: {effect: read}}\nid", "tools: all}\n    tools: {sea|rch: {set: {query: a}}}\nid", "tool `search` of"),
        ("mesh: v1", "me|sh: v1", "Required."),
    ],
)
def test_hover_says_what_a_thing_is(desk, old, new, said):
    assert said in (desk.hover(within(old, new)) or "")


def test_hover_works_on_a_broken_document(desk):
    assert "stdio server `notes`" in desk.hover(within("server: notes", "server: no|tes") + "x: [\n")


def test_what_a_server_wrote_is_only_text(session, tmp_path):
    hostile = tool("evil`\n# x", {"a": {"type": "string"}}, **READ)
    hostile["description"] = "```\n[click](command:evil) <img src=x>\n````\u202ereversed"
    definitions = {CapabilityKey("notes", "tool", hostile["name"]): locked(hostile)}
    identity = {"kind": "stdio", "argv": ["python", "notes.py"], "cwd": "."}
    lock = ServerLock("notes", identity, "2026-07-28", {}, {"tools": {}}, None, definitions)
    (tmp_path / lock_path("notes")).write_text(write_lock(lock))
    desk = Desk(session, tmp_path)
    desk.know(BASE)
    (item,) = desk.items(within("{effect: read}}\nid", "[|]}\nid", BASE)).values()
    assert item.label == "evil`\\u000a# x"
    assert item.text == '"evil`\\n# x"'
    text = item.about
    assert "\u202e" not in text
    assert "\n`````text\n```\n[click]" in text
    assert text.count("`````") == 2
    assert "# x" not in [line.strip() for line in text.split("\n")]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("server: notes", "server: no|tes", ("mesh.yaml", 4)),
        ("{role: reader", "{role: rea|der", ("mesh.yaml", 12)),
        ("[{team: writers}]", "[{team: wri|ters}]", ("mesh.yaml", 10)),
    ],
)
def test_a_definition_is_where_it_is_declared(desk, old, new, place):
    assert desk.define(within(old, new)) == [place]


def test_a_tool_is_defined_by_its_line_in_the_lock(desk, tmp_path):
    ((file, line),) = desk.define(within("{effect: read}}\nid", "[get_n|ote]}\nid"))
    assert file == "mesh.lock/notes.json"
    assert (tmp_path / file).read_text().split("\n")[line] == '    "get_note": {'
    assert len(desk.define(within("{effect: read}}\nid", "['*_no|te']}\nid"))) == 3
    assert desk.define(within("name: acme", "name: ac|me")) == []


def test_a_fix_is_offered_where_it_is_certain(desk):
    text = within("server: notes", "server: nots")
    desk.know(text)
    buffer = desk.session.buffers[desk.path].document
    place = buffer.position(text.index("nots"))
    ((diagnostic, fix, path, where),) = desk.session.fixes(desk.path, Range(place, place))
    assert (diagnostic.code, fix.text, path) == ("MESH201", "notes", desk.path)
    assert buffer.changed(Change(where, fix.text)).text == TWO
    assert desk.session.fixes(desk.path, Range(buffer.position(0), buffer.position(1))) == []
    desk.put("# typed|\n" + text)
    assert desk.session.fixes(desk.path, Range(place, place)) == []


def test_findings_count_in_the_clients_units(session, tmp_path):
    desk = Desk(session, tmp_path)
    text = within("{team: writers}", "{user: '\U0001f9ec\U0001f9ec', team: writer}")
    found = [f for f in desk.know(text)[desk.path] if f.diagnostic.code == "MESH209"]
    line = text[: text.index("writer}")].rsplit("\n", 1)[1]
    assert found[0].range.start.column == len(line.encode("utf-16-le")) // 2 == len(line) + 2


def test_the_same_in_a_file_with_a_byte_order_mark_and_crlf(session, tmp_path):
    desk = Desk(session, tmp_path)
    text = "\ufeff" + within("server: notes", "server: nots").replace("\n", "\r\n")
    (found,) = desk.know(text)[desk.path]
    start, end = found.range
    assert text.split("\r\n")[start.line][start.column : end.column] == "nots"


def test_files_that_a_mesh_includes_are_part_of_it(session, tmp_path):
    (tmp_path / "mesh.yaml").write_text(within("grants:", "include: [parts/*.yaml]\nmoved_grants:").split("moved")[0])
    (tmp_path / "parts").mkdir()
    part = "grants:\n  - {role: reader, to: [{team: writer}]}\n"
    (tmp_path / "parts/grants.yaml").write_text(part)
    desk = Desk(session, tmp_path, "parts/grants.yaml")
    findings = desk.know(part)
    assert [f.diagnostic.code for f in findings[desk.path]] == ["MESH209"]
    assert list(desk.items(part.replace("writer}", "|}"))) == ["writers"]
    offset = desk.put(part.replace("reader", "rea|der"))
    ((path, place),) = session.definitions(desk.path, offset)
    assert (path, place.start.line) == (tmp_path / "mesh.yaml", 12)
    session.close(desk.path)
    assert session.mesh_of(Path("/nowhere/x.yaml")) is None


TESTS = "mesh-test: v1\ntests:\n  - {name: reads, endpoint: desk, as: 'team:writers', call: get_note, expect: allow}\n"


def test_an_access_test_that_is_open_is_checked_against_the_mesh(session, tmp_path):
    Desk(session, tmp_path).know(TWO)
    tests = Desk(session, tmp_path, "desk.mesh-test.yaml")
    assert tests.know(TESTS)[tests.path] == []
    (wrong,) = tests.know(TESTS.replace("get_note", "get_nite"))[tests.path]
    assert wrong.diagnostic.message == "`desk` offers nothing called `get_nite`"
    assert wrong.range.start == (2, TESTS.splitlines()[2].index("get_note"))
    (unknown,) = tests.know(TESTS.replace("expect", "expects"))[tests.path]
    assert "expects" in unknown.diagnostic.message
    session.close(tests.path)
    assert Desk(session, tmp_path).know(TWO)[tests.path] == []
