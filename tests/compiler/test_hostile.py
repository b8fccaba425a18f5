"""Hostile definitions are locked, compiled and diffed, or refused; nothing raises, is fetched, or reaches a terminal raw."""

import copy
import time
from datetime import date

import pytest
from hostile_corpus import CORPUS, REFUSED

from meshplan.compiler.diff.locks import lock_changes
from meshplan.compiler.lockfile import LockError, write_lock
from meshplan.compiler.locking import changes_of, to_lock
from meshplan.compiler.lockread import read_lock
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.compiler.render.concise import render_concise
from meshplan.compiler.render.lockchanges import change_lines
from meshplan.compiler.render.text import render_text
from meshplan.compiler.render.view import view
from meshplan.compiler.resolve.effects import effects_of
from meshplan.compiler.syntax.servers import StdioServer

SERVER = StdioServer(stdio=["python", "s.py"], resources=["*"])
MESH = """\
mesh: v1
name: acme
servers:
  evil: {stdio: [python, s.py], resources: ['*']}
virtual:
  desk: {include: [{server: evil, tools: all}]}
identity: {teams: {devs: {}}}
roles: {dev: {allow: [{server: evil}]}}
grants: [{role: dev, to: [{team: devs}]}]
"""
ACCEPTED = [name for name in CORPUS if name not in REFUSED]


def answer(tools, **more):
    return {"ok": True, "protocol_version": "2026-07-28", "tools": tools, **more}


def plain(text):
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_hostile_server_is_locked_compiled_and_shown(name):
    lock = to_lock("evil", SERVER, answer(CORPUS[name]))
    text = write_lock(lock)
    assert text.isascii()
    assert read_lock(MemoryReader({"mesh.lock/evil.json": text}), "evil") is not None
    compiled = compile_mesh(MemoryReader({"mesh.yaml": MESH, "mesh.lock/evil.json": text}), today=date(2026, 11, 22))
    assert compiled.bundle is not None, compiled.diagnostics
    shown = view(compiled.diagnostics, compiled.texts)
    assert plain(render_text(shown))
    assert plain(render_concise(shown))


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_hostile_server_is_diffed(name):
    old = to_lock("evil", SERVER, answer(CORPUS[name]))
    edited = copy.deepcopy(CORPUS[name])
    for definition in edited:
        description = definition.get("description")
        definition["description"] = f"{description}!" if isinstance(description, str) else "!"
        if isinstance(definition.get("inputSchema"), dict):
            definition["inputSchema"]["required"] = ["zz"]
    new = to_lock("evil", SERVER, answer(edited))
    start = time.process_time()
    changes = changes_of(SERVER, old, new)
    assert time.process_time() - start < 10
    assert len(changes) == len(CORPUS[name])
    assert all("description" in change.classes and change.widening for change in changes)
    lines = "\n".join(change_lines(changes))
    assert plain(lines)
    assert max(map(len, lines.split("\n"))) < 1000
    assert changes_of(SERVER, old, old) == ()


def test_every_hostile_server_against_every_other():
    locks = [to_lock("evil", SERVER, answer(CORPUS[name])) for name in ACCEPTED]
    for old, new in zip(locks, [*locks[1:], locks[0]], strict=True):
        changes = lock_changes({"evil": old}, {"evil": new}, effects_of(SERVER, old), effects_of(SERVER, new))
        assert {change.classes[-1] for change in changes} <= {"new", "gone"}
        assert plain("\n".join(change_lines(changes)))


@pytest.mark.parametrize(
    "made",
    [
        answer(CORPUS["too-deep"]),
        answer([{"name": ""}]),
        answer([{"name": 5}]),
        answer([{"name": "a"}, {"name": "a"}]),
        answer([{"name": "a", "description": "\ud800"}]),
        answer([{"name": "\ud800"}]),
        answer([], instructions="\udfff"),
        answer([], server_info={"name": CORPUS["too-deep"]}),
        answer([{"name": "a", "x": float("nan")}]),
    ],
    ids=["deep", "unnamed", "number", "twice", "surrogate", "surrogate-name", "instructions", "info", "nan"],
)
def test_what_cannot_be_recorded_is_refused_in_words(made):
    with pytest.raises(LockError) as refused:
        to_lock("evil", SERVER, made)
    assert plain(str(refused.value).encode("utf-8", "backslashreplace").decode())


def test_as_deep_as_is_accepted_is_as_deep_as_is_read():
    """A definition that fits on its own and not within the lock file is refused when it is locked, not afterwards."""
    inner, accepted = {}, 0
    for _ in range(140):
        inner = {"items": inner}
        try:
            lock = to_lock("evil", SERVER, answer([{"name": "a", "inputSchema": inner}]))
        except LockError:
            break
        accepted += 1
        assert read_lock(MemoryReader({"mesh.lock/evil.json": write_lock(lock)}), "evil") is not None
    assert 100 < accepted < 130


def test_look_alikes_are_pointed_out():
    lock = to_lock("evil", SERVER, answer(CORPUS["look-alikes"]))
    files = {"mesh.yaml": MESH, "mesh.lock/evil.json": write_lock(lock)}
    compiled = compile_mesh(MemoryReader(files), today=date(2026, 11, 22))
    said = [d.message for d in compiled.diagnostics if d.code == "MESH307"]
    assert len(said) == len(CORPUS["look-alikes"]) - 2
    assert any("`get_\\u0456ssue`" in message for message in said)
    assert all(message.isascii() for message in said)
