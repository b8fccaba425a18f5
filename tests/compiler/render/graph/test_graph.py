"""What is drawn of a plan."""

import json
import re

import pytest
from graphs import FULL, PLAN, WIDE, bundle_of, graph_of
from meshes import lock_texts

from meshplan.compiler.cli import run
from meshplan.compiler.render.graph import (
    MAX_CAPABILITIES,
    FocusError,
    parse_focus,
    render_dot,
    render_json,
    render_mermaid,
)
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.plan import Offer

FORMATS = {"mermaid": render_mermaid, "dot": render_dot, "json": render_json}
FOCUSES = [None, "principal:team:writers", "server:tickets", "endpoint:reading", "capability:notes/tool/search"]


def edges(graph, kind):
    return {(edge.source, edge.target): (edge.names, edge.note) for edge in graph.edges if edge.kind == kind}


def ids(graph, kind):
    return {node.label for node in graph.nodes if node.kind == kind}


@pytest.mark.parametrize("form", FORMATS)
def test_formats(form, snapshot):
    assert FORMATS[form](graph_of(PLAN)) == snapshot


@pytest.mark.parametrize("focus", FOCUSES[1:])
def test_focuses(focus, snapshot):
    assert render_mermaid(graph_of(PLAN, focus, access=False)) == snapshot


@pytest.mark.parametrize("focus", FOCUSES)
@pytest.mark.parametrize("access", [False, True])
@pytest.mark.parametrize("bundle", [PLAN, FULL], ids=["wide", "full"])
def test_every_edge_has_its_ends_and_everything_is_there_once(bundle, focus, access):
    if bundle is FULL:
        focus = focus and focus.replace("team:writers", "team:engineering").replace(":reading", ":engineering")
    graph = graph_of(bundle, focus, access)
    names = [node.id for node in graph.nodes]
    assert len(set(names)) == len(names)
    assert {end for edge in graph.edges for end in (edge.source, edge.target)} <= set(names)
    assert len({(e.kind, e.source, e.target) for e in graph.edges}) == len(graph.edges)


def test_without_access_there_is_only_routing():
    graph = graph_of(PLAN, access=False)
    assert {edge.kind for edge in graph.edges} == {"provides", "offers", "live"}
    assert ids(graph, "role") == ids(graph, "subject") == set()
    assert ids(graph, "server") == {"notes", "tickets"}


def test_access_says_who_holds_what_and_under_which_condition():
    graph = graph_of(PLAN)
    assert edges(graph, "grant") == {
        ("subject:team:writers", "role:reader"): ((), "until 2027-03-31"),
        ("subject:team:writers", "role:worker"): ((), "user or agent"),
        ("conjunction:agent:ci + team:ops", "role:worker"): ((), "user or agent"),
    }
    assert set(edges(graph, "member")) == {
        ("subject:agent:ci", "conjunction:agent:ci + team:ops"),
        ("subject:team:ops", "conjunction:agent:ci + team:ops"),
    }
    own = edges(graph, "allow")["role:worker", "capability:tickets/tool/create_ticket"]
    assert own[1] == "on a condition, at desk"
    assert ("role:worker", "capability:notes/tool/delete_note") in edges(graph, "deny")
    assert edges(graph, "allow")["role:reader", "server:tickets"][0] == ("ticket://open/*",)
    assert ("endpoint:desk", "server:tickets") in edges(graph, "live")


def test_an_allow_without_a_condition_makes_that_of_another_rule_pointless():
    text = WIDE.replace("    deny:", "      - {server: tickets, tools: [create_ticket]}\n    deny:")
    allowed = edges(graph_of(bundle_of(text)), "allow")["role:worker", "capability:tickets/tool/create_ticket"]
    assert len(allowed[0]) == 2
    assert allowed[1] == ""


def test_a_principal_s_graph_has_what_its_subjects_hold():
    graph = graph_of(PLAN, "principal:team:ops,agent:ci", access=False)
    assert graph.access
    assert ids(graph, "subject") == {"team:ops", "agent:ci"}
    assert ids(graph, "role") == {"worker"}
    assert ids(graph, "endpoint") == {"desk"}
    assert ids(graph, "capability") == {"create_ticket", "delete_note"}
    alone = graph_of(PLAN, "principal:team:ops")
    assert [node.id for node in alone.nodes] == ["subject:team:ops"]


def test_an_endpoint_s_graph_has_only_its_rules_and_servers():
    graph = graph_of(PLAN, "endpoint:reading")
    assert ids(graph, "endpoint") == {"reading"}
    assert ids(graph, "server") == {"notes"}
    assert ids(graph, "role") == {"reader"}


def test_what_the_mesh_makes_leads_to_what_it_calls():
    calls = set(edges(graph_of(FULL, access=False), "calls"))
    assert calls
    assert {source.partition("/")[0].rpartition(":")[0] for source, _ in calls} == {
        "capability:binding",
        "capability:workflow",
    }
    called = min(calls)[1].removeprefix("capability:")
    assert min(calls) in edges(graph_of(FULL, f"capability:{called}"), "calls")


@pytest.mark.parametrize(
    ("focus", "message"),
    [
        ("nothing", "a focus is"),
        ("server:", "a focus is"),
        ("role:reader", "a focus is"),
        ("server:note", "did you mean `notes`?"),
        ("endpoint:dsk", "the plan has no endpoint `dsk`; did you mean `desk`?"),
        ("capability:notes/tool/serch", "did you mean `notes/tool/search`?"),
        ("principal:team:writer", "did you mean `team:writers`?"),
        ("principal:writers", "not a subject"),
        ("principal:team:writers,", "not a subject"),
    ],
)
def test_a_focus_on_nothing_is_refused_with_advice(focus, message):
    with pytest.raises(FocusError, match=re.escape(message)):
        parse_focus(focus, PLAN.plan)


def many(count):
    """A plan with so many more tools of one server."""
    plan = PLAN.plan
    example = plan.capabilities["notes/tool/search"]
    added = {f"notes/tool/x{n}": example.model_copy(update={"name": f"x{n}"}) for n in range(count)}
    offers = tuple(Offer(capability=name, name=name, description=None, set={}, hide=()) for name in added)
    desk = plan.endpoints["desk"]
    desk = desk.model_copy(update={"offers": desk.offers + offers})
    rules = {
        name: rule.model_copy(update={"covers": (*rule.covers, *added)}) if rule.effect == "allow" else rule
        for name, rule in plan.access.rules.items()
    }
    changed = {
        "capabilities": plan.capabilities | added,
        "endpoints": plan.endpoints | {"desk": desk},
        "access": plan.access.model_copy(update={"rules": rules}),
    }
    return Bundle(plan.model_copy(update=changed), PLAN.digest, PLAN.definitions, {})


def test_many_capabilities_are_one_node_a_server_unless_one_looks_closer():
    here = len(PLAN.plan.capabilities)
    assert not graph_of(many(MAX_CAPABILITIES - here)).collapsed
    big = many(1000)
    graph = graph_of(big)
    assert graph.collapsed
    assert len(graph.nodes) < 20
    assert ids(graph, "capability") == set()
    node = next(node for node in graph.nodes if node.id == "capabilities:notes")
    total = sum(capability.server == "notes" for capability in big.plan.capabilities.values())
    assert (node.count, f"{total - 1} tools, 1 template") == (total, node.note)
    offered = next(e for e in graph.edges if (e.kind, e.source, e.target) == ("offers", "endpoint:desk", node.id))
    assert offered.count == 1004
    mixed = next(e for e in graph.edges if (e.source, e.target, e.kind) == ("role:worker", node.id, "allow"))
    assert mixed.note == "on a condition, at desk"
    assert len(graph_of(big, "endpoint:desk").nodes) > 1000


def test_the_same_plan_gives_the_same_bytes_in_whatever_order_it_is_held():
    plan = PLAN.plan
    turned = {
        "capabilities": dict(reversed(plan.capabilities.items())),
        "endpoints": dict(reversed(plan.endpoints.items())),
        "servers": dict(reversed(plan.servers.items())),
    }
    other = Bundle(plan.model_copy(update=turned), PLAN.digest, PLAN.definitions, {})
    for render in FORMATS.values():
        assert render(graph_of(other)) == render(graph_of(PLAN))


@pytest.fixture
def mesh(tmp_path, capsys):
    (tmp_path / "mesh.lock").mkdir()
    (tmp_path / "mesh.yaml").write_text(WIDE)
    for name, text in lock_texts(WIDE).items():
        (tmp_path / name).write_text(text)

    def call(*words):
        code = run(["-C", str(tmp_path), "graph", *words])
        return code, *capsys.readouterr()

    return call


def test_the_command_prints_the_graph_and_nothing_else(mesh):
    assert mesh()[:2] == (0, render_mermaid(graph_of(PLAN, access=False)))
    code, out, _ = mesh("-f", "json", "--access", "--focus", "server:notes")
    assert code == 0
    assert json.loads(out)["format"] == "mesh.dev/graph/v1"
    assert json.loads(out)["focus"] == "server:notes"
    assert mesh("--format", "dot")[1].startswith("digraph mesh {")


def test_the_command_refuses_a_focus_on_nothing(mesh):
    code, out, err = mesh("--focus", "server:note")
    assert (code, out) == (64, "")
    assert "did you mean `notes`?" in err
