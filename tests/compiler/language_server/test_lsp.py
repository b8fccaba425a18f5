"""`mesh lsp` as an editor meets it: a process of its own, spoken with over its standard streams."""

from __future__ import annotations

import subprocess
import sys

import pytest
from lsp_editor import editor
from meshes import BASE, lock_texts

from meshplan.compiler.cli import run


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mesh.lock").mkdir()
    (tmp_path / "mesh.yaml").write_text(BASE)
    for name, text in lock_texts(BASE).items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def desk(folder):
    with editor(folder) as found:
        capabilities = found.start()
        assert capabilities["positionEncoding"] == "utf-16"
        assert capabilities["textDocumentSync"]["change"] == 2
        found.open("mesh.yaml", BASE)
        assert found.findings("mesh.yaml") == []
        yield found


def change(line, start, end, text):
    return {
        "range": {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}},
        "text": text,
    }


INCLUDE = BASE.split("\n").index("      - {server: notes, tools: {effect: read}}")


def test_a_session_from_a_slip_to_its_fix(desk, folder):
    desk.change("mesh.yaml", change(INCLUDE, 17, 22, "nots"))
    (found,) = desk.findings("mesh.yaml")
    assert (found["code"], found["source"], found["severity"]) == ("MESH201", "mesh", 1)
    assert found["message"] == "there is no server `nots`\ndid you mean `notes`?"
    assert found["range"]["start"] == {"line": INCLUDE, "character": 17}
    context = {
        "textDocument": {"uri": desk.uri("mesh.yaml")},
        "range": found["range"],
        "context": {"diagnostics": [found]},
    }
    (action,) = desk.ask("textDocument/codeAction", context)
    assert (action["title"], action["kind"]) == ("Replace by `notes`", "quickfix")
    ((uri, (edit,)),) = action["edit"]["changes"].items()
    assert uri == desk.uri("mesh.yaml")
    desk.change("mesh.yaml", {"range": edit["range"], "text": edit["newText"]})
    assert desk.findings("mesh.yaml") == []
    assert (folder / "mesh.yaml").read_text() == BASE


def test_several_changes_at_once_and_a_whole_text(desk):
    desk.change(
        "mesh.yaml",
        change(0, 0, 0, "# \U0001f9ec\u2028# note\n"),
        change(0, 4, 4, "x"),
        change(INCLUDE + 1, 17, 22, "nots"),
    )
    (hidden,) = desk.findings("mesh.yaml")
    assert (hidden["code"], hidden["range"]["start"]) == ("MESH008", {"line": 0, "character": 5})
    desk.change("mesh.yaml", {"range": hidden["range"], "text": ""})
    (found,) = desk.findings("mesh.yaml")
    assert found["range"]["start"] == {"line": INCLUDE + 1, "character": 17}
    desk.change("mesh.yaml", {"text": BASE.replace("team: writers", "team: '\U0001f9ec', agent: ci")})
    codes = {(d["code"], d["range"]["start"]["character"]) for d in desk.findings("mesh.yaml")}
    line = "  - {role: reader, to: [{team: '\U0001f9ec', agent: "
    assert ("MESH210", len(line) + 1) in codes, codes


def test_typing_a_tool_while_nothing_parses(desk):
    desk.change("mesh.yaml", change(INCLUDE, 24, 46, "tools: [g"))
    assert [d["code"] for d in desk.findings("mesh.yaml")] == ["MESH001"]
    found = desk.complete("mesh.yaml", INCLUDE, 33)
    assert {"get_note", "delete_note"} <= set(found)
    item = found["get_note"]
    assert item["textEdit"]["range"]["start"] == {"line": INCLUDE, "character": 32}
    assert "effect **read**" in item["documentation"]["value"]
    assert "the tool get_note" in item["documentation"]["value"]


def test_hover_and_definition(desk, folder):
    assert "stdio server `notes`" in desk.hover("mesh.yaml", INCLUDE, 19)
    assert desk.hover("mesh.yaml", INCLUDE, 2) is None
    assert desk.define("mesh.yaml", INCLUDE, 19) == [("mesh.yaml", 3)]
    desk.change("mesh.yaml", change(INCLUDE, 24, 45, "tools: [get_note]"))
    ((file, line),) = desk.define("mesh.yaml", INCLUDE, 35)
    assert file == "notes.json"
    assert '"get_note"' in (folder / "mesh.lock/notes.json").read_text().split("\n")[line]


def test_a_lock_that_comes_is_seen_and_a_closed_file_is_the_one_on_disk(desk, folder):
    lock = (folder / "mesh.lock/notes.json").read_text()
    (folder / "mesh.lock/notes.json").unlink()
    told = {"changes": [{"uri": desk.uri("mesh.lock/notes.json"), "type": 3}]}
    desk.send("workspace/didChangeWatchedFiles", told)
    assert [d["code"] for d in desk.told("mesh.yaml")] == ["MESH901"]
    (folder / "mesh.lock/notes.json").write_text(lock)
    desk.send("workspace/didChangeWatchedFiles", told)
    assert desk.told("mesh.yaml") == []
    desk.change("mesh.yaml", {"text": "\t"})
    assert [d["code"] for d in desk.findings("mesh.yaml")] != []
    desk.send("textDocument/didClose", {"textDocument": {"uri": desk.uri("mesh.yaml")}})
    assert desk.told("mesh.yaml") == []


def test_inside_an_expression(desk):
    line = BASE.split("\n").index("    allow: [{server: notes, tools: {effect: read}}]")
    rule = '    allow: [{server: notes, tools: [get_note], when: "args.'
    end = len(BASE.split("\n")[line])
    desk.change("mesh.yaml", change(line, 0, end, rule))  # the quote is open, and so are the brackets
    found = desk.complete("mesh.yaml", line, len(rule))
    assert (found["id"]["kind"], found["id"]["detail"]) == (5, "int")
    assert found["id"]["textEdit"]["newText"] == "id"
    desk.change("mesh.yaml", change(line, len(rule), len(rule), 'id > 1"}]'))
    assert desk.findings("mesh.yaml") == []
    assert desk.hover("mesh.yaml", line, len(rule) + 1) == "`args.id`: int"
    place = desk.at("textDocument/hover", "mesh.yaml", line, len(rule) + 1)["range"]
    assert (place["start"]["character"], place["end"]["character"]) == (len(rule), len(rule) + 2)


def test_a_file_of_no_mesh_is_left_alone(desk):
    desk.open("other.txt", "servers: x")
    assert desk.complete("other.txt", 0, 0) is not None
    assert desk.at("textDocument/hover", "/tmp/elsewhere.yaml", 0, 0) is None
    assert desk.define("other.txt", 0, 3) == []


def test_it_ends_when_it_is_told_to(folder):
    with editor(folder) as found:
        found.start(positionEncodings=["utf-32", "utf-16"])
        found.open("mesh.yaml", BASE.replace("{team: writers}", "{user: '\U0001f9ec', team: writer}"))
        (wrong,) = [d for d in found.findings("mesh.yaml") if d["code"] == "MESH209"]
        assert wrong["range"]["start"]["character"] == len("  - {role: reader, to: [{user: 'x', team: ")
        assert found.stop() == 0


def test_without_its_extra_it_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setattr("meshplan.compiler.commands.lsp.find_spec", lambda name: None)
    assert run(["lsp"]) == 64
    assert "pip install 'meshplan[lsp]'" in capsys.readouterr().err


def test_no_other_command_loads_the_protocol():
    ask = "import sys; from meshplan.compiler.cli import run; run(['-f', 'none.yaml', 'validate']); print([m for m in sys.modules if m.split('.')[0] in ('pygls', 'lsprotocol', 'cattrs')])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
