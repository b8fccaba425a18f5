"""`mesh validate --fix`: what is certain is put right, and every other byte stays as it is."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meshes import BASE, TODAY, lock_texts, with_sections
from spans import span
from test_cases import FILES

from meshplan.compiler.cli import run
from meshplan.compiler.diagnostics import Diagnostic, Fix
from meshplan.compiler.fix import applied, certain, fix_mesh
from meshplan.compiler.newlines import normalised
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader


def fixed(text):
    reader = MemoryReader({"mesh.yaml": text, **lock_texts(BASE), **lock_texts(text)})
    compiler = partial(compile_mesh, today=TODAY)
    after = fix_mesh(reader, compiler)
    return compiler(reader), after, after.texts.get("mesh.yaml", text)


def signs(diagnostics):
    return {(d.code, d.message) for d in diagnostics if d.severity == "error"}


def source(path):
    """A case of one file, for no environment; others are not for these tests."""
    text = path.read_bytes().decode()
    if "\n#@ " in text or text.startswith("#env"):
        return ""
    return with_sections(text.removeprefix("#+ sections\n")) if text.startswith("#+ sections\n") else text


CASES = [path for path in FILES if any(d.fix for d in fixed(source(path))[0].diagnostics)]


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
@pytest.mark.parametrize("form", ["LF", "CRLF", "BOM"])
def test_every_case_is_better_afterwards(path, form):
    """What was fixed is gone, nothing came that was not there, and what was left alone would not have been put right."""
    text = {"LF": str, "CRLF": lambda t: t.replace("\n", "\r\n"), "BOM": lambda t: "\ufeff" + t}[form](source(path))
    before, after, now = fixed(text)
    fixes = [d for d in before.diagnostics if d.fix]
    assert all(still_wrong(text, d) for d in after.left)
    assert signs(after.done).isdisjoint(signs(after.compiled.diagnostics))
    assert signs(after.compiled.diagnostics) <= signs(before.diagnostics)
    assert len(after.done) + len(after.left) >= len({d.fix.span for d in fixes})
    assert fixed(now)[1].texts == {}
    assert stretches(text, [d.fix for d in after.done], now)
    assert now.count("\r\n") == text.count("\r\n")
    assert now.count("\ufeff") == text.count("\ufeff")


def still_wrong(text, diagnostic):
    """Whether the obvious change would leave an error on the line: a quoted `no` is no duration, a key is there already."""
    again = fixed(applied(text, [diagnostic.fix]))[0]
    return any(d.severity == "error" and d.span.line == diagnostic.span.line for d in again.diagnostics)


def stretches(text, fixes, now):
    """Whether all that stands between the fixes stands there still, in order."""
    normal, place, index = normalised(text), 0, 0
    for fix in sorted(fixes, key=lambda fix: fix.span.start):
        for piece in normal[place : fix.span.start].split("\n"):
            index = now.index(piece, index) + len(piece)
        place = fix.span.end
    return normalised(now).endswith(normal[place:])


def test_there_are_cases_with_fixes_and_at_least_one_that_is_left():
    assert len(CASES) >= 10
    assert any(fixed(source(path))[1].left for path in CASES)


def test_a_fix_that_brings_another_to_light_is_followed_by_it():
    text = with_sections(
        "virtual:\n  desk:\n    inclde:  # what is offered\n      - {server: note, tools: [get_not]}\n"
    )
    _, after, now = fixed(text)
    assert now == text.replace("inclde", "include").replace("note,", "notes,").replace("get_not]", "get_note]")
    assert after.compiled.diagnostics == ()
    assert [d.code for d in after.done] == ["MESH101", "MESH201", "MESH202"]


def test_a_fix_that_would_only_move_the_error_is_left():
    text = with_sections("servers:\n  notes: {stdio: [python, notes.py], timeout: no}\n")
    before, after, now = fixed(text)
    assert now == text
    assert after.left == before.diagnostics
    assert after.done == ()


def test_one_bad_fix_does_not_keep_the_others_back():
    text = with_sections("servers:\n  notes: {stdio: [python, notes.py], timeout: no, effcts: {get_note: read}}\n")
    _, after, now = fixed(text)
    assert now == text.replace("effcts", "effects")
    assert [d.code for d in after.left] == ["MESH031"]


def test_a_key_in_quotes_beside_its_colon_is_left_as_the_plain_key_would_not_be_one():
    text = with_sections('servers:\n  notes: {"stdio":[python, notes.py], "timout":30s}\n')
    _, after, now = fixed(text)
    assert now == text
    assert [d.code for d in after.left] == ["MESH101"]


def test_an_unused_suppression_goes_with_its_line():
    line = '  # mesh: ignore[MESH407] reason="none" until=2099-01-01\n'
    tail = '  # mesh: ignore[MESH407] reason="none either" until=2099-01-01'
    text = with_sections(f"servers:\n{line}  notes: {{stdio: [python, notes.py]}}{tail}\n")
    _, after, now = fixed(text)
    assert now == text.replace(line, "").replace(tail, "")
    assert after.compiled.diagnostics == ()


def test_of_two_fixes_that_overlap_only_the_first_is_made():
    text = "abcdef"
    fixes = [
        Fix(span(text, *place), new) for place, new in (((1, 3), "X"), ((2, 5), "Y"), ((3, 4), "Z"), ((1, 3), "X"))
    ]
    found = [Diagnostic("MESH101", "error", f"number {n}", fix.span, fix=fix) for n, fix in enumerate(fixes)]
    edits = certain(found, {"mesh.yaml": text})
    assert applied(text, [edit.fix for edit in edits]) == "aXZef"


@given(st.data(), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "\ufeff"]))
def test_edits_of_the_normalised_text_are_edits_of_the_raw_text(data, ending, mark):
    """Oracle: edit the text with plain line ends, then change the ends."""
    plain = data.draw(st.text(st.sampled_from("ab\né日 "), max_size=30))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(plain)), max_size=6, unique=True)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    fixes = [Fix(span(plain, start, end), data.draw(st.sampled_from(["", "new", "x\ny"]))) for start, end in pairs]
    expected = plain
    for fix in reversed(fixes):
        expected = expected[: fix.span.start] + fix.text + expected[fix.span.end :]
    raw = mark + plain.replace("\n", ending)
    assert normalised(raw) == plain
    after = applied(raw, fixes)
    assert normalised(after) == expected
    assert "\n" not in plain or after == mark + expected.replace("\n", ending)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mesh.lock").mkdir()
    for name, text in lock_texts(BASE).items():
        (tmp_path / name).write_text(text)
    return tmp_path


SLIP = BASE.replace("stdio:", "stdoi:").replace("name: acme", "name: acme  # héllo")


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_file_is_fixed_in_place(folder, capsys, ending):
    raw = b"\xef\xbb\xbf" + SLIP.encode().replace(b"\n", ending)
    (folder / "mesh.yaml").write_bytes(raw)
    (folder / "mesh.yaml").chmod(0o640)
    assert run(["-C", str(folder), "validate", "--fix"]) == 0
    assert (folder / "mesh.yaml").read_bytes() == raw.replace(b"stdoi", b"stdio")
    assert (folder / "mesh.yaml").stat().st_mode & 0o777 == 0o640
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "fixed: mesh.yaml:4:11: MESH101 unknown key `stdoi` in `notes`: write `stdio`\nmesh.yaml: ok\n"
    assert not list(folder.glob(".mesh.yaml*"))


def test_a_diff_writes_nothing_and_covers_secrets(folder, capsys, snapshot):
    text = SLIP.replace(
        "stdoi: [python, notes.py]}",
        "stdoi: [python, notes.py]}\n  other: {http: 'http://127.0.0.1:9/', auth: {bearer: s3cr3t}}",
    )
    (folder / "mesh.yaml").write_text(text)
    assert run(["-C", str(folder), "validate", "--fix", "--diff"]) == 1
    assert (folder / "mesh.yaml").read_text() == text
    out, err = capsys.readouterr()
    assert "s3cr3t" not in out + err
    assert out == snapshot
    assert err.startswith("would fix: mesh.yaml:4:11: MESH101")


def test_a_diff_is_one_that_patch_applies(folder, capsys, tmp_path):
    import shutil
    import subprocess

    text = SLIP.removesuffix("\n")
    (folder / "mesh.yaml").write_text(text)
    run(["-C", str(folder), "validate", "--fix", "--diff"])
    patch = shutil.which("patch") or pytest.skip("no patch program")
    subprocess.run([patch, "-p1", "-s"], cwd=folder, input=capsys.readouterr().out, text=True, check=True)
    assert (folder / "mesh.yaml").read_text() == text.replace("stdoi", "stdio")


def test_what_is_left_is_said_and_fails(folder, capsys):
    (folder / "mesh.yaml").write_text(BASE.replace("notes.py]}", "notes.py], timeout: no}"))
    assert run(["-C", str(folder), "validate", "--fix", "--format", "concise"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("mesh.yaml:4:47: error[MESH031]")
    assert err.startswith("left to you, as the obvious change does not settle it: mesh.yaml:4:47: MESH031")


def test_a_file_that_is_not_utf_8_is_not_written(folder, capsys):
    raw = SLIP.encode("latin-1")
    (folder / "mesh.yaml").write_bytes(raw)
    assert run(["-C", str(folder), "validate", "--fix"]) == 1
    assert (folder / "mesh.yaml").read_bytes() == raw
    assert "is not UTF-8" in capsys.readouterr().out


def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path_factory, capsys):
    outside = tmp_path_factory.mktemp("outside") / "mesh.yaml"
    outside.write_text(SLIP)
    (folder / "mesh.yaml").symlink_to(outside)
    assert run(["-C", str(folder), "validate", "--fix"]) == 64
    assert outside.read_text() == SLIP
    assert "is a link" in capsys.readouterr().err


def test_a_diff_needs_fix(folder):
    assert run(["-C", str(folder), "validate", "--diff"]) == 64
