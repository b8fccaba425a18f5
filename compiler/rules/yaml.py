"""MESH0xx: the file itself, and what YAML makes of it."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_FILE = "mesh: v1\nname: acme\n"
_SERVERS = "servers:\n  notes: {stdio: [python, notes.py]}\n"

RULES = (
    Rule(
        "MESH001",
        "malformed-yaml",
        "the file is not well-formed YAML",
        "Nothing can be said about the rest of a file whose structure is unclear.",
        f"{_FILE}servers: {{notes: {{stdio: [python, notes.py]}}\n",
        _SERVERS,
    ),
    Rule(
        "MESH002",
        "no-mesh-file",
        "there is no mesh.yaml",
        "A mesh is what one mesh.yaml describes; without it there is nothing to compile.",
        "",
        _SERVERS,
    ),
    Rule(
        "MESH003",
        "empty-file",
        "the file holds nothing",
        "An empty file is more often an accident of a script than a mesh without servers.",
        "# mesh: v1 would stand here\n",
        _SERVERS,
    ),
    Rule(
        "MESH004",
        "not-a-mapping",
        "the file is not a mapping of keys to values",
        "mesh.yaml has named sections; a list or a word has no place for them.",
        "- mesh: v1\n- name: acme\n",
        _SERVERS,
    ),
    Rule(
        "MESH005",
        "too-large",
        "the file is too large to be reviewed",
        "A file beyond 5 MiB is generated data, or an attack on the compiler.",
        "",
        _SERVERS,
    ),
    Rule(
        "MESH006",
        "too-deep",
        "the file is nested too deeply",
        "Nothing in the language needs 64 levels; a file that has them is an accident or an attack.",
        f"{_FILE}servers: {'[' * 70}{']' * 70}\n",
        _SERVERS,
    ),
    Rule(
        "MESH007",
        "several-documents",
        "the file holds more than one YAML document",
        "Which of them would be the mesh? One file is one document.",
        f"{_FILE}{_SERVERS}---\nname: other\n",
        _SERVERS,
    ),
    Rule(
        "MESH008",
        "hidden-character",
        "the file holds an invisible or direction-changing character",
        "A reviewer would approve something else than what is compiled (CVE-2021-42574, “Trojan Source”).",
        f"{_FILE}description: safe\u202e\n{_SERVERS}",
        _SERVERS,
    ),
    Rule(
        "MESH009",
        "tab-indentation",
        "a tab is used for indentation",
        "YAML forbids it, since tabs have no agreed width.",
        f"{_FILE}servers:\n\tnotes: {{stdio: [python, notes.py]}}\n",
        _SERVERS,
    ),
    Rule(
        "MESH010",
        "not-unicode",
        "the file is not UTF-8",
        "What its bytes mean would depend on who reads them.",
        f"{_FILE}description: caf\ufffd\n{_SERVERS}",
        _SERVERS,
    ),
    Rule(
        "MESH021",
        "alias",
        "an anchor, an alias or a merge key is used",
        "They make one line mean something that stands elsewhere, hide it from a diff, and can grow a small file without bound.",
        f"{_FILE}servers:\n  notes: &n {{stdio: [python, notes.py]}}\n  more: *n\n",
        _SERVERS,
    ),
    Rule(
        "MESH022",
        "tag",
        "a YAML tag is used",
        "Tags change a value's type for some readers only.",
        f"{_FILE}description: !!binary aGk=\n{_SERVERS}",
        _SERVERS,
    ),
    Rule(
        "MESH023",
        "duplicate-key",
        "a key is given twice in one mapping",
        "Most YAML readers silently keep the last one, so that a reviewed line has no effect.",
        "servers:\n  notes: {stdio: [python, notes.py]}\n  notes: {stdio: [python, other.py]}\n",
        _SERVERS,
    ),
    Rule(
        "MESH024",
        "key-not-text",
        "a key is not text",
        "Only text can name a section or a server.",
        "servers:\n  notes: {stdio: [python, notes.py]}\n  [more]: {stdio: [python, more.py]}\n",
        _SERVERS,
    ),
    Rule(
        "MESH031",
        "ambiguous-scalar",
        "a plain value means different things to different YAML readers",
        "`no`, `012`, `1e3`, `12:30` and the like are text for one reader and a number or a truth value for another.",
        "servers:\n  notes: {stdio: [python, notes.py], timeout: no}\n",
        "servers:\n  notes: {stdio: [python, notes.py], timeout: 30s}\n",
    ),
)
