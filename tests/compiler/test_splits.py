"""One mesh, however it is cut into files and in whatever order its keys stand, is one plan."""

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import TODAY, lock_texts

from meshplan.compiler.marks import MapNode
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.source import read_yaml

FULL = (Path(__file__).parent / "cases/ok/full-language.yaml").read_text()
LOCKS = lock_texts(FULL)
SECTIONS = [part for part in re.split(r"^(?=[a-z]+:)", FULL, flags=re.MULTILINE) if re.match(r"[a-z]+:", part)]
HEAD = ("mesh:", "name:", "description:", "parameters:", "environments:")


def digest(files):
    compiled = compile_mesh(MemoryReader({**LOCKS, **files}), today=TODAY)
    assert compiled.bundle is not None, compiled.diagnostics
    return compiled.bundle.digest


WHOLE = digest({"mesh.yaml": FULL})


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_sections_in_other_files(data):
    """Each section stays or goes to one of three files, which are included in some order."""
    files = {"mesh.yaml": "", "parts/a.yaml": "", "parts/b.yaml": "", "more/c.yaml": ""}
    for section in data.draw(st.permutations(SECTIONS)):
        name = "mesh.yaml" if section.startswith(HEAD) else data.draw(st.sampled_from(sorted(files)))
        files[name] += section
    used = [name for name in files if name != "mesh.yaml" and files[name]]
    files = {name: text for name, text in files.items() if text}
    if used:
        files["mesh.yaml"] += f"include: [{', '.join(data.draw(st.permutations(used)))}]\n"
    assert digest(files) == WHOLE


def test_entries_of_one_section_in_several_files():
    servers = next(s for s in SECTIONS if s.startswith("servers:"))
    entries = re.split(r"^(?=  [a-z]+:)", servers, flags=re.MULTILINE)
    head, each = entries[0], entries[1:]
    files = {f"servers/{number}.yaml": head + entry for number, entry in enumerate(each)}
    files["mesh.yaml"] = FULL.replace(servers, "include: [servers/*.yaml]\n")
    assert len(files) == 3
    assert digest(files) == WHOLE


def written(value, data):
    """The data again as YAML flow text, with the keys of every mapping in an order of chance."""
    if isinstance(value, MapNode):
        keys = data.draw(st.permutations(sorted(value)))
        return "{" + ", ".join(f"{quoted(key)}: {written(value[key], data)}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item, data) for item in value) + "]"
    return (
        quoted(value) if isinstance(value, str) else {None: "null", True: "true", False: "false"}.get(value, str(value))
    )


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_keys_in_any_order(data):
    root, found = read_yaml("mesh.yaml", FULL)
    assert not found
    assert digest({"mesh.yaml": written(root, data) + "\n"}) == WHOLE
