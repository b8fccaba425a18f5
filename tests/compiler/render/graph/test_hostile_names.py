"""Whatever an upstream or an author names stays a name, in every format."""

import html
import json
import re
import shutil
import subprocess

import pytest
from graphs import PLAN, graph_of, named
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplan.compiler.render.graph import build_graph, render_dot, render_json, render_mermaid
from meshplan.compiler.render.graph.labels import cut, edge_text, node_lines

HOSTILE = [
    'x"] --> y["',
    "x\"]:::evil; click n0 'javascript:alert(1)'",
    "%%{init: {'theme': 'dark'}}%%",
    "<img src=x onerror=alert(1)>",
    "```\n\n# heading\n@octocat",
    "a\\",
    '\\" ]; evil [label="',
    "&lt;b&gt;&#64;",
    "#35;#quot;",
    "\\N \\G \\l",
    "safe\u202eevil\u2066\u0007\x1b[31m",
    "1. one",
    "- item",
    "`**bold**`",
    "end",
    "subgraph",
    "x|y|z",
    "a\nb\r\nc\u2028d",
    "n" * 100_000,
    "\U0001d4eadmin \u0430dmin",
]


hostile_names = st.lists(st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=12), min_size=1, max_size=5)

NODE = re.compile(
    r'  n\d+(?P<open>\[\[|\[\(|\[/|\(\[|\{\{|\(|\[)"(?P<label>[^"]*)"(?P<close>\]\]|\)\]|/\]|\]\)|\}\}|\)|\]):::[a-z]+'
)
EDGE = re.compile(r'  n\d+ (?:-->|-\.->)(?:\|"(?P<label>[^"]+)"\|)? n\d+')
STYLE = re.compile(
    r"  classDef [a-z]+ fill:#\w{6},stroke:#\w{6},color:#111|  linkStyle [0-9,]+ stroke:#b91c1c,color:#b91c1c"
)
ENTITY = re.compile(r"#(\d+);")


def read_mermaid(text):
    """The labels of nodes and edges; anything that is not one statement a line of ours is a mistake."""
    head, *lines = text.removesuffix("\n").split("\n")
    assert head == "flowchart LR"
    nodes, arrows = [], []
    for line in lines:
        if found := NODE.fullmatch(line):
            nodes.append(found["label"])
        elif found := EDGE.fullmatch(line):
            arrows.append(found["label"] or "")
        else:
            assert STYLE.fullmatch(line), line
    for label in (*nodes, *arrows):
        bare = ENTITY.sub("", label.replace("<br>", ""))
        assert not re.search(r"[^\w ,().:/-]", bare), label
        assert not re.search(r"^\d+\. |^- ", label)
    back = [[ENTITY.sub(lambda m: chr(int(m[1])), part) for part in label.split("<br>")] for label in nodes]
    return back, [ENTITY.sub(lambda m: chr(int(m[1])), label) for label in arrows]


@given(hostile_names)
@settings(max_examples=80, deadline=None)
def test_mermaid_reads_names_as_names(names):
    graph = build_graph(named(names))
    nodes, arrows = read_mermaid(render_mermaid(graph))
    assert nodes == [node_lines(node) for node in graph.nodes]
    targets = {node.id: node for node in graph.nodes}
    assert arrows == [edge_text(edge, targets[edge.target]) for edge in graph.edges]


TOKEN = re.compile(r'"(?:[^"\\\n]|\\["\\n])*"|[A-Za-z_][A-Za-z_0-9]*|\d+|->|[\[\]{};=]|\s+')


def read_dot(text):
    """(labels of nodes, labels of edges), by a grammar as small as what is written."""
    tokens, at = [], 0
    while at < len(text):
        found = TOKEN.match(text, at)
        assert found, text[at : at + 60]
        at = found.end()
        if not found[0].isspace():
            tokens.append(found[0])
    assert tokens[:3] == ["digraph", "mesh", "{"]
    assert tokens[-1] == "}"
    nodes, arrows = [], []
    statement = []
    for token in tokens[3:-1]:
        if token != ";":
            statement.append(token)
            continue
        attributes = statement[statement.index("[") + 1 : -1] if "[" in statement else []
        label = attributes[attributes.index("label") + 2] if "label" in attributes else '""'
        if statement[1:2] == ["->"]:
            arrows.append(said(label))
        elif re.fullmatch(r"n\d+", statement[0]):
            assert statement[1] == "["
            nodes.append(said(label))
        statement = []
    assert not statement
    return nodes, arrows


def said(label):
    lines = _lines(label[1:-1])
    return [html.unescape(line) for line in lines]


def _lines(body):
    lines, rest = [""], iter(body)
    for char in rest:
        if char != "\\":
            lines[-1] += char
        elif (after := next(rest)) == "n":
            lines.append("")
        else:
            lines[-1] += after
    return lines


@given(hostile_names)
@settings(max_examples=80, deadline=None)
def test_dot_reads_names_as_names(names):
    graph = build_graph(named(names))
    nodes, arrows = read_dot(render_dot(graph))
    assert nodes == [node_lines(node) for node in graph.nodes]
    targets = {node.id: node for node in graph.nodes}
    assert arrows == [[edge_text(edge, targets[edge.target])] for edge in graph.edges]


def test_hostile_names_in_every_format(snapshot):
    graph = build_graph(named(HOSTILE))
    assert render_mermaid(graph) == snapshot
    assert render_dot(graph) == snapshot
    document = render_json(graph)
    assert document.isascii()
    assert {node["label"] for node in json.loads(document)["nodes"] if node["kind"] == "capability"} == set(HOSTILE)


def test_graphviz_itself_reads_it():
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("Graphviz is not installed: only this file's own reader has judged the DOT output")
    for graph in (graph_of(PLAN), build_graph(named(HOSTILE))):
        done = subprocess.run([dot, "-Tplain"], input=render_dot(graph), capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert sum(line.startswith("node ") for line in done.stdout.splitlines()) == len(graph.nodes)


def test_labels_are_one_line_and_bounded():
    assert cut("n" * 500) == "n" * 99 + "…"
    assert cut("a\nb") == "a\\u000ab"
    assert len(cut("\u202e" * 500)) == 100
