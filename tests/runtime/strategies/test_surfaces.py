"""What clients list of five hundred tools: search and code cost them a fiftieth of passthrough, whoever asks."""

import json
from pathlib import Path

import pytest

from meshplan.compiler.tokens import tool_tokens
from meshplan.runtime.strategies.code.strategy import CodeStrategy
from meshplan.runtime.strategies.port import Surface, Tool
from meshplan.runtime.strategies.search.strategy import SearchStrategy
from meshplan.schemas import jsontext
from meshplan.schemas.plan import Code, Search

LOCKS = Path(__file__).parents[3] / "mesh.lock"
BOUNDS = Code(wall_ms=1, memory_bytes=1 << 26, calls=50, output_bytes=1 << 18, logs_bytes=1 << 14)


def tools(count):
    """The example servers' tools again and again, under other names and of fifty servers."""
    known = [
        one["definition"]
        for path in sorted(LOCKS.glob("*.json"))
        for one in json.loads(path.read_text())["tools"].values()
    ]
    found = []
    for number in range(count):
        definition = known[number % len(known)]
        name, server = f"{definition['name']}_{number}", f"server-{number % 50}"
        text = jsontext.canonical({**definition, "name": name})
        found.append(Tool(f"{server}/tool/{name}", server, name, text.encode(), "read"))
    return tuple(found)


def cost(listed):
    return sum(tool_tokens(definition.decode()) for definition in listed)


@pytest.mark.parametrize("kind", ["search", "code"])
def test_five_hundred_tools_cost_a_fiftieth(kind):
    surface = Surface("many", tools(500))
    if kind == "search":
        strategy = SearchStrategy(surface, Search(max_results=10, pinned=()))
    else:
        strategy = CodeStrategy(surface, BOUNDS)
    whole = cost(tool.definition for tool in surface.tools)
    assert whole > 40_000
    assert cost(strategy.listed(frozenset(tool.capability for tool in surface.tools))) <= whole / 50
