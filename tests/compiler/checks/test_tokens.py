"""`max_tokens`: what is over it is refused at its place, and told what to do."""

import re

import pytest
from meshes import compile_text, with_sections

from meshplan.compiler.tokens import surface_tokens

MESH = """\
virtual:
  desk:
    {strategy}
    max_tokens: {limit}
    include:
      - {{server: notes, tools: all, prompts: all, templates: all, prefix: n_}}
"""


def compiled(limit, strategy="strategy: passthrough"):
    return compile_text(with_sections(MESH.format(limit=limit, strategy=strategy)))


def cost(strategy="strategy: passthrough"):
    return surface_tokens(compiled(1_000_000, strategy).bundle, "desk")


STRATEGIES = ["strategy: passthrough", "strategy: {search: {pinned: [n_get_note]}}", "strategy: code"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_limit_is_what_the_plan_says_it_costs_exactly(strategy):
    exact = cost(strategy)
    assert compiled(exact, strategy).bundle is not None
    over = compiled(exact - 1, strategy)
    assert [d.code for d in over.diagnostics] == ["MESH308"]
    assert over.bundle is None


def test_it_points_at_the_limit_and_names_the_largest():
    (found,) = compiled(10).diagnostics
    line = compiled(10).texts["mesh.yaml"].split("\n")[found.span.line - 1]
    assert line[found.span.column - 1 : found.span.end_column - 1] == "10"
    assert found.message == f"`desk` costs about {cost()} tokens, more than its `max_tokens` of 10"
    assert found.help.startswith("the largest tools are `n_create_note` (")
    assert found.help.count("`n_") == 3
    assert "strategy:" not in found.help


def test_a_cheaper_strategy_is_named_with_its_cost():
    (found,) = compiled(10, "strategy: search").diagnostics
    assert "it would cost about" in found.help
    assert f"about {cost()} with `strategy: passthrough`" in found.help
    assert "with `strategy: code`" in found.help
    assert "largest" not in found.help


def test_prompts_and_resources_cost_nothing():
    text = "virtual:\n  desk:\n    max_tokens: 1\n    include: [{server: notes, prompts: all, templates: all}]\n"
    roles = "roles:\n  reader: {allow: [{server: notes, prompts: all}]}\n"
    assert compile_text(with_sections(text + roles)).bundle is not None


def test_a_single_tool_is_named_alone():
    (found,) = compiled(1, "strategy: {search: {pinned: [n_get_note]}}").diagnostics
    assert "is the only one that is listed" in found.help


def test_large_numbers_are_grouped():
    (found,) = compiled(1, "strategy: {search: {pinned: [n_get_note]}}").diagnostics
    assert "more than its `max_tokens` of 1" in found.message
    (found,) = compile_text(with_sections(MANY)).diagnostics
    assert "tokens, more than its `max_tokens` of 1,000" in found.message
    assert re.search(r"costs about \d,\d{3} tokens", found.message)


MANY = (
    MESH.format(limit=1000, strategy="strategy: passthrough")
    + f"""\
    tools:
      n_get_note: {{description: {"a long story " * 400}}}
"""
)
