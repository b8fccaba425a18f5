"""What `mesh plan` says of strategies: what each would cost, and when another would serve better."""

import pytest
from meshes import compile_text, with_sections

from meshplan.compiler.render.plan import plan_data, render_plan
from meshplan.compiler.strategies import advice
from meshplan.schemas.plan import Endpoint, Passthrough, Plugin, Search

KINDS = {
    "passthrough": Passthrough(),
    "search": Search(max_results=10, pinned=()),
    "plugin": Plugin(name="x", version="1", settings="{}"),
}
MESH = """
virtual:
  desk:
    strategy: STRATEGY
    include:
      - {server: notes, tools: {effect: read}}
"""


def planned(strategy):
    compiled = compile_text(with_sections(MESH.replace("STRATEGY", strategy)))
    return plan_data(compiled.bundle)["endpoints"]["desk"], render_plan(compiled.bundle)


@pytest.mark.parametrize(
    ("kind", "passthrough", "search", "better"),
    [
        ("passthrough", 60_000, 400, "search"),
        ("passthrough", 3_000, 400, "search"),
        ("passthrough", 2_999, 400, None),
        ("search", 60_000, 400, None),
        ("search", 300, 400, "passthrough"),
        ("plugin", 60_000, 400, None),
    ],
)
def test_another_strategy_is_advised_where_it_serves_better(kind, passthrough, search, better):
    endpoint = Endpoint(description=None, strategy=KINDS[kind], offers=(), live=())
    assert advice(endpoint, {"passthrough": passthrough, "search": search, "code": 370}) == better


def test_the_plan_says_what_each_would_cost():
    data, text = planned("passthrough")
    costs = data["tokens_by_strategy"]
    assert list(costs) == ["passthrough", "search", "code"]
    assert costs["passthrough"] == data["tokens"]
    assert data["advice"] is None
    assert (
        f"by strategy: passthrough {costs['passthrough']:,}, search {costs['search']:,}, code {costs['code']:,}" in text
    )
    assert "it is" not in text


def test_a_small_surface_is_better_listed():
    data, text = planned("search")
    assert data["advice"] == "passthrough"
    assert data["tokens"] == data["tokens_by_strategy"]["search"] > data["tokens_by_strategy"]["passthrough"]
    assert "it is `search`" in text
    assert "advice: `strategy: passthrough` costs every client about" in text


def test_an_endpoint_without_tools_has_no_costs():
    prompts = MESH.replace("STRATEGY", "search").replace("tools: {effect: read}", "prompts: all")
    compiled = compile_text(with_sections(prompts + "roles:\n  reader:\n    allow: [{server: notes, prompts: all}]\n"))
    found = plan_data(compiled.bundle)["endpoints"]["desk"]
    assert (found["tokens_by_strategy"], found["advice"]) == ({}, None)
    assert "by strategy" not in render_plan(compiled.bundle)
