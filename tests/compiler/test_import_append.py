"""Servers added to a mesh.yaml that is there: nothing else of it changes, whatever its form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.compiler.importers import ImportedServer, ImportProblem, combine, read
from meshplan.compiler.importers.append import append_servers, existing_servers
from meshplan.compiler.importers.model import Import, Note
from meshplan.compiler.source import read_yaml

NEW = [ImportedServer("new", {"http": "https://new.example/mcp"}), ImportedServer("other", {"stdio": ["a", "b c"]})]
FLOW = 'new: {http: https://new.example/mcp}, other: {stdio: [a, "b c"]}'
BLOCK = '  new:\n    http: https://new.example/mcp\n  other:\n    stdio: [a, "b c"]\n'


def append(text, servers=NEW, notes=()):
    root, said = read_yaml("mesh.yaml", text)
    assert root is not None, said
    return append_servers(text, root, servers, notes)


HEAD = "mesh: v1\nname: acme\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("servers:\n  a:\n    http: x\n# end\n", f"servers:\n  a:\n    http: x\n{BLOCK}# end\n"),
        ("servers:\n  a: {http: x} # one\n\nname: b\n", f"servers:\n  a: {{http: x}} # one\n{BLOCK}\nname: b\n"),
        (
            "servers:\n  a: {http: x}\n    # deep\n\n  # about b, off for now\n\n# roles\nroles: {}\n",
            f"servers:\n  a: {{http: x}}\n    # deep\n\n  # about b, off for now\n{BLOCK}\n# roles\nroles: {{}}\n",
        ),
        ("servers:\n  a: {http: x}", f"servers:\n  a: {{http: x}}\n{BLOCK.rstrip()}"),
        ("servers: {a: {http: x}}\n", f"servers: {{a: {{http: x}}, {FLOW}}}\n"),
        ("servers: {a: {http: x}, # c\n}\n", f"servers: {{a: {{http: x}}, {FLOW}, # c\n}}\n"),
        ("servers: {} # none\nroles: {}\n", f"servers: # none\n{BLOCK}roles: {{}}\n"),
        ("servers:\nroles: {}\n", f"servers:\n{BLOCK}roles: {{}}\n"),
        ("servers: null", f"servers:\n{BLOCK}"),
        ("roles: {}\n", f"roles: {{}}\n\nservers:\n{BLOCK}"),
        ("roles: {}", f"roles: {{}}\n\nservers:\n{BLOCK}"),
        ('{"mesh": "v1", "servers": {}}', f'{{"mesh": "v1", "servers": {{{FLOW}}}}}'),
        (
            "servers:\n  a:\n    description: |\n      long\n\nroles: {}\n",
            f"servers:\n  a:\n    description: |\n      long\n{BLOCK}\nroles: {{}}\n",
        ),
    ],
)
def test_entries_are_appended_where_a_person_would(before, after):
    assert append(before) == after


def test_the_indentation_of_the_file_is_kept():
    assert append("servers:\n      a: {http: x}\n", NEW[:1]) == (
        "servers:\n      a: {http: x}\n      new:\n        http: https://new.example/mcp\n"
    )


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_byte_order_mark_stay(newline, mark):
    before = mark + f"{HEAD}servers:\n  a: {{http: x}}\nroles: {{}}\n".replace("\n", newline)
    assert append(before) == mark + f"{HEAD}servers:\n  a: {{http: x}}\n{BLOCK}roles: {{}}\n".replace("\n", newline)


def test_notes_stand_above_their_entry():
    notes = [Note("warning", "new", "x", "is not pinned", "pin it"), Note("info", None, "", "of the file")]
    assert append("servers:\n  a: {http: x}\n", NEW[:1], notes) == (
        "servers:\n  a: {http: x}\n  # warning: is not pinned (pin it)\n  new:\n    http: https://new.example/mcp\n"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [("servers: [a]\n", (1, 10)), ("servers: all\n", (1, 10)), ("{mesh: v1}\n", (1, 1)), ("servers: ''\n", (1, 10))],
)
def test_a_form_that_cannot_be_added_to_is_a_problem_with_a_place(text, place):
    with pytest.raises(ImportProblem) as caught:
        append(text)
    assert (caught.value.line, caught.value.column) == place


def test_nothing_to_add_changes_nothing():
    assert append("servers: [a]\n", []) == "servers: [a]\n"


def test_a_name_that_is_taken_is_changed_and_the_same_server_is_not_added_twice():
    found = read("cursor", "x", '{"mcpServers": {"a": {"url": "https://b.example/mcp"}, "b": {"command": "b"}}}')
    root, _ = read_yaml("mesh.yaml", "servers:\n  a: {http: https://a.example/mcp}\n  z: {stdio: [b]}\n")
    assert root is not None

    both = combine([found], existing_servers(root))

    assert [server.name for server in both.servers] == ["a-2"]
    said = [note.message for note in both.notes]
    assert "`a` became `a-2`: another server has that name" in said
    assert "`b` was not added: `z` is the same server with the same settings" in said


def test_a_variable_that_the_mesh_reads_already_is_questioned():
    found = read("cursor", "x", '{"mcpServers": {"b": {"command": "b", "env": {"DB_TOKEN": "t0p-secret"}}}}')
    there = ImportedServer("a", {"stdio": ["a"], "env": {"T": {"env": "B_DB_TOKEN"}}})

    both = combine([found, Import()], [there])

    assert [note.level for note in both.notes if "another value" in note.message] == ["question"]


_COMMENTS = st.sampled_from(["", " # note", "\n\n", "\n  # inside", "\n# outside", "\n    # deep"])
_VALUES = st.sampled_from(
    [
        "{http: x}",
        "\n    http: x",
        "\n    stdio: [a,\n      b]",
        '"quoted # no comment"',
        "|\n    text",
        "",
        "\n    a:\n     - b",
    ]
)
_AFTER = st.sampled_from(["", "roles: {}\n", "name: acme # last", "list:\n- a\n", "...\n"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_VALUES, _COMMENTS), min_size=0, max_size=3), _AFTER, st.sampled_from([2, 4]))
def test_only_an_insertion_and_exactly_the_entries(entries, after, indent):
    pad = " " * indent
    lines = "".join(
        f"{pad}e{n}: {value.replace(chr(10), chr(10) + pad)}{say}\n" for n, (value, say) in enumerate(entries)
    )
    before = f"{HEAD}servers:\n{lines}{after}"
    root, said = read_yaml("mesh.yaml", before)
    if root is None or said:
        return
    result = append_servers(before, root, NEW, [Note("info", "new", "", "a note")])

    rest = iter(result)
    assert all(char in rest for char in before)
    again, _ = read_yaml("mesh.yaml", result)
    assert again is not None
    assert list(again["servers"])[: len(entries)] == [f"e{n}" for n in range(len(entries))]
    assert {k: again["servers"][k] for k in ("new", "other")} == {s.name: s.entry for s in NEW}
    assert {k: v for k, v in again.items() if k != "servers"} == {k: v for k, v in root.items() if k != "servers"}
