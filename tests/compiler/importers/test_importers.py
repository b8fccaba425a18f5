"""Every file under `configs/<format>/` is a test: what it becomes is a snapshot, and no secret survives."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from meshplan.compiler.importers import (
    FORMATS,
    Import,
    ImportedServer,
    ImportProblem,
    combine,
    detect,
    jsonc,
    mesh_data,
    read,
    render_mesh,
)

HERE = Path(__file__).parent
CONFIGS = sorted(path for path in (HERE / "configs").glob("*/*") if path.is_file())
BROKEN = sorted((HERE / "broken").iterdir())
IDS = [f"{path.parent.name}/{path.name}" for path in CONFIGS]
TREES = [path for path in CONFIGS if path.suffix != ".toml"]
FORMAT_IDS = sorted(format.id for format in FORMATS)

# Such a file has nothing in it that only its own client writes.
ALIKE = {"cursor/lapras.json": "claude-desktop"}


def _read(path: Path) -> Import:
    return read(path.parent.name, path.name, path.read_text(encoding="utf-8"))


def _report(found: Import) -> str:
    return "\n".join(
        f"{note.level} {note.server or '-'} {note.where}: {note.message}" + (f" | {note.help}" if note.help else "")
        for note in found.notes
    )


def test_every_format_has_at_least_five_configurations() -> None:
    counts = {id: sum(path.parent.name == id for path in CONFIGS) for id in FORMAT_IDS}

    assert {id for id, count in counts.items() if count < 5} == set()
    assert {path.parent.name for path in CONFIGS} == set(FORMAT_IDS)


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_a_configuration_becomes_this_mesh_and_these_notes(path: Path, snapshot: SnapshotAssertion) -> None:
    found = _read(path)

    assert f"{render_mesh(found.servers, found.notes, name=path.stem)}---\n{_report(found)}\n" == snapshot


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_no_secret_is_copied_anywhere(path: Path) -> None:
    found = _read(path)

    assert "CANARY" not in repr(found)
    assert "CANARY" not in render_mesh(found.servers, found.notes, name=path.stem)


def _leaves(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def _replaced(value: Any, path: tuple[object, ...], new: str) -> Any:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: _replaced(item, path[1:], new) if key == path[0] else item for key, item in value.items()}
    return [_replaced(item, path[1:], new) if index == path[0] else item for index, item in enumerate(value)]


LEAKS = [
    "ghp_CANARY0123456789abcdefghijklmnop",
    "postgres://app:CANARYpw@db/app",
    "${X:-ghp_CANARY0123456789abcdefghijklmnop}",
    "--api-key=CANARY1",
    "https://mcp.example.com/mcp?api_key=CANARY1",
    "https://u:CANARYpw1@mcp.example.com/mcp",
]


@pytest.mark.parametrize("path", TREES, ids=[f"{path.parent.name}/{path.name}" for path in TREES])
@pytest.mark.parametrize("leak", LEAKS, ids=["token", "dsn", "default", "flag", "query", "userinfo"])
def test_a_secret_in_any_place_of_a_file_is_copied_nowhere(path: Path, leak: str) -> None:
    text = path.read_text(encoding="utf-8").replace("CANARY", "KANARI")
    data = yaml.safe_load(text) if path.suffix == ".yaml" else jsonc.plain(jsonc.parse(text))
    for place in _leaves(data):
        found = read(path.parent.name, path.name, json.dumps(_replaced(data, place, leak)))
        rendered = render_mesh(found.servers, found.notes, name="x")
        assert "canary" not in f"{found!r}{rendered}".lower(), place


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_the_written_mesh_is_the_data_and_nothing_else(path: Path) -> None:
    found = _read(path)

    text = render_mesh(found.servers, found.notes, name=path.stem)

    assert yaml.safe_load(text) == mesh_data(found.servers, name=path.stem)
    assert not re.search(r"(?m)[&*][A-Za-z0-9]+$", text)


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_a_file_is_recognised_by_its_contents(path: Path) -> None:
    found = detect(path.name, path.read_text(encoding="utf-8"))

    assert found == ALIKE.get(f"{path.parent.name}/{path.name}", path.parent.name)


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_every_message_follows_the_house_rules(path: Path) -> None:
    for note in _read(path).notes:
        assert "\n" not in note.message + note.help
        assert not note.message.endswith(".")
        assert note.message[0] == "`" or note.message[0].islower() or note.message.startswith(("HTTP", "URL"))


@pytest.mark.parametrize("path", CONFIGS, ids=IDS)
def test_every_key_of_the_file_is_carried_over_or_noted(path: Path) -> None:
    """Each server of the input is in the output, or a note names it."""
    data = yaml.safe_load(path.read_text(encoding="utf-8")) if path.suffix == ".yaml" else None
    names = set((data or {}).get("registry", {})) | set((data or {}).get("mcp_servers", {}) or {})
    found = _read(path)
    report = _report(found)

    assert [
        name for name in names if name not in {server.name for server in found.servers} and name not in report
    ] == []


@pytest.mark.parametrize("path", BROKEN, ids=[path.name for path in BROKEN])
def test_a_broken_file_is_a_problem_with_a_position(path: Path, snapshot: SnapshotAssertion) -> None:
    format_id = path.name.split(".")[-2]

    with pytest.raises(ImportProblem) as caught:
        read(format_id, path.name, path.read_text(encoding="utf-8"))

    problem = caught.value
    assert "CANARY" not in f"{problem} {problem.help}"
    assert (problem.line, problem.column, problem.message, problem.help) == snapshot


@pytest.mark.parametrize(
    ("name", "format_id"),
    [
        ("claude_desktop_config.json", "claude-desktop"),
        ("home/alice/.cursor/mcp.json", "cursor"),
        ("C:\\work\\.vscode\\mcp.json", "vscode"),
        (".mcp.json", "claude-code"),
        (".codex/config.toml", "codex"),
        ("unknown.json", None),
    ],
)
def test_a_file_that_does_not_parse_is_recognised_by_its_name(name: str, format_id: str | None) -> None:
    assert detect(name, "{ not closed") == format_id


def test_nothing_is_recognised_in_a_file_of_something_else() -> None:
    assert detect("package.json", '{"name": "x", "scripts": {}}') is None
    assert detect("notes", "just text") is None
    assert detect("compose.yaml", "services: {a: {image: b}}") is None


def test_an_unknown_format_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        read("nothing", "x", "{}")


def test_a_file_without_servers_says_so() -> None:
    assert [note.message for note in read("cursor", "mcp.json", '{"mcpServers": {}}').notes] == [
        "the file has no servers that Cursor would start"
    ]


def test_servers_of_two_files_get_different_names_and_shared_variables_are_questioned() -> None:
    first = read("cursor", "a", '{"mcpServers": {"db": {"command": "a", "env": {"DB_TOKEN": "x-CANARY"}}}}')
    second = read("cursor", "b", '{"mcpServers": {"db": {"command": "b", "env": {"DB_TOKEN": "y-CANARY"}}}}')

    both = combine([first, second])

    assert [server.name for server in both.servers] == ["db", "db-2"]
    assert [note.server for note in both.notes if "another value" in note.message] == ["db-2"]
    assert [note.server for note in both.notes if "not copied" in note.message] == ["db", "db-2"]


def test_aliases_cannot_make_a_small_file_large() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
    )

    with pytest.raises(ImportProblem, match="alias"):
        read("litellm", "bomb.yaml", bomb)


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000, "&a [*a]"])
def test_deep_or_endless_yaml_is_a_problem(text: str) -> None:
    with pytest.raises(ImportProblem):
        read("litellm", "deep.yaml", text)


@pytest.mark.parametrize(("format_id", "text"), [("cursor", '{"a":' * 5000), ("codex", "a = " + "[" * 5000)])
def test_deep_json_and_toml_are_a_problem(format_id: str, text: str) -> None:
    with pytest.raises(ImportProblem):
        read(format_id, "deep", text)


def _only(entry: str) -> dict[str, object]:
    (server,) = read("claude-code", "x", f'{{"mcpServers": {{"a": {entry}}}}}').servers
    return dict(server.entry)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ('{"type": "http", "url": "https://a.example/mcp#top"}', {"http": "https://a.example/mcp"}),
        ('{"command": "x", "args": ["--flag", ""]}', {"stdio": ["sh", "-c", "exec x --flag ''"]}),
        (
            '{"command": "x", "args": ["it\'s ${N}"]}',
            {"stdio": ["sh", "-c", "exec x 'it'\"'\"'s '\"$N\""], "env": {"N": {"env": "N"}}},
        ),
        (
            '{"command": "x", "env": {"N": "1"}, "args": ["${N}"]}',
            {"stdio": ["sh", "-c", 'exec x "$ARG_N"'], "env": {"N": "1", "ARG_N": {"env": "N"}}},
        ),
        (
            '{"command": "bash", "args": ["-c", "echo ${A:-b}"]}',
            {"stdio": ["bash", "-c", "echo ${A:-b}"]},
        ),
    ],
)
def test_what_mesh_yaml_says_in_another_way(entry: str, wanted: dict[str, object]) -> None:
    assert _only(entry) == wanted


def test_the_shell_hands_over_exactly_the_arguments() -> None:
    """The line that is written starts the program with the argv that the client would have used."""
    odd = ["a b", "$(echo no)", "`no`", "it's", '"', "\\", "*", "~", "", "é\n", "${SECRET_ARG}-tail"]
    show = "import sys, json; print(json.dumps(sys.argv[1:]))"
    entry = json.dumps({"command": sys.executable, "args": ["-c", show, *odd]})

    argv = _only(entry)["stdio"]
    done = subprocess.run(argv, env={"SECRET_ARG": "$HOME *"}, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == [*odd[:-1], "$HOME *-tail"]


def test_rendering_is_the_same_every_time_and_survives_hostile_names() -> None:
    text = '{"mcpServers": {"no": {"command": "on", "args": ["012", "12:30", "yes", "~", "a: b", "# c", "\\u0007"]}}}'
    found = read("cursor", "x", text)

    first = render_mesh(found.servers, found.notes, name="on")

    assert first == render_mesh(found.servers, found.notes, name="on")
    assert yaml.safe_load(first)["servers"] == {
        "no": {"stdio": ["on", "012", "12:30", "yes", "~", "a: b", "# c", "\x07"]}
    }


def test_a_note_cannot_leave_its_comment() -> None:
    text = '{"mcpServers": {"a": {"command": "a", "x\\nevil: true\\u2028b": 1}}}'
    found = read("cursor", "x", text)

    assert yaml.safe_load(render_mesh(found.servers, found.notes, name="x")) == mesh_data(found.servers, name="x")


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_any_text_becomes_one_scalar_that_reads_back(value: str) -> None:
    servers = [ImportedServer("s", {"stdio": ["x", value], "env": {"A": value}, "cwd": value})]

    assert yaml.safe_load(render_mesh(servers, [], name="x")) == mesh_data(servers, name="x")


def _mutations(text: str) -> st.SearchStrategy[str]:
    """Texts near a real one: a span cut out, doubled, or replaced by noise."""
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)), st.integers(0, 2), st.text(max_size=6))

    def apply(edit: tuple[int, int, int, str]) -> str:
        start, end = sorted(edit[:2])
        middle = {0: "", 1: text[start:end] * 2, 2: edit[3]}[edit[2]]
        return text[:start] + middle + text[end:]

    return spans.map(apply)


def _outcome(format_id: str, text: str) -> Import | ImportProblem:
    try:
        return read(format_id, "fuzz", text)
    except ImportProblem as problem:
        return problem


def _texts() -> Iterator[str]:
    yield from (path.read_text(encoding="utf-8") for path in CONFIGS)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FORMAT_IDS), st.sampled_from(list(_texts())).flatmap(_mutations))
def test_a_damaged_file_is_an_import_or_a_problem(format_id: str, text: str) -> None:
    detect("fuzz", text)
    found = _outcome(format_id, text)
    if isinstance(found, Import):
        rendered = render_mesh(found.servers, found.notes, name="fuzz")
        assert yaml.safe_load(rendered) == mesh_data(found.servers, name="fuzz")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FORMAT_IDS),
    st.text(alphabet=st.sampled_from('{}[]":,#/*\\ \n\t$&<-=abmcpServers0.1é\ud800'), max_size=80),
)
def test_noise_is_an_import_or_a_problem(format_id: str, text: str) -> None:
    detect("noise", text)
    _outcome(format_id, text)


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    re.findall(
        r"\S+",
        "name type transport command args env cwd url headers timeout disabled enabled auth secrets image config remote "
        "openapi stdio mcp sse policies targets env_vars http_headers bearer_token_env_var transport_type run",
    )
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(FORMATS),
    st.dictionaries(st.text(max_size=8), st.dictionaries(_KEYS, _PLAIN, max_size=6), max_size=3),
)
def test_any_values_under_known_keys_are_an_import_or_a_problem(format: object, entries: dict[str, object]) -> None:
    known = next(one for one in FORMATS if one is format)
    listed = [{"name": name, **entry} for name, entry in entries.items() if isinstance(entry, dict)]
    data = {
        **dict.fromkeys(("mcpServers", "servers", "mcp_servers", "context_servers", "registry"), entries),
        "mcp-servers": listed,
        "mcp": {"targets": listed},
    }
    text = yaml.safe_dump(data, allow_unicode=True) if known.syntax == "yaml" else json.dumps(data)
    if known.syntax != "toml":
        found = _outcome(known.id, text)
        assert isinstance(found, (Import, ImportProblem))
