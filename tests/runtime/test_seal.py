"""Sealed texts: only we read them, and only for what they were made for."""

import pytest

from meshplan.runtime.seal import BrokenSealError, Sealer
from meshplan.runtime.secrets import SecretError
from meshplan.schemas.plan import Literally

OLD, NEW = Literally(value="an old key, long enough"), Literally(value="a new key, long enough")


async def test_a_text_opens_with_the_same_purpose_and_binding_only():
    sealer = Sealer()
    text = await sealer.seal((), "state", {"a": 1, "ü": None}, "ann")
    assert await sealer.open((), "state", text, "ann") == {"a": 1, "ü": None}
    assert text != await sealer.seal((), "state", {"a": 1, "ü": None}, "ann")
    for purpose, binding in (("state", "bob"), ("task", "ann"), ("state", "")):
        with pytest.raises(BrokenSealError):
            await sealer.open((), purpose, text, binding)


async def test_every_changed_character_breaks_it():
    sealer = Sealer()
    text = await sealer.seal((), "state", {"a": 1})
    for at in range(len(text) - 1):
        with pytest.raises(BrokenSealError):
            await sealer.open((), "state", text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
    for broken in ("", "x", text[:-4], text + "AAAA", "ü" * 60, "A" * 100_000, text + "="):
        with pytest.raises(BrokenSealError):
            await sealer.open((), "state", broken)


async def test_a_key_that_was_rotated_away_opens_as_long_as_it_is_listed():
    first, second = Sealer(), Sealer()
    text = await first.seal((OLD,), "state", {"a": 1})
    assert await second.open((NEW, OLD), "state", text) == {"a": 1}
    for keys in ((NEW,), ()):
        with pytest.raises(BrokenSealError):
            await second.open(keys, "state", text)


async def test_a_key_made_at_start_is_nobody_elses():
    text = await Sealer().seal((), "state", {"a": 1})
    with pytest.raises(BrokenSealError):
        await Sealer().open((), "state", text)


async def test_a_key_that_can_be_guessed_is_refused():
    with pytest.raises(SecretError, match="fewer than 16"):
        await Sealer().seal((Literally(value="short"),), "state", {})
