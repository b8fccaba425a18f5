"""The hostile corpus, locked, compiled and compared with a harmless server: every format stays what it is."""

import json
import re
from datetime import date
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hostile_corpus import CORPUS, REFUSED

from meshplan.compiler.diff.compare import Compared, compare
from meshplan.compiler.lockfile import write_lock
from meshplan.compiler.locking import to_lock
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.render.diff.html import render_html
from meshplan.compiler.render.diff.json import render_json
from meshplan.compiler.render.diff.markdown import LIMIT, render_markdown
from meshplan.compiler.render.diff.sarif import render_sarif
from meshplan.compiler.render.diff.text import render_text
from meshplan.compiler.syntax.servers import StdioServer

TODAY = date(2026, 11, 22)
SERVER = StdioServer(stdio=["python", "s.py"])
MESH = """\
mesh: v1
name: acme
servers:
  evil: {stdio: [python, s.py]}
virtual:
  desk: {include: [{server: evil, tools: all}]}
identity: {teams: {devs: {}}}
roles: {dev: {allow: [{server: evil}]}}
grants: [{role: dev, to: [{team: devs}]}]
"""
HARMLESS = [{"name": "harmless", "inputSchema": {"type": "object"}}]
ALLOWED = {"details", "summary", "h3", "h4", "h5", "ul", "li", "p", "strong", "em", "code", "table", "thead", "tbody"}


class Page(HTMLParser):
    """The tags of a page, what could be fetched, and its words outside of code."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.fetched, self.handlers, self.loose, self._code = set(), [], [], "", 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self._code += tag == "code"
        self.fetched += [value for name, value in attrs if name in ("href", "src", "srcset", "action", "data")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag):
        self._code -= tag == "code"

    def handle_data(self, data):
        if not self._code:
            self.loose += data


def side(label, tools):
    lock = to_lock("evil", SERVER, {"ok": True, "protocol_version": "2026-07-28", "tools": tools})
    files = {"mesh.yaml": MESH, "mesh.lock/evil.json": write_lock(lock)}
    compiled = compile_mesh(MemoryReader(files), today=TODAY)
    assert compiled.bundle is not None, compiled.diagnostics
    return Compared(label, compiled.bundle, {"evil": lock})


@pytest.fixture(scope="module", params=[name for name in CORPUS if name not in REFUSED])
def diffs(request):
    """What the hostile tools change when they come, when they go, and when only their words differ."""
    hostile, harmless = side("after", CORPUS[request.param]), side("before", HARMLESS)
    words = [{**tool, "description": "harmless"} for tool in CORPUS[request.param]]
    pairs = ((harmless, hostile), (hostile, harmless), (side("words", words), hostile))
    return [compare(old, new, acknowledged={}, today=TODAY, environment=None) for old, new in pairs]


def test_every_tool_is_in_the_diff(diffs):
    came, went, worded = diffs
    assert len(came.access) == len(went.access) > 1
    assert {c.capability for c in came.access} == {c.capability for c in went.access}
    assert {c.capability for c in came.lock} == {c.capability for c in went.lock} >= {c.capability for c in came.access}
    assert not worded.access
    assert all("description" in change.classes and change.widening for change in worded.lock if change.capability)
    assert worded.lock


def test_nothing_that_cannot_be_seen_is_printed(diffs):
    for render in (render_text, render_json, render_markdown, render_html):
        assert render(diffs).replace("\n", "").isprintable()
    assert render_sarif(diffs, version="1").replace("\n", "").isprintable()


def test_text_is_of_lines_that_a_terminal_can_show(diffs):
    assert max(map(len, render_text(diffs).splitlines())) < 1000


def test_markdown_is_ours_alone(diffs):
    for diff in diffs:
        text = render_markdown([diff])
        page = Page(cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE))
        assert len(text) <= LIMIT
        assert (page.fetched, page.handlers, page.tags - ALLOWED) == ([], [], set())
        assert not re.search(r"[@#]\w", page.loose)


def test_a_page_fetches_and_runs_nothing(diffs):
    page = Page(render_html(diffs))
    assert (page.fetched, page.handlers) == ([], [])
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form", "a", "svg"})


def test_json_and_sarif_hold_the_words_and_no_more_than_that(diffs):
    document = json.loads(render_json(diffs))
    assert [len(diff["access"]) for diff in document["diffs"]] == [len(diff.access) for diff in diffs]
    assert len(render_json(diffs)) < 1 << 20
    for run in json.loads(render_sarif(diffs, version="1"))["runs"]:
        for result in run["results"]:
            assert not re.search(r"(?<!\\)\[[^\]]*\]\(", result["message"]["text"])
            assert len(result["message"]["text"]) < 2000
