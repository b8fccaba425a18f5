"""The quick way to read a lock and the thorough one: the same lock or none, whatever was done to the file."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import BASE, TODAY, lock_texts, tool

from meshplan.compiler import lockread
from meshplan.compiler.lockfile import LockError, ServerLock, locked, write_lock
from meshplan.compiler.pipeline import compile_mesh
from meshplan.compiler.reader import MemoryReader
from meshplan.schemas import jsontext
from meshplan.schemas.bundle import pack
from meshplan.schemas.capability import CapabilityKey

NOTES = lock_texts(BASE)["mesh.lock/notes.json"]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def lock_of(definition):
    recorded = locked(jsontext.parse(jsontext.canonical(definition), exact=True))
    made = {CapabilityKey("notes", "tool", definition["name"]): recorded}
    return ServerLock("notes", {"kind": "tunnel"}, "2026-07-28", {}, {}, None, made)


def thorough(text):
    try:
        return lockread.as_edited("notes", text)
    except LockError:
        return None


def same(quick, slow):
    return quick == slow and [e.text for e in quick.definitions.values()] == [e.text for e in slow.definitions.values()]


@given(st.dictionaries(TEXTS, VALUES, max_size=4), TEXTS.filter(bool))
def test_what_mesh_lock_writes_is_read_alike(members, name):
    lock = lock_of(members | {"name": name})
    text = write_lock(lock) if not any(map(fractional, lock.definitions.values())) else None
    if text is None:
        return
    quick = lockread.as_written("notes", text)
    assert quick is not None
    assert same(quick, thorough(text))
    assert write_lock(quick) == text


def fractional(entry):
    return any(isinstance(node, float) for node in jsontext._nodes(entry.definition))


@settings(max_examples=300)
@given(st.integers(0, len(NOTES) - 1), st.integers(0, 6), st.text(alphabet='{}[]",:\\u0a1.eE-\n é', max_size=4))
def test_what_is_read_quickly_would_be_read_thoroughly(at, cut, put):
    text = NOTES[:at] + put + NOTES[at + cut :]
    quick = lockread.as_written("notes", text)
    assert quick is None or same(quick, thorough(text))


def entry(text, digest=None):
    """A lock file that holds this text of a definition of `t` with the digest of the text, or another."""
    recorded = json.dumps(digest or jsontext.digest(text))
    head = '"format":"mesh.dev/lock/v1","transport":{"kind":"tunnel"},"protocol_version":"x","server_info":{}'
    rest = '"capabilities":{},"instructions":null,"prompts":{},"resources":{},"templates":{}'
    return f'{{{head},{rest},"tools":{{"t":{{"definition":{text},"digest":{recorded}}}}}}}'


def nested(levels):
    return '{"a":' + "[" * levels + "]" * levels + ',"name":"t"}'


@pytest.mark.parametrize(
    ("text", "quickly", "at_all"),
    [
        (entry('{"a":1,"name":"t"}'), True, True),
        (entry('{"a":"é☃😀\\\\","name":"t"}'), True, True),
        (entry('{"a":12345678901234567890123,"name":"t"}'), True, True),
        (entry('{"a":1.50,"name":"t"}'), False, True),
        (entry('{"a":1E400,"name":"t"}'), False, True),
        (entry('{"name":"t","a":1}'), False, False),
        (entry('{"name":"t","a":1}', jsontext.digest('{"a":1,"name":"t"}')), True, True),
        (entry('{"a":1,"a":1,"name":"t"}', jsontext.digest('{"a":1,"name":"t"}')), False, False),
        (entry('{"a":"\\ud800","name":"t"}'), False, False),
        (entry('{"a":NaN,"name":"t"}'), False, False),
        (entry('{"a":1,"name":"u"}'), False, False),
        (entry(nested(124)), True, True),
        (entry(nested(125)), False, False),
        (entry(nested(1000)), False, False),
        (entry('{"name":"t"}').replace('"server_info":{}', f'"server_info":{nested(128)}'), False, False),
        (entry('{"name":"t"}').replace('"digest"', '"note":1,"digest"'), False, True),
        (entry('{"name":"t"}').replace('"digest"', '"digest":"","digest"'), False, False),
        ("\ufeff" + entry('{"name":"t"}'), False, False),
        (entry('{"name":"t"}') + "x", False, False),
    ],
)
def test_the_border_between_the_two(text, quickly, at_all):
    quick, slow = lockread.as_written("notes", text), thorough(text)
    assert (quick is not None, slow is not None) == (quickly, at_all)
    assert quick is None or same(quick, slow)


def test_a_lock_in_another_layout_makes_the_same_plan():
    files = {"mesh.yaml": BASE, **lock_texts(BASE)}
    edited = {**files, "mesh.lock/notes.json": json.dumps(json.loads(NOTES), indent=7, ensure_ascii=False)}
    one, other = (compile_mesh(MemoryReader(f), today=TODAY).bundle for f in (files, edited))
    assert pack(one) == pack(other)


def test_every_definition_is_verified_whether_it_is_needed_or_not():
    swapped = NOTES.replace('"destructiveHint": true', '"readOnlyHint": true')
    assert swapped != NOTES
    files = {"mesh.yaml": BASE, "mesh.lock/notes.json": swapped}
    found = compile_mesh(MemoryReader(files), today=TODAY, check_only=True).diagnostics
    assert [d.message for d in found if "delete_note" in d.message and "does not match its digest" in d.message]


def test_a_lock_as_written_is_read_in_the_quick_way(monkeypatch):
    monkeypatch.setattr(lockread, "as_edited", lambda server, text: pytest.fail(f"{server} was read twice"))
    lockread.believed.cache_clear()
    big = tool("big", {f"a{n}": {"type": "object", "properties": {"x": {"enum": [n]}}} for n in range(200)})
    for text in (NOTES, write_lock(lock_of(big))):
        assert lockread.believed("notes", text).definitions
