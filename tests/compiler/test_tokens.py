"""The estimate against true counts, and surfaces against what callers are really shown."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import DEFINITIONS, compile_text, with_sections

from meshplan.compiler.render.plan import plan_data, render_plan
from meshplan.compiler.tokens import (
    UNCOUNTED,
    all_tokens,
    counted_text,
    role_tokens,
    surface_tokens,
    tool_tokens,
)
from meshplan.schemas import code_tools, jsontext
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.decide import BOTH_SIDES, Decider, Principal
from meshplan.schemas.meta_tools import searching
from meshplan.schemas.plan import Access, Code, Offer, Rule, Search
from meshplan.schemas.surface import advertise, listing
from meshplan.schemas.tokens import CLASSES, class_counts, estimate

SAMPLE = json.loads((Path(__file__).parent / "data" / "token_sample.json").read_text())
ENGLISH = [row for row in SAMPLE["tools"] if not row["from"].startswith("in ")]
OTHERS = [row for row in SAMPLE["tools"] if row["from"].startswith("in ")]
VOCABULARIES = {"o200k_base": 0.11, "cl100k_base": 0.12}


def guess(row):
    return tool_tokens(jsontext.canonical(row["tool"]))


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_list_is_within_the_stated_bound(vocabulary):
    pick = random.Random(3)
    for _ in range(500):
        rows = pick.sample(ENGLISH, 10)
        true = sum(row[vocabulary] for row in rows)
        assert abs(sum(map(guess, rows)) / true - 1) < VOCABULARIES[vocabulary]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_of_a_hundred_tools_ninety_five_are_within_the_stated_bound(vocabulary):
    errors = sorted(abs(guess(row) / row[vocabulary] - 1) for row in ENGLISH)
    assert errors[int(len(errors) * 0.95)] < VOCABULARIES[vocabulary] + 0.04
    assert errors[-1] < 0.25


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row["from"])
def test_other_scripts_are_no_more_than_a_third_off(row):
    assert abs(guess(row) / row["o200k_base"] - 1) < 1 / 3


def test_the_sample_says_where_it_comes_from_and_has_this_repository_s_tools():
    assert "bpe-openai" in SAMPLE["provenance"]
    assert "bench/tokens.py" in SAMPLE["provenance"]
    sampled = {row["tool"]["name"] for row in SAMPLE["tools"] if row["from"] == "example"}
    locks = Path(__file__).parents[2] / "mesh.lock"
    assert sampled == {name for lock in locks.glob("*.json") for name in json.loads(lock.read_text())["tools"]}


def test_every_character_is_in_one_class():
    members = [byte for characters, _ in CLASSES.values() for byte in characters]
    assert len(members) == len(set(members))
    ascii_bytes = set(range(128)) - set(b"abcdefghijklmnopqrstuvwxyz")
    assert set(members) == ascii_bytes | set(range(0xC2, 0xF5))


@given(st.text())
def test_every_character_is_counted_once(text):
    _, pairs, *rest = class_counts(text)
    lower = sum(char in "abcdefghijklmnopqrstuvwxyz" for char in text)
    assert class_counts(text)[0] == lower
    assert sum(rest) + 2 * pairs + lower == len(text)
    assert estimate(text) >= 0


def test_indentation_is_cheap_and_nothing_costs_nothing():
    assert estimate("") == 0
    assert estimate(" " * 48) <= 3
    assert isinstance(estimate("one two three"), int)


names = st.text(min_size=1, max_size=8) | st.sampled_from(['name":"x', "a\\", '","name":"', "título", "日本"])
members = st.dictionaries(
    st.sampled_from([*sorted(UNCOUNTED), "zeta", "extra"]),
    st.text(max_size=9)
    | st.dictionaries(st.sampled_from(["name", "title", "icons", "readOnlyHint"]), names, max_size=2),
)


@given(names, members, names | st.none())
@settings(max_examples=300)
def test_what_is_counted_is_the_definition_without_what_no_model_sees(name, extra, description):
    definition = {"inputSchema": {"type": "object", "properties": {"title": {"name": name}}}, **extra, "name": name}
    if description is not None:
        definition["description"] = description
    kept = {key: value for key, value in definition.items() if key not in UNCOUNTED}
    assert json.loads(counted_text(jsontext.canonical(definition))) == kept
    assert counted_text(jsontext.canonical(definition)) == jsontext.canonical(kept)


WIDE = with_sections("""\
servers:
  notes: {stdio: [python, notes.py]}
  tickets: {http: 'http://127.0.0.1:8801/mcp'}
virtual:
  desk:
    include:
      - {server: notes, tools: all, prompts: all, resources: all, templates: all}
      - {server: tickets, tools: all, prefix: t_}
    tools:
      create_note: {name: write_it_down, description: Keeps a note, hide: [body]}
      t_create_ticket: {set: {owner: desk}}
  reading:
    include:
      - {server: notes, tools: {effect: read}}
roles:
  reader: {allow: [{server: [notes, tickets], tools: {effect: read}}]}
  worker:
    extends: [reader]
    allow:
      - {server: [notes, tickets], tools: {effect: [write, destructive]}, endpoint: desk}
    deny:
      - {id: never, effect: destructive}
      - {id: sometimes, server: notes, tools: [search], when: "args.query == 'x'"}
grants:
  - {role: worker, to: [{team: writers}]}
  - {role: reader, to: [{team: writers}]}
""")


def wide():
    compiled = compile_text(WIDE)
    assert compiled.bundle is not None, compiled.diagnostics
    return compiled.bundle


def shown(bundle, endpoint):
    """The cost of each listed tool the slow way: from the text that callers get."""
    return {
        name: tool_tokens(text) for name, text in listing(bundle.plan, bundle.definitions, endpoint, "tool").items()
    }


@pytest.mark.parametrize("endpoint", ["desk", "reading"])
def test_a_surface_costs_what_its_advertised_tools_cost(endpoint):
    bundle = wide()
    slow = shown(bundle, endpoint)
    assert abs(surface_tokens(bundle, endpoint) - sum(slow.values())) <= len(slow) / 2
    assert all_tokens(bundle)[endpoint].whole == surface_tokens(bundle, endpoint)


def test_roles_cost_what_they_see():
    bundle = wide()
    slow = shown(bundle, "desk")
    roles = role_tokens(bundle, "desk")
    assert set(roles) == {"reader", "worker"}
    reads = {name: cost for name, cost in slow.items() if bundle.plan.capabilities[name].effect == "read"}
    assert abs(roles["reader"] - sum(reads.values())) <= len(reads) / 2
    milder = {name: cost for name, cost in slow.items() if bundle.plan.capabilities[name].effect != "destructive"}
    assert abs(roles["worker"] - sum(milder.values())) <= len(milder) / 2
    assert role_tokens(bundle, "reading")["worker"] == role_tokens(bundle, "reading")["reader"]


def test_renaming_counts_as_the_advertised_text_does():
    text = jsontext.canonical(DEFINITIONS["notes"]["tool"][0])
    bundle = wide()
    for new in ("list_notes", "prefix_list_notes", "Entirely Different", "日本"):
        offer = Offer(capability="notes/tool/list_notes", name=new, description=None, set={}, hide=())
        endpoint = bundle.plan.endpoints["reading"].model_copy(update={"offers": (offer,)})
        plan = bundle.plan.model_copy(update={"endpoints": {"reading": endpoint}})
        changed = Bundle(plan, bundle.digest, bundle.definitions, {})
        assert surface_tokens(changed, "reading") == tool_tokens(advertise("tool", text, offer))


def with_strategy(bundle, strategy):
    endpoint = bundle.plan.endpoints["desk"].model_copy(update={"strategy": strategy})
    return Bundle(
        bundle.plan.model_copy(update={"endpoints": {"desk": endpoint}}), bundle.digest, bundle.definitions, {}
    )


def test_search_costs_its_own_tools_and_what_is_pinned():
    bundle = wide()
    none = with_strategy(bundle, Search(max_results=5, pinned=()))
    own = surface_tokens(none, "desk")
    assert abs(own - sum(tool_tokens(jsontext.canonical(tool)) for tool in searching(5))) <= 2
    pinned = with_strategy(bundle, Search(max_results=5, pinned=("get_note", "delete_note")))
    slow = shown(bundle, "desk")
    both = slow["notes/tool/get_note"] + slow["notes/tool/delete_note"]
    assert abs(surface_tokens(pinned, "desk") - own - both) <= 1
    assert abs(role_tokens(pinned, "desk")["worker"] - own - slow["notes/tool/get_note"]) <= 1


def test_code_costs_its_own_tools_and_the_stubs_that_fit():
    code = Code(wall_ms=1, memory_bytes=1, calls=1, output_bytes=1, logs_bytes=1)
    many = sum(tool_tokens(jsontext.canonical(tool)) for tool in code_tools.listed(["x" * 10_000]))
    alone = sum(tool_tokens(jsontext.canonical(tool)) for tool in code_tools.listed([]))
    bundle = with_strategy(wide(), code)
    whole, less = surface_tokens(bundle, "desk"), role_tokens(bundle, "desk")["reader"]
    assert alone < less < whole
    assert alone < many


def test_no_definition_is_counted_twice():
    bundle, memo = wide(), {}
    all_tokens(bundle, memo)
    counted = dict(memo)
    for key in memo:
        memo[key] = 0
    assert all(cost.whole == 0 for cost in all_tokens(bundle, memo).values())
    assert counted.keys() == memo.keys()


PLAN = wide()
ROLES = ("one", "two", "three")
ASKS = next(rule.when for rule in PLAN.plan.access.rules.values() if rule.when is not None)
rules = st.builds(
    Rule,
    effect=st.sampled_from(["allow", "allow", "deny"]),
    covers=st.lists(st.sampled_from(sorted(PLAN.plan.capabilities)), unique=True).map(tuple),
    live=st.just(()),
    endpoints=st.none() | st.sampled_from([("desk",), ("reading",), ("desk", "reading")]),
    when=st.none() | st.just(ASKS),
)


@given(st.lists(rules, min_size=1, max_size=6), st.data())
@settings(max_examples=150, deadline=None)
def test_a_role_pays_for_exactly_what_the_verdict_lets_it_see(found, data):
    bundle = PLAN
    named = {f"r{number}": rule for number, rule in enumerate(found)}
    held = st.lists(st.sampled_from(sorted(named)), unique=True).map(tuple)
    access = Access(rules=named, roles={role: data.draw(held) for role in ROLES}, grants=())
    plan = bundle.plan.model_copy(update={"access": access})
    changed, decider = Bundle(plan, bundle.digest, bundle.definitions, {}), Decider(plan)
    for endpoint in plan.endpoints:
        slow, roles = shown(bundle, endpoint), role_tokens(changed, endpoint)
        for role in ROLES:
            seen = decider.visible(endpoint, Principal("", "", frozenset()), {role: BOTH_SIDES})
            tools = [slow[name] for name in seen if name in slow]
            assert (role in roles) == bool(tools)
            assert abs(roles.get(role, 0) - sum(tools)) <= len(tools) / 2


def test_the_plan_says_what_its_lists_cost():
    bundle = compile_text(WIDE.replace("  desk:\n", "  desk:\n    max_tokens: 5000\n")).bundle
    data = plan_data(bundle)
    assert data["endpoints"]["desk"]["tokens"] == surface_tokens(bundle, "desk")
    assert data["endpoints"]["desk"]["tokens_by_role"] == role_tokens(bundle, "desk")
    assert data["endpoints"]["desk"]["max_tokens"] == 5000
    line = next(line for line in render_plan(bundle).splitlines() if "/mcp/desk" in line)
    roles = role_tokens(bundle, "desk")
    wanted = f"; about {surface_tokens(bundle, 'desk')} tokens of 5,000 (`reader` {roles['reader']}, `worker` {roles['worker']})"
    assert line.endswith(wanted)
