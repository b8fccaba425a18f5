"""Suppression is exact: one line, named codes, a reason, an end; and only in comments."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meshes import compile_text, lock_texts, with_sections

from meshplan.compiler.cli import run
from meshplan.compiler.suppress import settle

DEAD = "      - {server: notes, tools: [delete_note]}"
ROLES = "roles:\n  reader:\n    allow:\n      - {server: notes, tools: {effect: read}}\n"
IGNORE = '# mesh: ignore[MESH405] reason="offered from June on" until=2027-06-01'


def said(text, **options):
    compiled = compile_text(with_sections(text), **options)
    assert (compiled.bundle is None) == any(d.severity == "error" for d in compiled.diagnostics)
    return [d.code for d in compiled.diagnostics], [(d.code, reason) for d, reason in compiled.suppressed]


HIDDEN = ([], [("MESH405", "offered from June on")])


@pytest.mark.parametrize(
    "entry",
    [
        f"{DEAD}  {IGNORE}\n",
        f"      {IGNORE}\n{DEAD}\n",
        f"{IGNORE}\n{DEAD}\n",
        f"{DEAD} {IGNORE.replace('# mesh: ignore', '#mesh:ignore')}\n",
        f"{DEAD} {IGNORE.replace('[MESH405]', '[ MESH405 ]')}   \n",
        f'{DEAD}  # mesh: ignore[MESH405] until=2027-06-01 reason="offered from June on"\n',
    ],
)
def test_a_suppression_holds_for_its_own_line_or_the_one_below(entry):
    assert said(ROLES + entry) == HIDDEN


@pytest.mark.parametrize("rewrite", [lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t], ids=["CRLF", "BOM"])
def test_line_ends_and_byte_order_marks_make_no_difference(rewrite):
    text = rewrite(with_sections(ROLES + f"{DEAD}  {IGNORE}\n"))
    assert "mesh: v1" in text
    assert said(text) == HIDDEN


@pytest.mark.parametrize(
    "entry",
    [
        f"      {IGNORE}\n\n{DEAD}\n",
        f"{DEAD}\n      {IGNORE}\n",
        f"      - {{server: notes, tools: [get_note]}}  {IGNORE}\n{DEAD}\n",
        f"      {IGNORE}\n      # another remark\n{DEAD}\n",
        f"{DEAD}  {IGNORE.replace('405', '406')}\n",
    ],
)
def test_it_holds_nowhere_else_and_is_reported_as_unused(entry):
    assert sorted(said(ROLES + entry)[0]) == ["MESH042", "MESH405"]


def test_suppressions_alone_on_their_lines_stack():
    text = ROLES + f"      {IGNORE.replace('405', '403')}\n      {IGNORE}\n{DEAD}\n"
    assert said(text + DEAD + "\n")[0] == ["MESH042", "MESH403"]
    assert said(ROLES + f"{DEAD}  {IGNORE}\n      {IGNORE.replace('405', '403')}\n{DEAD}\n")[0] == []


@pytest.mark.parametrize(("today", "codes"), [("2027-05-31", []), ("2027-06-01", ["MESH405", "MESH043"])])
def test_a_suppression_ends_at_the_start_of_its_day(today, codes):
    assert said(ROLES + f"{DEAD}  {IGNORE}\n", today=date.fromisoformat(today))[0] == codes


def test_an_error_is_never_suppressed():
    text = "servers:\n  notes: {stdio: [python, notes.py], timout: 30s}  " + IGNORE.replace("405", "101") + "\n"
    assert said(text) == (["MESH101", "MESH041"], [])


def test_nothing_is_called_unused_while_errors_hide_what_it_is_for():
    text = ROLES.replace("allow:", "alow:") + f"{DEAD}  {IGNORE}\n"
    assert said(text) == (["MESH101"], [])


def test_a_warning_that_is_hidden_does_not_fail_a_strict_run_and_an_ended_one_does(tmp_path, capsys):
    text = with_sections(ROLES + f"{DEAD}  {IGNORE}\n")
    for name, content in {"mesh.yaml": text, **lock_texts(text)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert run(["-C", str(tmp_path), "validate", "--strict", "--now", "2027-06-01"]) == 1
    capsys.readouterr()
    assert run(["-C", str(tmp_path), "validate", "--strict", "--now", "2027-05-31"]) == 0
    assert capsys.readouterr() == ("", "mesh.yaml: ok, 1 suppressed\n")


PLAIN = "a word"
STYLES = {
    "single": lambda mark: f"'{mark}'\n",
    "double": lambda mark: '"' + mark.replace("\\", "\\\\").replace('"', '\\"') + '"\n',
    "double over lines": lambda mark: '"one\n  ' + mark.replace('"', '\\"') + '"\n',
    "literal": lambda mark: f"|\n  {mark}\n\n  {mark}\n",
    "folded": lambda mark: f">-\n  one\n  {mark}\n",
    "plain, no blank before": lambda mark: f"word{mark.replace(' ', '')}\n",
    "comment": lambda mark: f"{PLAIN}  {mark}\n",
    "comment after quotes": lambda mark: f"'#'  {mark}\n",
    "comment on a block's first line": lambda mark: f"| {mark}\n  text\n",
    "comment after a block": lambda mark: f"|\n  text\n{mark}\n",
    "comment within a comment": lambda mark: f"{PLAIN}  # see {mark}\n",
}
REAL = {"comment", "comment after quotes", "comment on a block's first line", "comment after a block"}


@given(st.lists(st.sampled_from(sorted(STYLES)), min_size=1, max_size=6))
def test_only_what_is_a_comment_to_yaml_is_a_suppression(styles):
    """The mark is unsound on purpose, so that wherever it is read as one, that is reported."""
    mark = "# mesh: ignore[]"
    text = "".join(f"key{number}: {STYLES[style](mark)}" for number, style in enumerate(styles))
    found = settle((), {"mesh.yaml": text}, date(2026, 1, 1)).diagnostics
    expected, offset = [], 0
    for number, style in enumerate(styles):
        piece = f"key{number}: {STYLES[style](mark)}"
        if style in REAL:
            expected.append(offset + piece.rindex(mark))
        offset += len(piece)
    assert [d.span.start for d in found] == expected
    assert {text[d.span.start : d.span.end] for d in found} <= {mark}


@pytest.mark.parametrize(
    "text",
    [
        f"a: [\nb: }} {IGNORE}\n",
        f"a: \x00\n{IGNORE}\n",
        f'a: "\n{IGNORE}\n',
        f"a: *b\n{IGNORE}\n",
        f"a: \ud800\n{IGNORE}\n",
    ],
)
def test_a_file_that_cannot_be_read_says_only_that(text):
    codes, hidden = said(f"mesh: v1\n{text}")
    assert (len(codes), hidden) == (1, [])


def test_a_large_file_full_of_them_is_read_in_time():
    text = "".join(f"k{n}: v  {IGNORE}\n" for n in range(5000))
    found = settle((), {"mesh.yaml": text}, date(2026, 1, 1)).diagnostics
    assert [d.code for d in found] == ["MESH042"] * 5000
