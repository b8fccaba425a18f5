"""How well each tool fits a query: BM25F over names and texts, synonyms at a discount, and a prior of the tool's server."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import nlargest

from meshplan.runtime.strategies.search.synonyms import SYNONYMS
from meshplan.runtime.strategies.search.words import words

_SATURATION = 1.2
"""BM25's k1 (Robertson, Zaragoza: The Probabilistic Relevance Framework, 2009, section 3.5)."""
_SYNONYM = 0.5
"""What a word counts that only means the same."""
_SERVER = 0.3
"""What the server's own fit adds to its tools."""


@dataclass(frozen=True, slots=True)
class Document:
    """One tool as text: ``id`` is what a search answers with; ``arguments`` are names and descriptions."""

    id: str
    server: str
    name: str
    description: str
    arguments: str


_FIELDS: tuple[tuple[str, float, float], ...] = (
    ("name", 3.0, 0.3),
    ("server", 2.0, 0.0),
    ("lead", 1.6, 0.5),
    ("description", 0.8, 0.75),
    ("arguments", 0.5, 0.75),
)
"""Field, weight, and how much its length counts (BM25's b)."""

_Postings = dict[int, float]
"""Document number to what a term is worth in it."""

_NOWHERE: Mapping[int, float] = {}
_ENOUGH = 1_000
"""Documents found by the rarer words of a query, from where on commoner words bring no further ones."""
_COMMON = 3_000
"""Documents that hold a word, from where on it only adds to what rarer words have found."""
_REMEMBERED = 4_096
"""Words whose postings, synonyms included, are kept ready."""
LONGEST_QUERY = 500
"""Characters of a query that are read: callers send what they like."""
_SETS = 64
"""Sets of candidates that are kept ready: one for each set of tools that some callers share."""


class Index:
    """Documents made ready to be ranked; the same documents give the same order on every machine."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.ids = tuple(document.id for document in documents)
        self.place = {name: at for at, name in enumerate(self.ids)}
        fields = [_fields(document) for document in documents]
        self._tools = _Vocabulary(fields)
        servers = sorted({document.server for document in documents})
        number = {name: at for at, name in enumerate(servers)}
        self._servers = tuple(number[document.server] for document in documents)
        self._prior = _Vocabulary(_server_fields(documents, fields, servers))
        self._places = lru_cache(_SETS)(self._find_places)

    def rank(self, query: str, candidates: Collection[str] | None, limit: int) -> list[str]:
        """The ids that fit best, best first, ties by id; only ``candidates`` where they are given."""
        asked = set(words(query[:LONGEST_QUERY]))
        allowed = None if candidates is None else self._places(frozenset(candidates))
        scores = self._tools.scores(asked, allowed)
        if not scores:
            return []
        prior = self._prior.scores(asked, None)
        top, most = max(scores.values()), max(prior.values(), default=0.0) or 1.0
        factor, servers, none = _SERVER * top / most, self._servers, 0.0
        total = [(score + factor * prior.get(servers[at], none), at) for at, score in scores.items()]
        floor = nlargest(limit, total)[-1][0] - _TIE
        best = sorted((-round(score, 9), self.ids[at]) for score, at in total if score >= floor)
        return [name for _, name in best[:limit]]

    def _find_places(self, candidates: frozenset[str]) -> frozenset[int] | None:
        """Where the candidates are; ``None`` for everywhere, which need not be asked of each."""
        found = frozenset(self.place[name] for name in candidates if name in self.place)
        return None if len(found) == len(self.ids) else found


_TIE = 1e-8
"""Scores that differ by less than rounding are a tie."""


class _Vocabulary:
    """What each word is worth in each document."""

    def __init__(self, documents: Sequence[Mapping[str, list[str]]]) -> None:
        self._terms = _weigh(documents)
        self._held = lru_cache(_REMEMBERED)(self._hold)

    def scores(self, asked: Iterable[str], allowed: Collection[int] | None) -> _Postings:
        """Document to score, the rarest words first: what only the commonest words match is not looked at in full."""
        total: _Postings = {}
        held = sorted(((self._held(word), word) for word in asked), key=lambda found: (len(found[0]), found[1]))
        for postings, _ in held:
            if not total or (len(total) < _ENOUGH and len(postings) < _COMMON):
                for at, worth in postings.items():
                    if allowed is None or at in allowed:
                        total[at] = total.get(at, 0.0) + worth
            else:
                for at in total.keys() & postings.keys():
                    total[at] += postings[at]
        return total

    def _hold(self, word: str) -> _Postings:
        """The documents of a word and of those that mean the same; of these, the best counts."""
        best = dict(self._terms.get(word, _NOWHERE))
        for other in sorted(SYNONYMS.get(word, ())):
            for at, worth in self._terms.get(other, {}).items():
                discounted = _SYNONYM * worth
                if discounted > best.get(at, 0.0):
                    best[at] = discounted
        return best


def _fields(document: Document) -> dict[str, list[str]]:
    lead, _, rest = document.description.strip().partition("\n")
    first, stop, more = lead.partition(". ")
    return {
        "name": words(document.name),
        "server": words(document.server),
        "lead": words(first + stop),
        "description": words(f"{more} {rest}"),
        "arguments": words(document.arguments),
    }


def _server_fields(
    documents: Sequence[Document], fields: Sequence[Mapping[str, list[str]]], servers: Sequence[str]
) -> list[dict[str, list[str]]]:
    """Each server as one document of all that its tools say; a word counts once a tool."""
    texts: dict[str, list[str]] = {server: [] for server in servers}
    for document, said in zip(documents, fields, strict=True):
        texts[document.server] += sorted({*said["name"], *said["lead"]})
    return [{"server": words(server), "lead": texts[server]} for server in servers]


def _weigh(documents: Sequence[Mapping[str, list[str]]]) -> dict[str, _Postings]:
    """Term to the documents that hold it and what it is worth in each: BM25F, saturated once over all fields."""
    count = max(1, len(documents))
    mean = {name: max(1.0, sum(len(d.get(name, ())) for d in documents) / count) for name, _, _ in _FIELDS}
    holders: dict[str, list[tuple[int, float]]] = {}
    for at, document in enumerate(documents):
        for term, weight in _frequencies(document, mean).items():
            holders.setdefault(term, []).append((at, weight))
    found: dict[str, _Postings] = {}
    for term, held in holders.items():
        rarity = math.log(1 + (count - len(held) + 0.5) / (len(held) + 0.5))
        found[term] = {at: rarity * weight / (_SATURATION + weight) for at, weight in held}
    return found


def _frequencies(document: Mapping[str, list[str]], mean: Mapping[str, float]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for name, boost, length in _FIELDS:
        terms = document.get(name)
        if not terms:
            continue
        norm = boost / (1 - length + length * len(terms) / mean[name])
        for term, times in Counter(terms).items():
            weights[term] = weights.get(term, 0.0) + norm * times
    return weights
