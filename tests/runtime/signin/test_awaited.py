"""Clients whose users are to sign in: told once, within the life of their link, and bounded in number."""

import anyio
import pytest

from meshplan.runtime.signin.awaited import MAX_AWAITED, Awaited
from meshplan.runtime.signin.tickets import SECONDS

ANN = ("key", "ann", "dev", "1")


class Vault:
    """What callers were given; ``found`` by holder."""

    def __init__(self):
        self.found = {}

    def version(self, holder):
        return self.found.get(holder)


class Ground:
    def __init__(self):
        self.vault, self.told, self.now = Vault(), [], 0.0
        self.awaited = Awaited(lambda whose, number: self.told.append((whose, number)), lambda: self.now)

    def expect(self, holder, number):
        self.awaited.expect(self.vault, holder, ANN, number)


@pytest.fixture
async def ground(monkeypatch):
    monkeypatch.setattr("meshplan.runtime.signin.awaited.LOOK_SECONDS", 0.0)
    found = Ground()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(found.awaited.run)
        yield found
        tasks.cancel_scope.cancel()


async def until(condition):
    with anyio.fail_after(5):
        while not condition():
            await anyio.lowlevel.checkpoint()


async def test_a_client_is_told_once_when_there_are_other_tokens(ground):
    ground.vault.found["bob"] = (1, 1)
    ground.expect("ann", "e1")
    ground.expect("bob", "e2")
    ground.vault.found["ann"] = (2, 2)
    await until(lambda: ground.told)
    assert ground.told == [(ANN, "e1")]
    ground.vault.found["bob"] = (3, 3)
    await until(lambda: len(ground.told) > 1)
    ground.vault.found["ann"] = (4, 4)
    ground.expect("ann", "e3")
    ground.vault.found["ann"] = (5, 5)
    await until(lambda: len(ground.told) > 2)
    assert [number for _, number in ground.told] == ["e1", "e2", "e3"]


async def test_a_link_that_has_expired_and_one_too_many_are_forgotten(ground):
    ground.expect("ann", "late")
    ground.now = SECONDS + 1
    for number in range(MAX_AWAITED + 1):
        ground.expect("bob", f"e{number}")
    ground.expect("cem", "last")
    ground.vault.found["cem"] = (1, 1)
    await until(lambda: ground.told)
    ground.vault.found |= {"ann": (1, 1), "bob": (1, 1)}
    await until(lambda: len(ground.told) == MAX_AWAITED)
    assert {number for _, number in ground.told}.isdisjoint({"late", "e0", "e1"})
