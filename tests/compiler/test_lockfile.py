"""mesh.lock: what is written is what is read, and an edit by hand is found."""

import json

import pytest
from meshes import BASE, lock_texts

from meshplan.compiler.lockfile import LockError, write_lock
from meshplan.compiler.lockread import read_lock
from meshplan.compiler.reader import MemoryReader


@pytest.fixture
def text():
    return lock_texts(BASE)["mesh.lock/notes.json"]


def test_reading_and_writing_are_inverse(text):
    lock = read_lock(MemoryReader({"mesh.lock/notes.json": text}), "notes")
    assert write_lock(lock) == text
    assert read_lock(MemoryReader({}), "notes") is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("the tool get_note", "the tool get_nate", "does not match its digest"),
        ("mesh.dev/lock/v1", "mesh.dev/lock/v2", "its format"),
        ('"protocol_version"', '"protocol_versoin"', "lacks"),
        ("{", "{{", "not JSON"),
        ('"prompts": {', '"prompts": 3, "x": {', "lacks or misshapes"),
    ],
)
def test_damage_is_found(text, old, new, says):
    assert old in text
    with pytest.raises(LockError, match=says):
        read_lock(MemoryReader({"mesh.lock/notes.json": text.replace(old, new, 1)}), "notes")


def test_characters_that_hide_are_escaped(text):
    lock = read_lock(MemoryReader({"mesh.lock/notes.json": text}), "notes")
    hostile = type(lock)(**{**{f: getattr(lock, f) for f in lock.__slots__}, "instructions": "\u202eevil"})
    assert "\\u202e" in write_lock(hostile)
    assert write_lock(hostile).isascii()


def test_sections_are_sorted_for_review(text):
    names = list(json.loads(text)["tools"])
    assert names == sorted(names)
