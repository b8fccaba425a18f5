"""A pull request's comment, as GitHub's own renderer (cmark-gfm) reads it: nothing that a file says becomes markup."""

import re
from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from corpus import views
from hypothesis import example, given
from hypothesis import strategies as st
from spans import found

from meshplan.compiler.render.markdown import LIMIT, render_markdown
from meshplan.compiler.render.view import view, visible

TEXT = "mesh: v1\nservers:\n  no``tes|: {timout: '```'}\n"
HOSTILE = [
    "a` @octocat #1 `b",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/a.png)",
    "[log in](https://evil.example)",
    "https://evil.example www.evil.example a@evil.example",
    "a | b | c",
    "\\|\\`",
    "safe\u202eevil\u2066",
    "</code></td></table><h1>ok</h1>",
    "&lt;b&gt; &#64;all",
    "**bold** _it_ ~~gone~~ :tada:",
    "a\r\n\n# heading",
]
CODE = re.compile(r"`[^`]+`")


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.cells, self.attributes, self._in = [], [], [], []
        self.loose = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name) for name, _ in attrs]
        self._in.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data):
        if "td" in self._in:
            self.cells[-1] += data
        if "code" not in self._in:
            self.loose += data


def read(markdown):
    reader = Reader()
    reader.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE))
    return reader


def commented(*diagnostics, text=TEXT):
    return render_markdown(view(diagnostics, {"mesh.yaml": text}))


def test_a_comment(snapshot):
    hostile = found(TEXT, "no``tes|", message="unknown key `no``tes|`", help="see `a|b`", labels=[("v1", "and `this`")])
    warning = found(TEXT, "v1", code="MESH405", severity="warning", message="an allow gives nothing")
    assert commented(hostile, warning) == snapshot


def test_nothing_found_is_one_line():
    assert commented() == "### mesh validate: ok\n"


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=12), min_size=1, max_size=4).map("".join))
@example("".join(HOSTILE))
def test_what_a_file_says_stays_text(words):
    message = f"unknown key `{words}` in `{words}`"
    page = read(commented(found(TEXT, "timout", message=message, help=f"known: `{words}`", labels=[("v1", words)])))
    assert set(page.tags) <= {"h3", "table", "thead", "tbody", "tr", "th", "td", "code", "details", "summary", "pre"}
    assert set(page.attributes) <= {("pre", "lang")}
    assert len(page.cells) == 5
    assert not re.search(r"[@#]\w", page.loose)
    assert "".join(page.cells[3].split()) == "".join(unquoted(message).split())


def unquoted(message):
    """The message without the backticks that come in pairs."""
    parts = visible(message).split("`")
    return "".join(parts) if len(parts) % 2 else "".join(parts[:-1]) + "`" + parts[-1]


def test_every_case_has_a_row_for_each_finding_and_fits():
    for name, shown in views().items():
        comment = render_markdown(shown)
        assert len(comment) <= LIMIT
        assert (name, len(read(comment).cells)) == (name, 5 * len(shown))


@pytest.mark.parametrize("number", [150, 2000])
def test_what_does_not_fit_is_counted(number):
    many = [found(TEXT, "timout", message=f"number {n} of `" + "|" * 40 + "`", help="x" * 90) for n in range(number)]
    comment = commented(*many)
    page = read(comment)
    rows = len(page.cells) // 5
    assert LIMIT * 0.9 < len(comment) <= LIMIT
    assert rows == number or f"\n{number - rows} more are not shown here" in comment
    assert comment.count("<details>") == comment.count("</details>\n")
