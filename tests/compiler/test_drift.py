"""`mesh drift` and `mesh lock --check` on answers that are made up: states, classes, exit codes, what reaches a terminal."""

import io
import json
import os

import pytest
from meshes import BASE, DEFINITIONS, DESTROY, tool

from meshplan.compiler import locking
from meshplan.compiler.cli import run
from meshplan.compiler.lockfile import Package
from meshplan.compiler.lockread import read_lock
from meshplan.compiler.packages import Answer
from meshplan.compiler.reader import FolderReader
from meshplan.compiler.render.progress import Progress

MESH = BASE.replace("virtual:", "  tickets: {http: 'http://127.0.0.1:8801/mcp'}\nvirtual:")


def answers(**more):
    found = {
        name: {
            "server": name,
            "ok": True,
            "protocol_version": "2026-07-28",
            "server_info": {"name": name},
            "capabilities": {},
            "instructions": None,
            "tools": list(DEFINITIONS[name]["tool"]),
        }
        for name in ("notes", "tickets")
    }
    return {name: {**found[name], **more.get(name, {})} for name in found}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder with a lock, and servers whose answers a test changes."""
    (tmp_path / "mesh.yaml").write_text(MESH)
    now = answers()

    def probe(servers, *, root, timeout_ms, private_networks):
        return iter([now[name] for name in servers])

    monkeypatch.setattr(locking, "probe", probe)
    assert run(["-C", str(tmp_path), "lock"]) == 0

    def change(server, **more):
        now[server] = {**now[server], **more}

    change.folder = tmp_path
    return change


def mesh(world, *words):
    return run(["-C", str(world.folder), *words])


def files(world):
    return {path.name: path.read_bytes() for path in (world.folder / "mesh.lock").iterdir()}


HOSTILE = "\x1b[31m\u202e<b>@x"


def test_nothing_has_drifted(world, capsys):
    assert mesh(world, "drift", "--exit-code") == 0
    out = capsys.readouterr().out
    assert out == "      same  notes\n      same  tickets\n"


def test_differences_are_classes_and_exit_2_on_demand(world, capsys):
    tools = [d for d in DEFINITIONS["notes"]["tool"] if d["name"] not in ("get_note", "search")]
    tools += [
        tool("get_note", {"id": {"type": "string"}}, ["id"], **DESTROY),
        tool("search_all", {"query": {"type": "string"}}, ["query"]),
    ]
    world("notes", tools=tools)
    before = files(world)
    assert mesh(world, "drift") == 0
    assert mesh(world, "drift", "--exit-code") == 2
    out = capsys.readouterr().out
    assert "   drifted  notes\n" in out
    assert "BREAKING WIDENING  tool get_note: input incompatible, annotations, effect read → destructive\n" in out
    assert "input/id: no longer takes `integer`\n" in out
    assert "BREAKING           tool search: gone\n" in out
    assert "tool search_all: new (resembles search, 0." in out
    assert "same  tickets" in out
    assert files(world) == before


def test_lock_check_says_the_same_and_writes_nothing(world, capsys):
    world("notes", tools=[*DEFINITIONS["notes"]["tool"][:-1]])
    before = files(world)
    assert mesh(world, "lock", "--check") == 2
    err = capsys.readouterr().err
    assert "  changed  notes: 1 change\n" in err
    assert "BREAKING           tool delete_note: gone" in err
    assert files(world) == before
    assert mesh(world, "lock") == 0
    assert capsys.readouterr().err == err
    assert files(world) != before
    assert mesh(world, "lock", "--check") == 0


@pytest.mark.parametrize(
    "words", [["drift"], ["drift", "--exit-code"], ["drift", "--format", "json"], ["drift", "notes"]]
)
def test_unreachable_is_never_clean(world, capsys, words):
    world("notes", ok=False, kind="unreachable", message=f"no route {HOSTILE}")
    world("tickets", tools=[])
    assert mesh(world, *words) == 7
    out = capsys.readouterr().out
    assert "no route" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.parametrize("words", [["lock"], ["lock", "--check"], ["lock", "--update", "notes"]])
def test_lock_is_not_done_where_a_server_is_unreachable(world, capsys, words):
    world("notes", ok=False, kind="unreachable", message="no route")
    assert mesh(world, *words) == 7
    assert "no route" in capsys.readouterr().err


def test_a_server_that_breaks_the_rules_is_not_clean_either(world, capsys):
    world("notes", tools=[{"name": "a"}, {"name": "a"}])
    assert mesh(world, "drift") == 7
    assert "   unknown  notes: refused: the server lists tool `a` twice" in capsys.readouterr().out


def test_one_server_only(world, capsys):
    world("notes", ok=False, kind="timeout", message="x")
    assert mesh(world, "drift", "tickets", "--exit-code") == 0
    assert capsys.readouterr().out == "      same  tickets\n"
    assert mesh(world, "drift", "tikets") == 64
    assert "did you mean `tickets`?" in capsys.readouterr().err


def test_not_locked_differs_and_a_damaged_lock_is_unknown(world, capsys):
    (world.folder / "mesh.lock/notes.json").unlink()
    assert mesh(world, "drift", "--exit-code") == 2
    assert "not locked  notes" in capsys.readouterr().out
    (world.folder / "mesh.lock/notes.json").write_text("{")
    assert mesh(world, "drift") == 7
    assert "its lock cannot be used" in capsys.readouterr().out
    assert mesh(world, "lock", "--check") == 2
    assert "the lock that there was cannot be used" in capsys.readouterr().err


def test_json_is_versioned_and_ascii(world, capsys):
    world("notes", tools=[{**d, "description": HOSTILE} for d in DEFINITIONS["notes"]["tool"]], instructions=HOSTILE)
    assert mesh(world, "drift", "--format", "json", "--exit-code") == 2
    out = capsys.readouterr().out
    assert out.isascii()
    document = json.loads(out)
    assert document["format"] == "mesh.dev/drift/v1"
    notes, tickets = document["servers"]
    assert (notes["server"], notes["state"], tickets["state"]) == ("notes", "drifted", "same")
    assert {tuple(change["classes"]) for change in notes["changes"]} == {("description",)}
    assert notes["changes"][0].keys() == {
        *("capability", "classes", "breaking", "widening", "renamed_from", "score", "details")
    }


def test_text_from_upstream_is_made_visible(world, capsys):
    world("notes", tools=[tool(f"n{HOSTILE}\n")], instructions=HOSTILE, server_info={HOSTILE: HOSTILE})
    assert mesh(world, "drift") == 0
    assert mesh(world, "lock", "--check") == 2
    said = capsys.readouterr()
    assert all(char.isprintable() or char == "\n" for char in said.out + said.err)
    assert "\\u001b[31m\\u202e" in said.out


def test_a_transport_that_changed_in_mesh_yaml_is_an_identity(world, capsys):
    (world.folder / "mesh.yaml").write_text(MESH.replace("8801", "8802"))
    assert mesh(world, "drift", "tickets", "--exit-code") == 2
    out = capsys.readouterr().out
    assert "BREAKING WIDENING  the server: identity\n" in out
    assert "transport/url" in out


PACKAGED = MESH.replace("[python, notes.py]", "[npx, -y, 'notes@1.0.0']")


@pytest.fixture
def registry(world, monkeypatch):
    """What a registry would say; starts with one answer that is locked."""
    said = {"is": Answer(Package("npm", "notes", "1.0.0", "sha512-one"))}
    monkeypatch.setattr("meshplan.compiler.packages.integrity", lambda server, root: said["is"])
    (world.folder / "mesh.yaml").write_text(PACKAGED)
    assert mesh(world, "lock") == 0
    return said


def locked(world):
    return read_lock(FolderReader(world.folder), "notes")


def test_integrity_is_recorded_and_compared(world, registry, capsys):
    assert locked(world).package.integrity == "sha512-one"
    assert '"package": {' in (world.folder / "mesh.lock/notes.json").read_text()
    registry["is"] = Answer(Package("npm", "notes", "1.0.0", "sha512-two"))
    assert mesh(world, "drift", "--exit-code") == 2
    assert "BREAKING WIDENING  the server: package\n" in capsys.readouterr().out


def test_a_registry_that_cannot_be_asked_is_a_note(world, registry, capsys):
    registry["is"] = Answer(None, "npm is not installed")
    before = files(world)
    assert mesh(world, "lock") == 0
    assert files(world) == before
    assert "note  notes: npm is not installed; the recorded integrity stays" in capsys.readouterr().err
    assert mesh(world, "drift", "--exit-code") == 0
    (world.folder / "mesh.lock/notes.json").unlink()
    assert mesh(world, "lock") == 0
    assert "note  notes: npm is not installed; no integrity is recorded" in capsys.readouterr().err
    assert locked(world).package is None
    assert '"package"' not in (world.folder / "mesh.lock/notes.json").read_text()


def test_another_version_forgets_the_old_integrity(world, registry):
    (world.folder / "mesh.yaml").write_text(PACKAGED.replace("1.0.0", "1.1.0"))
    registry["is"] = Answer(None, "no")
    assert mesh(world, "lock") == 0
    assert locked(world).package is None


@pytest.mark.parametrize(
    "package",
    [3, [], {}, {"ecosystem": "npm"}, {"ecosystem": "x", "name": "a", "version": "1", "integrity": "s"}],
)
def test_a_misshapen_package_is_damage(world, registry, package, capsys):
    path = world.folder / "mesh.lock/notes.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "package": package}))
    assert mesh(world, "validate") == 1
    assert "MESH903" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((30, 24)))
    terminal, log = Terminal(), io.StringIO()
    for stream in (terminal, log):
        with Progress(stream) as progress:
            progress.begin(["github", "jira", "a-server-with-a-long-name"])
            progress.done("jira", ["jira is done"])
            progress.done("github", [])
            assert progress.text() == "asking 2/3: a-server-with-a-long-name"
    assert log.getvalue() == "jira is done\n"
    shown = terminal.getvalue()
    assert "asking 0/3: github, jira, a-s…"[:28] in shown
    assert "\r\x1b[Kjira is done\n" in shown
    assert shown.endswith("\r\x1b[K")
    assert all(len(line) < 30 for part in shown.split("\n") for line in part.split("\r\x1b[K"))
