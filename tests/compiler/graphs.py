"""A mesh with something of everything that a graph draws, and plans that no author would write."""

from __future__ import annotations

from meshes import compile_text, with_sections
from test_cases import CASES

from meshplan.compiler.render.graph import build_graph, parse_focus
from meshplan.schemas.bundle import Bundle
from meshplan.schemas.plan import Offer

WIDE = with_sections("""\
servers:
  notes: {stdio: [python, notes.py]}
  tickets: {http: 'http://127.0.0.1:8801/mcp'}
virtual:
  desk:
    include:
      - {server: notes, tools: [search, get_note, delete_note], templates: all}
      - {server: tickets, tools: [search, create_ticket], prefix: t_, resources: live}
  reading: {strategy: search, include: [{server: notes, tools: {effect: read}}]}
identity:
  teams: {writers: {}, ops: {}}
  agents: {ci: {}}
roles:
  reader: {allow: [{server: [notes, tickets], tools: {effect: read}, resources: ["ticket://open/*"]}]}
  worker:
    allow:
      - {id: own, endpoint: desk, server: tickets, tools: [create_ticket], when: "args.owner == 'me'"}
    deny: [{id: never, effect: destructive}]
grants:
  - {role: reader, to: [{team: writers}], expires: 2027-03-31}
  - {role: worker, to: [{team: ops, agent: ci}, {team: writers}], delegated: union}
""")


def bundle_of(text):
    compiled = compile_text(text)
    assert compiled.bundle is not None, compiled.diagnostics
    return compiled.bundle


PLAN = bundle_of(WIDE)
FULL = bundle_of((CASES / "ok" / "full-language.yaml").read_text())


def graph_of(bundle, focus=None, access=True):
    return build_graph(bundle, focus=parse_focus(focus, bundle.plan) if focus else None, access=access)


def named(names):
    """A plan whose capabilities and advertised names are these."""
    plan = PLAN.plan
    example = plan.capabilities["notes/tool/search"]
    added = {f"notes/tool/{n}": example.model_copy(update={"name": name}) for n, name in enumerate(names)}
    offers = tuple(
        Offer(capability=c, name=f"p {plan_c.name}", description=None, set={}, hide=()) for c, plan_c in added.items()
    )
    desk = plan.endpoints["desk"].model_copy(update={"offers": offers})
    changed = {
        "capabilities": added,
        "endpoints": {"desk": desk},
        "access": plan.access.model_copy(update={"rules": {}, "roles": {}, "grants": ()}),
    }
    return Bundle(plan.model_copy(update=changed), PLAN.digest, PLAN.definitions, {})
