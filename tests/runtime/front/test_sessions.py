"""How many sessions there may be, and whose is dropped when there are more."""

import pytest

from meshplan.runtime.errors import RpcError
from meshplan.runtime.front import sessions as module
from meshplan.runtime.front.session import Session
from meshplan.runtime.front.sessions import Sessions


def make(owner, seen):
    return Session("dev", ("key", owner), "2025-11-25", {}, None, seen, id=f"{owner}-{seen}")


async def test_a_principal_with_too_many_loses_its_oldest_idle_one(monkeypatch):
    monkeypatch.setattr(module, "MAX_PER_PRINCIPAL", 2)
    found = Sessions(lambda: 10.0)
    busy, idle, other, new = make("a", 1.0), make("a", 2.0), make("b", 0.0), make("a", 3.0)
    for session in (busy, idle, other):
        found.add(session)
    busy.begin(1)
    found.add(new)
    assert found.find(idle.id, idle.owner, "dev") is None
    assert all(found.find(session.id, session.owner, "dev") for session in (busy, other, new))
    new.begin(1)
    with pytest.raises(RpcError):
        found.add(make("a", 4.0))


def test_a_full_house_takes_nobody_elses_place(monkeypatch):
    monkeypatch.setattr(module, "MAX_SESSIONS", 1)
    found = Sessions(lambda: 10.0)
    first = make("a", 1.0)
    found.add(first)
    with pytest.raises(RpcError):
        found.add(make("b", 2.0))
    assert found.find(first.id, first.owner, "dev") is first
    assert len(found) == 1


def test_a_session_belongs_to_one_endpoint():
    found = Sessions(lambda: 10.0)
    session = make("a", 1.0)
    found.add(session)
    assert found.find(session.id, session.owner, "other") is None
