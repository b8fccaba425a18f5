"""Every environment is checked, and what only one of them shows says so."""

from meshes import BASE, TODAY, lock_texts

from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.variants import compile_everywhere, environments

WITH = BASE + (
    "environments:\n"
    "  prod: {patch: [{set: servers.notes.stdio, to: [python, prod.py]}]}\n"
    "  test: {patch: [{set: 'grants[reader].role', to: raeder}]}\n"
)


def everywhere(text, files=None):
    reader = MemoryReader({"mesh.yaml": text, **lock_texts(text), **(files or {})})
    return compile_everywhere(reader, today=TODAY)


def test_each_environment_is_compiled_and_named():
    compiled = everywhere(WITH)
    assert environments(compiled) == ["prod", "test"]
    found = {d.code: d for d in compiled.diagnostics}
    assert set(found) == {"MESH902", "MESH207"}
    assert found["MESH902"].help.endswith("; only in environment `prod`")
    assert found["MESH207"].help == "did you mean `reader`?; only in environment `test`"
    assert (found["MESH207"].span.line, found["MESH207"].span.column) == (18, 51)


def test_an_environment_may_have_locks_of_its_own():
    locks = lock_texts(WITH, environment="prod")
    own = {name.replace("mesh.lock/", "mesh.lock/prod/"): text for name, text in locks.items()}
    assert "MESH902" not in {d.code for d in everywhere(WITH, own).diagnostics}


def test_what_is_wrong_everywhere_is_said_once():
    compiled = everywhere(WITH.replace("notes.py]}", "notes.py], timout: 3s}"))
    assert [d.code for d in compiled.diagnostics].count("MESH101") == 1
