"""Whatever an upstream wrote stays text: documents have the structure that they have with harmless words."""

import dataclasses
import re
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from diffs import EMPTY, SMALL, access, many, poisoned, who
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshplan.compiler.diff.model import Detail, LockChange
from meshplan.compiler.render.diff.html import render_html
from meshplan.compiler.render.diff.json import render_json
from meshplan.compiler.render.diff.markdown import LIMIT, render_markdown
from meshplan.compiler.render.diff.sarif import render_sarif
from meshplan.compiler.render.diff.text import render_text

HOSTILE = [
    "a` @octocat #1 `b",
    "@octocat #1 octo/repo#2",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "--><h1>--!>",
    "{{ 7 * 7 }}{% raw %}",
    "![x](https://evil.example/a.png)",
    "[log in](https://evil.example)",
    "https://evil.example www.evil.example a@evil.example",
    "a | b | c",
    "\\|\\`",
    "safe\u202eevil\u2066",
    "\x1b[2J\x07",
    "</code></li></ul></details><h1>ok</h1>",
    "&lt;b&gt; &#64;all",
    "**bold** _it_ ~~gone~~ :tada:",
    "a\r\n\n# heading\n- item\n```\n",
    "``",
    "\ud800\u2028\x00",
]
WORDS = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=12), min_size=1, max_size=4).map("".join)


class Reader(HTMLParser):
    """The tags and attributes of a page without those of inline code, of which foreign text may need any number."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.events, self.loose, self.targets, self._code = [], "", [], False

    def handle_starttag(self, tag, attrs):
        assert not self._code, "markup in code"
        self._code = tag == "code"
        self.targets += [value for name, value in attrs if name in ("href", "src")]
        if tag != "code":
            self.events.append((tag, *(f"{n}={v}" if n in ("class", "style") else n for n, v in attrs)))

    def handle_endtag(self, tag):
        self._code = self._code and tag != "code"
        if tag != "code":
            self.events.append(f"/{tag}")

    def handle_data(self, data):
        if not self._code:
            self.loose += data

    def handle_comment(self, data):
        self.events.append("comment")

    def handle_decl(self, decl):
        self.events.append(decl)


def read(html):
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def markdown(diff):
    return read(cmarkgfm.github_flavored_markdown_to_html(render_markdown([diff]), options=Options.CMARK_OPT_UNSAFE))


def harmless(text):
    """As many code points, so that nothing is cut in one and not in the other."""
    return "x" * len(text)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_each_attack_alone(text):
    assert markdown(poisoned(text)).events == markdown(poisoned(harmless(text))).events
    assert read(render_html([poisoned(text)])).events == read(render_html([poisoned(harmless(text))])).events


@settings(deadline=None, max_examples=40)
@given(WORDS)
@example("".join(HOSTILE))
def test_markdown_keeps_its_structure(text):
    page, twin = markdown(poisoned(text)), markdown(poisoned(harmless(text)))
    assert page.events == twin.events
    assert page.targets == []
    assert not re.search(r"[@#]\w", page.loose)


@settings(deadline=None, max_examples=40)
@given(WORDS)
@example("".join(HOSTILE))
def test_html_keeps_its_structure(text):
    page, twin = read(render_html([poisoned(text)])), read(render_html([poisoned(harmless(text))]))
    assert page.events == twin.events
    assert page.targets == []


@settings(deadline=None, max_examples=40)
@given(WORDS)
@example("".join(HOSTILE))
def test_no_rendering_has_a_character_that_cannot_be_seen(text):
    diff = poisoned(text)
    rendered = [f([diff]) for f in (render_text, render_markdown, render_json, render_html)]
    for document in (*rendered, render_sarif([diff], version="1")):
        assert document.replace("\n", "").isprintable()
        document.encode()


@settings(deadline=None, max_examples=40)
@given(WORDS)
@example("".join(HOSTILE))
def test_text_has_as_many_lines_as_with_harmless_words(text):
    diff, twin = poisoned(text), poisoned(harmless(text))
    assert render_text([diff]).count("\n") == render_text([twin]).count("\n")


def test_a_page_fetches_nothing_and_runs_nothing():
    page = render_html([SMALL, poisoned("".join(HOSTILE))])
    tags = {event[0] for event in read(page).events if isinstance(event, tuple)}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "base", "form", "a"})
    assert "url(" not in page.split("</style>")[0]
    assert "@import" not in page.split("</style>")[0]
    assert "default-src 'none'" in page


def huge(limit_of):
    """A definition of a megabyte, and a value as deep as one can write."""
    deep = "leaf"
    for _ in range(200):
        deep = {"a": [deep]}
    details = (Detail("description", "d" * 2**20, "|`" * 2**19), Detail("inputSchema", None, deep))
    lock = LockChange("s" * limit_of, f"s/tool/{'n' * 2**20}", ("description",), details, True, True)
    wide = access("s/tool/t", "destructive", gained=(who(*("t" * 1000 for _ in range(50))),), name="`|" * 9999)
    return dataclasses.replace(EMPTY, access=(wide,), lock=(lock,))


def test_a_huge_definition_is_cut_and_counted():
    diff = huge(2**20)
    assert "(1,048,578 characters)" in render_text([diff])
    for render in (render_text, render_html, render_markdown):
        assert len(render([diff])) < LIMIT
    assert "### mesh diff" in render_markdown([diff])


@pytest.fixture(scope="module")
def comment():
    return render_markdown([many()])


def test_five_thousand_changes_fit_with_the_most_dangerous_first(comment):
    assert LIMIT * 0.9 < len(comment) <= LIMIT
    shown = re.findall(r"server-\d+\.(destructive|write|read)_(gained|lost)_(\d+)", comment)
    order = [("destructive", "gained"), ("destructive", "lost"), ("write", "gained")]
    assert [pair[:2] for pair in shown] == sorted((p[:2] for p in shown), key=order.index)
    assert len(shown) > 300
    assert f"\n{5000 - len(shown)} more changes not shown here" in comment
    assert comment.count("<details>") == comment.count("</details>") == 4
    assert "##### BREAKING" in comment
    assert "##### WIDENING" in comment
    assert "(`mesh.yaml:" in comment


@settings(deadline=None, max_examples=40)
@given(st.integers(600, 20_000), st.integers(0, 60), st.integers(1, 12), WORDS)
def test_no_comment_is_over_its_limit_or_open_ended(limit, number, groups, text):
    diff = poisoned(text, many(number))
    diffs = [dataclasses.replace(diff, environments=(f"e{n}",)) for n in range(groups)]
    whole = render_markdown(diffs, 1 << 40)
    comment = render_markdown(diffs, limit)
    assert len(comment) <= limit
    lines = comment.split("\n")
    assert lines.count("<details>") == lines.count("</details>")
    assert comment.endswith("\n")
    if len(whole) <= limit - 100:
        assert comment == whole
    else:
        assert comment == whole or "not shown here: run `mesh diff`" in comment
