"""`mesh client`: the entry for an endpoint, printed or merged, and nobody's secret shown."""

from __future__ import annotations

import json
import stat
import tomllib

import pytest
from meshes import BASE, lock_texts

from meshplan.compiler.cli import run
from meshplan.compiler.clients import CLIENTS
from meshplan.compiler.importers import read

URL = "http://127.0.0.1:8700/mcp/desk"
THEIRS = '// t0ken: CANARY\n{\n  "mcpServers": {\n    "git": {"command": "CANARY", "env": {"K": "CANARY"}}\n  }\n}\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "mesh.lock").mkdir()
    (tmp_path / "mesh.yaml").write_text(BASE)
    for name, text in lock_texts(BASE).items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def mesh(folder, capsys):
    def call(*words):
        code = run(["-C", str(folder), *map(str, words)])
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_the_snippet_is_all_of_stdout_and_leads_to_the_endpoint(mesh, client, folder):
    words = () if client == "claude-desktop" else ("--key-env", "MESH_KEY")
    code, out, err = mesh("client", client, *words)
    assert code == 0
    (server,) = read(client, "x", out).servers
    if client == "claude-desktop":
        assert server.entry["stdio"][-4:] == ["-C", str(folder), "stdio", "desk"]
    else:
        assert dict(server.entry) == {"http": URL, "auth": {"bearer": {"env": "MESH_KEY"}}}
    assert err.startswith("for ")
    assert "note: this entry has no key" not in err


@pytest.mark.parametrize(
    ("runtime", "words", "url"),
    [
        ("", (), URL),
        ("runtime: {listen: '0.0.0.0:9000'}\n", (), "http://127.0.0.1:9000/mcp/desk"),
        ("runtime: {listen: '[::]:9000'}\n", (), "http://[::1]:9000/mcp/desk"),
        ("runtime: {public_url: https://mesh.example/}\n", (), "https://mesh.example/mcp/desk"),
        (
            "runtime: {public_url: https://mesh.example}\n",
            ("--url", "https://x.example/base/"),
            "https://x.example/base/mcp/desk",
        ),
    ],
)
def test_the_url_is_where_the_mesh_is_found(mesh, folder, runtime, words, url):
    (folder / "mesh.yaml").write_text(BASE + runtime)
    code, out, err = mesh("client", "cursor", "desk", *words)
    assert code == 0
    assert json.loads(out)["mcpServers"]["desk"] == {"url": url}
    assert "note: this entry has no key" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cursr"], "did you mean `cursor`?"),
        (["cursor", "dsk"], "there is no virtual MCP `dsk`; did you mean `desk`?"),
        (["cursor", "elsewhere"], "known: `desk`"),
        (["cursor", "--stdio", "--local"], "at most one of"),
        (["cursor", "--local"], "`mesh up` makes it"),
        (["claude-desktop", "--key-env", "K"], "needs no key"),
    ],
)
def test_slips_exit_64_with_advice(mesh, words, said):
    code, out, err = mesh("client", *words)
    assert (code, out) == (64, "")
    assert said in err


def test_several_endpoints_want_a_choice(mesh, folder):
    extra = "  other:\n    include:\n      - {server: notes, tools: [get_note]}\n"
    (folder / "mesh.yaml").write_text(BASE.replace("identity:", extra + "identity:"))
    assert "name one of the virtual MCPs: `desk`, `other`" in mesh("client", "cursor")[2]
    assert mesh("client", "cursor", "other")[0] == 0


def test_a_mesh_that_does_not_compile_is_said_to(mesh, folder):
    (folder / "mesh.lock/notes.json").unlink()
    code, out, err = mesh("client", "cursor")
    assert (code, out) == (1, "")
    assert "MESH901" in err


def test_a_merge_shows_the_difference_first_and_only_with_write_makes_it(mesh, folder):
    path = folder / "theirs.json"
    path.write_text(THEIRS)
    path.chmod(0o600)
    code, out, err = mesh("client", "cursor", "--file", path, "--key-env", "K")
    assert code == 0
    assert path.read_text() == THEIRS
    assert '+      "url": "http://127.0.0.1:8700/mcp/desk",' in out
    assert '+        "Authorization": "Bearer ${env:K}"' in out
    assert "CANARY" not in out + err
    code, out, err = mesh("client", "cursor", "--file", path, "--key-env", "K", "--write")
    assert (code, out) == (0, "")
    assert "+    }" in err
    assert "CANARY" not in err
    assert path.read_text().startswith(THEIRS.rstrip("\n }"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "has this entry already" in mesh("client", "cursor", "--file", path, "--key-env", "K", "--write")[2]


def test_without_file_the_clients_own_place_is_written(mesh, folder):
    assert mesh("client", "vscode", "--write", "--key-env", "K")[0] == 0
    assert json.loads((folder / ".vscode/mcp.json").read_text())["servers"]["desk"]["url"] == URL
    assert mesh("client", "codex", "--write", "--key-env", "K")[0] == 0
    assert tomllib.loads((folder / ".codex/config.toml").read_text())["mcp_servers"]["desk"]["url"] == URL
    assert mesh("client", "claude-desktop", "--write")[0] == 0
    (path,) = (folder / "home").rglob("claude_desktop_config.json")
    assert json.loads(path.read_text())["mcpServers"]["desk"]["args"][-2:] == ["stdio", "desk"]


def test_somebody_elses_entry_of_that_name_is_not_replaced(mesh, folder):
    path = folder / "theirs.json"
    path.write_text('{"mcpServers": {"desk": {"url": "https://desk.example/mcp"}}}')
    code, _, err = mesh("client", "cursor", "--file", path, "--write")
    assert code == 1
    assert "`desk` is there already, and is not an entry of this mesh; write beside it with `--name`" in err
    assert mesh("client", "cursor", "--file", path, "--write", "--name", "mesh-desk")[0] == 0
    assert set(json.loads(path.read_text())["mcpServers"]) == {"desk", "mesh-desk"}
    assert mesh("client", "cursor", "--file", path, "--write", "--name", "mesh-desk", "--url", "http://h")[0] == 0
    assert json.loads(path.read_text())["mcpServers"]["mesh-desk"] == {"url": "http://h/mcp/desk"}


@pytest.mark.parametrize("broken", [b"{", b"[]", b"\xff"])
def test_a_file_that_cannot_be_edited_is_left_alone(mesh, folder, broken):
    path = folder / "theirs.json"
    path.write_bytes(broken)
    code, _, err = mesh("client", "cursor", "--file", path, "--write")
    assert code == 1
    assert f"error: {path}:1:" in err
    assert path.read_bytes() == broken


def test_the_local_secret_is_used_only_when_it_is_asked_for(mesh, folder):
    (folder / ".mesh").mkdir()
    (folder / ".mesh/local-secret").write_text("LOCALSECRET\n")
    for words in ((), ("--key-env", "K"), ("--stdio",)):
        _, out, err = mesh("client", "cursor", *words)
        assert "LOCALSECRET" not in out + err
    _, out, err = mesh("client", "cursor", "--local")
    assert json.loads(out)["mcpServers"]["desk"]["headers"]["Authorization"] == "Bearer LOCALSECRET"
    assert "do not commit it" in err
    assert mesh("client", "cursor", "--local", "--write")[0] == 0
    assert stat.S_IMODE((folder / ".cursor/mcp.json").stat().st_mode) == 0o600
    _, _, err = mesh("client", "cursor", "--key-env", "K", "--write")
    assert "LOCALSECRET" not in err
    assert "LOCALSECRET" not in (folder / ".cursor/mcp.json").read_text()
