"""The ranker against its own promises: nothing that may not be seen, a stable order, words as people write them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplan.runtime.strategies.search.ranking import LONGEST_QUERY, Document, Index
from meshplan.runtime.strategies.search.words import words

TOOLS = [
    Document("slack/send_message", "slack", "send_message", "Post a message to a channel.", "channel text"),
    Document("slack/list_channels", "slack", "list_channels", "List the channels of a workspace.", "limit"),
    Document("github/create_issue", "github", "create_issue", "Open a new issue in a repository.", "owner repo title"),
    Document("github/listIssues", "github", "listIssues", "List the issues of a repository.", "owner repo state"),
    Document("k8s/delete_resource", "k8s", "delete_resource", "Delete a pod, service or deployment.", "kind name"),
    Document("mail/send", "mail", "send", "Send an e-mail to somebody.", "to subject body"),
]
INDEX = Index(TOOLS)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("slack send message", "slack/send_message"),
        ("open a ticket in my repo", "github/create_issue"),
        ("issues list", "github/listIssues"),
        ("remove the stuck pod", "k8s/delete_resource"),
        ("email somebody", "mail/send"),
        ("LIST CHANNELS", "slack/list_channels"),
    ],
)
def test_the_tool_that_is_meant_comes_first(query, first):
    assert INDEX.rank(query, None, 3)[0] == first


@given(st.sets(st.sampled_from([tool.id for tool in TOOLS])), st.text(max_size=60), st.integers(1, 6))
def test_only_candidates_are_found_and_never_more_than_asked_for(allowed, query, limit):
    found = INDEX.rank(query + " list send message issue delete", allowed, limit)
    assert set(found) <= allowed
    assert len(found) == len(set(found)) <= limit


@given(st.text(max_size=200))
def test_any_text_has_words(text):
    assert all(isinstance(word, str) and word for word in words(text))


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_documents_changes_nothing(chance: random.Random):
    shuffled = list(TOOLS)
    chance.shuffle(shuffled)
    for query in ("send", "list issues repo", "message channel"):
        assert Index(shuffled).rank(query, None, 6) == INDEX.rank(query, None, 6)


def test_a_query_without_a_known_word_finds_nothing():
    assert INDEX.rank("", None, 5) == []
    assert INDEX.rank("the of and", None, 5) == []
    assert INDEX.rank("xyzzy", None, 5) == []


def test_an_index_of_nothing_finds_nothing():
    assert Index([]).rank("send", None, 5) == []


def test_names_are_split_where_programmers_split_them():
    assert words("getHTTPResponse_v2 list-all") == ["get", "http", "respons", "v", "2", "list"]
    assert words("créer") == words("CRÉER")


def test_no_query_is_read_beyond_its_bound():
    assert INDEX.rank("x " * LONGEST_QUERY + "send message", None, 5) == []
    assert INDEX.rank("send message " + "y" * 5_000_000, None, 1) == ["slack/send_message"]
