"""Client configuration: our own importers read back what is written, and a merge touches nothing else."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.compiler.clients import CLIENTS, merge, snippet
from meshplan.compiler.importers import ImportProblem, jsonc, read

URL = "http://127.0.0.1:8700/main/mcp"
CONFIGS = Path(__file__).parent / "importers" / "configs"
# VS Code's old settings.json keeps servers elsewhere, so a merge is only for its mcp.json.
FILES = sorted(path for id in CLIENTS for path in (CONFIGS / id).iterdir() if path.name != "settings.json")


def _values(client: str, text: str) -> object:
    return tomllib.loads(text) if client == "codex" else jsonc.plain(jsonc.parse(text))


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_a_snippet_reads_back_as_one_server(client: str) -> None:
    found = read(client, "x", snippet(client, "main", URL, token_env="MESH_TOKEN").text)

    entry = {"http": URL, "auth": {"bearer": {"env": "MESH_TOKEN"}}}
    wanted = {"stdio": ["mesh", "stdio", "main"]} if client == "claude-desktop" else entry
    assert [(server.name, dict(server.entry)) for server in found.servers] == [("main", wanted)]
    assert [note for note in found.notes if note.level == "warning"] == []


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_a_command_reads_back_as_one_stdio_server(client: str) -> None:
    argv = ["/opt/mesh", "stdio", "main", "--plan", "a b"]

    found = read(client, "x", snippet(client, "main", URL, token_env="T", stdio_command=argv).text)

    assert [dict(server.entry) for server in found.servers] == [{"stdio": argv}]


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_a_token_is_written_only_when_it_is_passed(client: str) -> None:
    named = snippet(client, "main", URL, token_env="MESH_TOKEN").text
    passed = snippet(client, "main", URL, token_env="MESH_TOKEN", token="local-CANARY").text

    assert "Bearer local-CANARY" not in named
    assert ("Bearer local-CANARY" in passed) == (client != "claude-desktop")
    assert "CANARY" not in repr(read(client, "x", passed))


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_every_client_says_where_its_file_is(client: str) -> None:
    found = snippet(client, "main", URL)

    assert {"macos", "linux", "windows"} <= set(found.path_hint)
    assert found.language == ("toml" if client == "codex" else "json")


def test_vscode_asks_for_the_token_once() -> None:
    text = merge("vscode", None, "one", URL, token_env="MESH_TOKEN")

    text = merge("vscode", text, "two", URL, token_env="MESH_TOKEN")

    data = json.loads(text)
    assert [item["id"] for item in data["inputs"]] == ["mesh-token"]
    assert set(data["servers"]) == {"one", "two"}


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.name}" for path in FILES])
def test_a_merge_adds_one_entry_and_only_inserts(path: Path) -> None:
    client = path.parent.name
    before = path.read_text(encoding="utf-8")
    after = merge(client, before, "mesh-main", URL, token_env="MESH_TOKEN")

    rest = iter(after)
    assert all(char in rest for char in before)
    assert merge(client, after, "mesh-main", URL, token_env="MESH_TOKEN") == after
    old, new = _values(client, before), _values(client, after)
    assert isinstance(old, dict)
    assert isinstance(new, dict)
    section = CLIENTS[client].section
    assert {key: value for key, value in new[section].items() if key != "mesh-main"} == old.get(section, {})
    assert {key: value for key, value in new.items() if key not in (section, "inputs")} == {
        key: value for key, value in old.items() if key not in (section, "inputs")
    }


def test_comments_commas_and_line_ends_survive() -> None:
    before = '// top\r\n{\r\n\t"mcpServers": {\r\n\t\t// one\r\n\t\t"a": { "command": "x" }, // after\r\n\t},\r\n\t"b": 1 /* b */\r\n}\r\n'

    after = merge("cursor", before, "main", URL)

    assert after == (
        '// top\r\n{\r\n\t"mcpServers": {\r\n\t\t// one\r\n\t\t"a": { "command": "x" }, // after\r\n'
        f'\t\t"main": {{\r\n\t\t\t"url": "{URL}"\r\n\t\t}}\r\n'
        '\t},\r\n\t"b": 1 /* b */\r\n}\r\n'
    )


def test_an_entry_that_is_there_is_replaced_in_place() -> None:
    before = '{\n  "mcpServers": {\n    "main": {"url": "http://old"}, // ours\n    "z": {}\n  }\n}\n'

    after = merge("cursor", before, "main", URL)

    assert (
        after
        == f'{{\n  "mcpServers": {{\n    "main": {{\n      "url": "{URL}"\n    }}, // ours\n    "z": {{}}\n  }}\n}}\n'
    )


@pytest.mark.parametrize(
    "before", ["{}", '{"a":1}', '{"mcpServers":{}}', '{"mcpServers":{"a":{}}}', "", " \n", "{ // c\n}"]
)
def test_small_files_get_the_entry(before: str) -> None:
    after = merge("cursor", before, "main", URL)

    assert _values("cursor", after)["mcpServers"]["main"] == {"url": URL}
    assert merge("cursor", after, "main", URL) == after


def test_a_codex_table_is_replaced_with_its_subtables() -> None:
    before = (
        'model = "x" # keep\n\n[mcp_servers.main]\ncommand = "old"\n\n[mcp_servers.main.env]\nA = "1"\n'
        '\n# about other\n[mcp_servers.other]\ncommand = "y"\n'
    )

    after = merge("codex", before, "main", URL, token_env="MESH_TOKEN")

    assert after == (
        f'model = "x" # keep\n\n[mcp_servers.main]\nurl = "{URL}"\nbearer_token_env_var = "MESH_TOKEN"\n'
        '\n# about other\n[mcp_servers.other]\ncommand = "y"\n'
    )


@pytest.mark.parametrize(
    ("client", "before"),
    [
        ("cursor", "[]"),
        ("cursor", '{"mcpServers": []}'),
        ("cursor", '{"mcpServers": {'),
        ("vscode", '{"inputs": {}}'),
        ("codex", "mcp_servers = 1"),
        ("codex", 'mcp_servers = { main = { url = "x" } }'),
        ("codex", 'mcp_servers.main.url = "x"'),
        ("codex", 'a = """\n[mcp_servers.main]\n"""\n'),
        ("codex", "[mcp_servers"),
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_a_problem(client: str, before: str) -> None:
    with pytest.raises(ImportProblem) as caught:
        merge(client, before, "main", URL, token_env="T")

    assert caught.value.help or "valid" in caught.value.message or "expected" in caught.value.message


_NAMES = st.text(min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(CLIENTS)), _NAMES, _NAMES, st.text(max_size=12))
def test_any_names_and_values_are_quoted(client: str, first: str, second: str, token: str) -> None:
    text = merge(client, None, first, URL, token=token)

    text = merge(client, text, second, URL, token=token)

    section = _values(client, text)[CLIENTS[client].section]
    assert set(section) == {first, second}
    assert merge(client, text, first, URL, token=token) == text
