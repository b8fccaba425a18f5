"""MESH7xx: `*.mesh-test.yaml`."""

from __future__ import annotations

from meshplan.compiler.rules.model import Rule

_HEAD = "#@ access.mesh-test.yaml\nmesh-test: v1\n"
_TEST = (
    "tests:\n  - name: writers read\n    endpoint: desk\n    as: team:writers\n    call: get_note\n    expect: allow\n"
)
_TABLE = (
    "tests:\n  - name: who reads\n    endpoint: desk\n    as: ['team:writers', '']\n    call: [get_note, list_notes]\n"
    "    expect:\n      team:writers: allow\n      '': {get_note: no_allow, list_notes: deny}\n"
)

RULES = (
    Rule(
        "MESH701",
        "unknown-principal",
        "a caller is named that does not exist",
        "A test on behalf of nobody passes whatever the mesh says.",
        _HEAD + _TEST.replace("team:writers", "nightly"),
        _HEAD + _TEST,
    ),
    Rule(
        "MESH702",
        "unknown-call",
        "a test names what the endpoint does not offer and no lock has",
        "A call of nothing is always refused, so the test would pass for ever.",
        _HEAD + _TEST.replace("get_note", "get_nite"),
        _HEAD + _TEST,
    ),
    Rule(
        "MESH703",
        "unlisted-pair",
        "a test leaves out a pair of a caller and a call",
        "What is left out would read as a refusal that nobody looked at.",
        _HEAD + _TABLE.replace(", list_notes: deny", ""),
        _HEAD + _TABLE,
    ),
    Rule(
        "MESH704",
        "idle-test",
        "a test asks nothing, expects nothing, or expects what can never be",
        "It would pass whatever the mesh says.",
        _HEAD + _TEST.replace("    expect: allow\n", ""),
        _HEAD + _TEST,
    ),
    Rule(
        "MESH705",
        "unknown-rule",
        "a rule is named that does not exist",
        "Rules without an `id` are named by a hash of what they say; `mesh why` shows it.",
        _HEAD + _TEST.replace("expect: allow", "expect: {allow: reader#raed}"),
        _HEAD + _TEST,
    ),
    Rule(
        "MESH706",
        "duplicate-test",
        "two tests of a file have the same name",
        "Reports name tests; two of them would be told apart by nothing.",
        _HEAD + _TEST + _TEST.removeprefix("tests:\n"),
        _HEAD + _TEST,
    ),
)
