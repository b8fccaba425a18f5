"""How often the right tool is found, and how fast: ours beside SQLite FTS5 (porter, weighted columns), in one run.

Where the extra `semantic` is installed, the hybrid ranker, too; its vectors are made first, and what that took is told.

`--data` is a folder with `corpus.jsonl` (tools: id, server, name, description, inputSchema) and `dev.jsonl` (queries: kind,
query, gold_any). Recall is over queries; times are process CPU time of one query, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meshplan.runtime.strategies.port import StrategyError
from meshplan.runtime.strategies.search.ranking import Document, Index
from meshplan.runtime.strategies.search.semantic.hybrid import Hybrid

DEPTHS = (1, 5, 10)
Rank = Callable[[str], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data" / "tools")
    options = parser.parse_args()
    if not (options.data / "corpus.jsonl").is_file():
        parser.error(f"there is no corpus.jsonl in {options.data}; name the folder with --data")
    documents = [_document(tool) for tool in _lines(options.data / "corpus.jsonl")]
    queries = _lines(options.data / "dev.jsonl")
    print(f"{len(documents)} tools, {len(queries)} queries")
    print(f"{'':<22}{'kind':<8}{'r@1':>6}{'r@5':>6}{'r@10':>6}{'p50 ms':>9}{'p95 ms':>9}")
    for name, rank in (("FTS5", _fts5(documents)), ("ours", _ours(documents)), *_semantic(documents)):
        for kind in ("nl", "agent"):
            _show(name, kind, rank, [query for query in queries if query["kind"] == kind])
    for size in (2_000, 20_000):
        grown = _grow(documents, size)
        for name, rank in (("FTS5", _fts5(grown)), ("ours", _ours(grown))):
            spent = _times(rank, [query["query"] for query in queries])
            print(
                f"{name + f', {size} tools':<22}{'all':<8}{'':>18}{statistics.median(spent):>9.2f}{_p95(spent):>9.2f}"
            )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _document(tool: dict[str, Any]) -> Document:
    properties = (tool.get("inputSchema") or {}).get("properties") or {}
    arguments = " ".join(f"{name} {shape.get('description', '')}" for name, shape in properties.items())
    return Document(tool["id"], tool["server"], tool["name"], tool["description"] or "", arguments)


def _grow(documents: list[Document], size: int) -> list[Document]:
    """As many tools as asked for: the real ones, then mixtures of two with words left out."""
    chance, grown = random.Random(2026), list(documents[:size])
    while len(grown) < size:
        one, other = chance.choice(documents), chance.choice(documents)
        server = f"{other.server}-{len(grown) % 400}"
        name = f"{other.name.split('_')[0]}_{one.name}_{len(grown)}"
        words = " ".join(word for word in one.description.split() if chance.random() < 0.6)
        grown.append(Document(f"{server}/{name}", server, name, words, one.arguments))
    return grown


def _ours(documents: list[Document]) -> Rank:
    index = Index(documents)
    return lambda query: index.rank(query, None, 10)


def _semantic(documents: list[Document]) -> list[tuple[str, Rank]]:
    try:
        found = Hybrid(Index(documents), documents)
    except StrategyError as error:
        print(f"without the hybrid ranker: {error}")
        return []
    started = time.process_time()
    found.learn()
    spent = time.process_time() - started
    print(f"vectors of {len(documents)} tools: {spent:.1f} s of CPU, {1000 * spent / len(documents):.0f} ms each")
    every = frozenset(document.id for document in documents)

    def rank(query: str) -> list[str]:
        return asyncio.run(found.rank([query], every, 10))[0]

    return [("ours, semantic", rank)]


def _fts5(documents: list[Document]) -> Rank:
    base = sqlite3.connect(":memory:")
    base.execute(
        "create virtual table t using fts5(id unindexed, name, server, description, arguments, tokenize='porter')"
    )
    rows = [(d.id, _apart(d.name), _apart(d.server), d.description, _apart(d.arguments)) for d in documents]
    base.executemany("insert into t values (?, ?, ?, ?, ?)", rows)

    def rank(query: str) -> list[str]:
        words = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", query))
        found = base.execute("select id from t where t match ? order by bm25(t, 0, 5, 3, 2, 1), id limit 10", (words,))
        return [row[0] for row in found]

    return rank


def _apart(name: str) -> str:
    return re.sub(r"([a-z])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ")


def _show(name: str, kind: str, rank: Rank, queries: list[dict[str, Any]]) -> None:
    found = [rank(query["query"]) for query in queries]
    recall = [
        100 * sum(any(gold in got[:depth] for gold in query["gold_any"]) for got, query in zip(found, queries, strict=True))
        / len(queries)
        for depth in DEPTHS
    ]  # fmt: skip
    spent = _times(rank, [query["query"] for query in queries])
    shown = "".join(f"{value:>6.1f}" for value in recall)
    print(f"{name:<22}{kind:<8}{shown}{statistics.median(spent):>9.2f}{_p95(spent):>9.2f}")


def _times(rank: Rank, queries: list[str]) -> list[float]:
    spent: list[float] = []
    for query in queries:
        started = time.process_time()
        rank(query)
        spent.append(1000 * (time.process_time() - started))
    return spent


def _p95(spent: list[float]) -> float:
    return sorted(spent)[int(0.95 * (len(spent) - 1))]


if __name__ == "__main__":
    main()
