"""The best of words and meaning: two orders of the same tools made one, meaning weighing more."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from meshplan.runtime.strategies.search.ranking import LONGEST_QUERY, Document, Index
from meshplan.runtime.strategies.search.semantic import model

if TYPE_CHECKING:
    from meshplan.runtime.strategies.search.semantic.model import Vectors

_DEEP: Final = 50
"""How far down an order a tool still counts."""
_DAMPING, _MEANING = 60, 2
"""Reciprocal rank fusion (Cormack, Clarke, Büttcher, 2009, section 2), and what a place by meaning counts."""
_BATCH: Final = 16
_DIGITS: Final = 4
"""Likenesses that differ by less are equal: processors round differently."""
_JOINTS = re.compile(r"[_-]|(?<=[a-z])(?=[A-Z])")


class Hybrid:
    """Ranks by words until the meanings of all tools are known; these are found out when somebody first asks."""

    def __init__(self, index: Index, documents: Sequence[Document]) -> None:
        model.check()
        self._index, self._documents = index, sorted(documents, key=lambda document: document.id)
        self._vectors: Vectors | None = None
        self._learning: threading.Thread | None = None

    async def rank(self, queries: Sequence[str], candidates: frozenset[str], limit: int) -> list[list[str]]:
        """The ids that fit each query best, best first; only ``candidates``."""
        lexical = [self._index.rank(query, candidates, max(limit, _DEEP)) for query in queries]
        if self._vectors is None:
            self._learn()
            return [found[:limit] for found in lexical]
        asked = await anyio.to_thread.run_sync(model.embed, [query[:LONGEST_QUERY] for query in queries])
        meant = self._nearest(self._vectors, asked, candidates)
        return [_fused(words, near)[:limit] for words, near in zip(lexical, meant, strict=True)]

    def learn(self) -> None:
        """Find out what every tool means, in the calling thread."""
        import numpy as np

        texts = [_text(document) for document in self._documents]
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found: Vectors = np.zeros((len(texts), 0), np.float32)
        for start in range(0, len(order), _BATCH):
            places = order[start : start + _BATCH]
            rows = model.embed([texts[at] for at in places])
            if not found.shape[1]:
                found = np.zeros((len(texts), rows.shape[1]), np.float32)
            found[places] = rows
        self._vectors = found

    def _learn(self) -> None:
        if self._learning is None and self._documents:
            self._learning = threading.Thread(target=self.learn, name="meanings", daemon=True)
            self._learning.start()

    def _nearest(self, vectors: Vectors, asked: Vectors, candidates: frozenset[str]) -> list[list[str]]:
        import numpy as np

        places = np.array([at for at, document in enumerate(self._documents) if document.id in candidates], np.int64)
        if not len(places):
            return [[] for _ in asked]
        likeness = np.round(asked @ vectors[places].T, _DIGITS)
        # A stable sort of what is in the order of ids breaks ties by id.
        best = np.argsort(-likeness, axis=1, kind="stable")[:, :_DEEP]
        return [[self._documents[int(places[at])].id for at in row] for row in best]


def _text(document: Document) -> str:
    return f"{document.server} {_JOINTS.sub(' ', document.name)}: {document.description}"


def _fused(*orders: Sequence[str]) -> list[str]:
    """One order of two: by words, by meaning."""
    scores: dict[str, float] = {}
    for weight, order in zip((1, _MEANING), orders, strict=True):
        for place, name in enumerate(order[:_DEEP]):
            scores[name] = scores.get(name, 0.0) + weight / (_DAMPING + place)
    return sorted(scores, key=lambda name: (-round(scores[name], 12), name))
