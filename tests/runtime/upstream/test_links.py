"""Who hears that a user is done with a link: the client that was given it, and nobody else; bounded in number and age."""

import pytest

from meshplan.runtime.upstream.exchange import Exchange
from meshplan.runtime.upstream.links import COMPLETED, MAX_AGE, MAX_LINKS, Links
from meshplan.runtime.upstream.port import UpstreamRefusal

ANN, ANN_TOO, BOB = ("key", "ann", "dev", "1"), ("key", "ann", "dev", "2"), ("key", "bob", "dev", "3")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def links(told, clock):
    return Links(lambda whose, number: told.append((whose, number)), clock)


def over(whose):
    found = Exchange(deadline=1, whose=whose)
    found.finish({})
    found.abandon()
    return found


def give(links, whose, number, exchange=None):
    links.asked(exchange or over(whose), "elicitation/create", {"mode": "url", "elicitationId": number})


def refuse(links, whose, *numbers, code=-32042):
    data = {"elicitations": [{"mode": "url", "elicitationId": number} for number in numbers]}
    links.refused(over(whose), UpstreamRefusal(code, "open first", data))


async def test_the_client_that_was_asked_hears_it_once(links, told):
    give(links, ANN, "e1")
    refuse(links, BOB, "e2", "e3")
    for number in ("e3", "e1", "e1", "e9"):
        links.completed({"elicitationId": number})
    assert told == [(BOB, "e3"), (ANN, "e1")]
    assert len(links) == 1


async def test_while_the_request_runs_it_is_said_on_its_stream(links, told):
    running = Exchange(deadline=1, whose=ANN)
    give(links, ANN, "e1", running)
    links.completed({"elicitationId": "e1", "_meta": {"novel": 1}})
    assert running.inbox.receive_nowait() == (COMPLETED, {"elicitationId": "e1", "_meta": {"novel": 1}})
    assert told == []
    running.abandon()
    running.finish({})


async def test_what_clients_of_two_principals_were_given_is_told_to_neither(links, told):
    for whose in (ANN, ANN_TOO, BOB):
        give(links, whose, "e1")
    give(links, ANN, "e2")
    give(links, ANN_TOO, "e2")
    links.completed({"elicitationId": "e1"})
    assert told == []
    links.completed({"elicitationId": "e2"})
    assert sorted(told) == [(ANN, "e2"), (ANN_TOO, "e2")]


async def test_only_links_count_and_only_of_clients_that_hear_of_them(links):
    exchange = over(ANN)
    links.asked(exchange, "elicitation/create", {"mode": "form", "elicitationId": "e1"})
    links.asked(exchange, "sampling/createMessage", {"mode": "url", "elicitationId": "e1"})
    links.asked(exchange, "elicitation/create", {"mode": "url", "elicitationId": 7})
    refuse(links, ANN, "e1", code=-32000)
    links.refused(exchange, UpstreamRefusal(-32042, "", {"elicitations": ["e1", {"elicitationId": "e1"}]}))
    give(links, None, "e1")
    assert len(links) == 0


async def test_links_are_forgotten_by_age_and_by_number(links, told, clock):
    give(links, ANN, "old")
    clock.now = MAX_AGE + 1
    links.completed({"elicitationId": "old"})
    for number in range(MAX_LINKS + 1):
        give(links, ANN, f"e{number}")
    assert len(links) == MAX_LINKS
    links.completed({"elicitationId": "e0"})
    assert told == []
    links.completed({"elicitationId": "e1"})
    assert told == [(ANN, "e1")]
